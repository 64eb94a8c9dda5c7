import CKernels
import Foundation
public import ModelFiles

/// A base model, opened. Nothing is copied: its weights stay in the mapped files.
public final class Model: Sendable {
  /// The directory that the model was opened from.
  public let directory: StoredModel
  /// The number of threads that compute, the calling one included.
  public let threads: Int
  /// What activations are rounded to where they meet weights.
  public let activations: ActivationType
  /// How that was chosen.
  package let activationChoice: ActivationChoice
  package let weights: ModelWeights
  /// The tokens that end an answer, as the model's configuration says.
  public let endTokens: Set<Int>
  let compute: Compute
  /// The files that the weights lie in.
  private let files: [MappedFile]

  /// The path of instructions that computes: `avx2`, `portable`, …
  public var kernels: String { unsafe String(cString: tk_isa()) }

  /// The architecture's sizes.
  public var config: Architecture { directory.config }

  /// Opens the Hugging Face directory at `path` and checks every tensor against `config.json`.
  ///
  /// - Parameters:
  ///   - path: the directory.
  ///   - threads: how many threads compute; when nil, as many as ``ThreadCount`` says.
  ///   - activations: what activations are rounded to where they meet weights. By default results are the same on
  ///     every machine.
  /// - Throws: `ModelFilesError` for files that are missing, damaged or of another architecture;
  ///   `RuntimeError.weightsMismatch` for weights that do not fit the configuration;
  ///   `RuntimeError.invalidSetting` or `.threadsUnavailable` for threads.
  public convenience init(path: String, threads: Int? = nil, activations: ActivationChoice = .int8) throws {
    try self.init(StoredModel(path: path), threads: threads, activations: activations)
  }

  /// The same for a model that was opened, or whose weights are in memory.
  package init(_ directory: StoredModel, threads: Int?, activations choice: ActivationChoice = .int8) throws {
    self.directory = directory
    self.threads = try ThreadCount(threads).count
    activationChoice = choice
    activations = ActivationType(choice, for: directory.matrixTypes)
    endTokens = Set(directory.eosTokenIDs)
    weights = try ModelWeights(directory, activations: activations)
    KernelPaths.shared.prepare(weights.kernelKinds)
    compute = try Compute(ForwardPass(config: directory.config, weights: weights, threads: self.threads))
    files = directory.weights.mappedFiles
    for file in files { file.prefetch() }
    try checkFiles()
  }

  /// Throws if a file of the weights was shortened or written to since the model was opened: what was computed since
  /// then may be wrong.
  ///
  /// - Throws: `RuntimeError.filesChanged`.
  public func checkFiles() throws(RuntimeError) {
    do throws(ModelFilesError) {
      for file in files { try file.checkUnchanged() }
    } catch {
      throw .filesChanged(error)
    }
  }
}

extension StoredModel {
  /// The types of the matrices that rows are multiplied with.
  package var matrixTypes: Set<ElementType> {
    let matrices = weights.tensors.values.filter {
      $0.shape.count == 2 && (config.tieWordEmbeddings || $0.name != "model.embed_tokens.weight")
    }
    return Set(matrices.map(\.elementType))
  }
}

/// Lets one caller at a time use the forward pass, its scratch memory and its threads.
final class Compute: Sendable {
  // Not Synchronization's Mutex: ThreadSanitizer does not see that one's order and would report races.
  private let lock = NSLock()
  /// Fairness lock, held while waiting for the other: prevents starvation by a caller that comes again at once.
  private let turn = NSLock()
  private nonisolated(unsafe) let forward: ForwardPass

  init(_ forward: sending ForwardPass) { unsafe self.forward = forward }

  func exclusive<T>(_ body: (ForwardPass) throws -> T) rethrows -> T {
    turn.lock()
    lock.lock()
    turn.unlock()
    defer { lock.unlock() }
    return unsafe try body(forward)
  }
}
