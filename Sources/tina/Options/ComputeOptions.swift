public import ArgumentParser
import Foundation
import ModelFiles
import Support
public import TinaRuntime

extension CacheType: ExpressibleByArgument {}
extension ActivationType: ExpressibleByArgument {}

/// How many threads compute.
struct ThreadOptions: ParsableArguments {
  @Option(help: "Threads that compute; as many as processors unless given.")
  var threads: Int?

  func validate() throws {
    try namingOption { () throws(RuntimeError) in _ = try ThreadCount(threads) }
  }

  /// The number of threads that was asked for, here or in the user's settings.
  var wanted: Int? { get throws { try threads ?? UserSettings.current().threads?.value } }

  /// The number of threads in force.
  var count: Int { get throws { try ThreadCount(wanted).count } }
}

/// How a model is opened.
struct ModelOptions: ParsableArguments {
  @OptionGroup var threads: ThreadOptions

  @Option(
    help: ArgumentHelp(
      "What activations are rounded to: int8 for the weights of a quantised GGUF base, bf16 for BF16 weights too"
        + " (fast with AVX512-BF16), or f32: not at all. Unless given: int8."))
  var activations: ActivationType?

  /// The model at a path.
  ///
  /// - Parameter usual: what activations are rounded to where the option does not say.
  func model(_ path: String, activations usual: ActivationType = .int8) throws -> Model {
    try Model(path: path, threads: threads.wanted, activations: activations ?? usual)
  }
}

/// How the model computes.
struct ComputeOptions: ParsableArguments {
  @OptionGroup var opening: ModelOptions

  @Option(help: "The longest sequence in tokens, prompt and answer together; the model's own unless given.")
  var context: Int?

  @Option(help: "How keys and values are kept: f32, f16 or bf16.")
  var cacheType: CacheType = .f16

  @Option(
    help: ArgumentHelp(
      "Memory for keys and values in MiB; half of what is available unless given.", valueName: "mib"))
  var cacheMemory: Int?

  func validate() throws {
    let memory = MachineMemory.total >> 20
    if let cacheMemory, !(1...memory).contains(cacheMemory) {
      throw ValidationError(
        "--cache-memory: found \(cacheMemory), expected 1 to \(memory), the MiB of this machine's memory.")
    }
    if let context, context < 2 { throw ValidationError("--context: found \(context), expected 2 or more.") }
  }

  /// The model at a path.
  ///
  /// - Throws: `CommandError` when ``context`` is longer than the model's own.
  func model(_ path: String, activations usual: ActivationType = .int8) throws -> Model {
    let model = try opening.model(path, activations: usual)
    if let context, context > model.config.maxPositions {
      throw CommandError(
        "--context: found \(context), but \(path) was made for at most \(model.config.maxPositions). Give that or"
          + " less.")
    }
    return model
  }

  /// An engine on `model` that decodes so many completions at once.
  func engine(_ model: Model, batchLimit: Int = 64) -> Engine {
    Engine(
      model: model, cacheType: cacheType, contextLimit: context, batchLimit: batchLimit,
      memoryBudget: cacheMemory.map { $0 << 20 })
  }
}

/// Runs a check of settings; its error then names the command's own option.
func namingOption(_ check: () throws(RuntimeError) -> Void) throws {
  do {
    try check()
  } catch .invalidSetting(let name, let found, let expected) {
    let option = name.replacingOccurrences(of: " ", with: "-")
    throw ValidationError("--\(option): found \(found), expected \(expected).")
  }
}
