public import ArgumentParser
import Foundation
import ModelFiles
import Support
public import TinaRuntime

extension CacheType: ExpressibleByArgument {}
extension ActivationChoice: ExpressibleByArgument {}

/// How many threads compute.
struct ThreadOptions: ParsableArguments {
  static let threadsHelp: ArgumentHelp =
    "Threads that compute; as many as processors, of two kinds the faster ones, unless given."

  @Option(help: Self.threadsHelp)
  var threads: Int?

  func validate() throws {
    try namingOption { () throws(RuntimeError) in _ = try ThreadCount(threads) }
  }

  /// The number of threads that was asked for, here or in the user's settings.
  var wanted: Int? { get throws { try threads ?? UserSettings.current().threads?.value } }

  /// The number of threads in force.
  var count: Int { get throws { try ThreadCount(wanted).count } }

  /// The model at a path, computed by so many threads.
  ///
  /// - Parameter share: threads for one of several processes on this machine, where the option does not say.
  func model(_ path: String, activations: ActivationChoice, share: Int? = nil) throws -> Model {
    ModelMemory.use()
    return try Model(path: path, threads: wanted ?? share, activations: activations)
  }
}

/// What outlives the program for the models that it opens.
enum ModelMemory {
  /// Lets measurements of this processor outlive the program. Called before a model is opened.
  static func use() {
    guard let memory = KernelPathMemory(environment: ProcessInfo.processInfo.environment) else { return }
    KernelPaths.shared.remember(in: memory)
  }
}

/// How the model computes. No group of options lies in another: for each level, debug builds of the parser check a
/// group four times as often.
struct ComputeOptions: ParsableArguments {
  static let activationsHelp: ArgumentHelp =
    """
    What activations are rounded to: int8 for the weights of a quantised GGUF base, bf16 for BF16 weights too, f32: \
    not at all; fastest: what suits this processor. Unless given: fastest to run, serve and bench, else int8.
    """

  @Option(help: ThreadOptions.threadsHelp)
  var threads: Int?

  @Option(help: Self.activationsHelp)
  var activations: ActivationChoice?

  @Option(help: "The longest sequence in tokens, prompt and answer together; the model's own unless given.")
  var context: Int?

  @Option(help: "How keys and values are kept: f32, f16 or bf16.")
  var cacheType: CacheType = .f16

  @Option(
    help: ArgumentHelp(
      "Memory for keys and values in MiB; half of what is available unless given.", valueName: "mib"))
  var cacheMemory: Int?

  /// The threads alone, as a value that is checked in its own type.
  var threading: ThreadOptions {
    var options = ThreadOptions()
    options.threads = threads
    return options
  }

  func validate() throws {
    try threading.validate()
    let memory = MachineMemory.total >> 20
    if let cacheMemory, !(1...memory).contains(cacheMemory) {
      throw ValidationError(
        "--cache-memory: found \(cacheMemory), expected 1 to \(memory), the MiB of this machine's memory.")
    }
    if let context, context < 2 { throw ValidationError("--context: found \(context), expected 2 or more.") }
  }

  /// The model at a path.
  ///
  /// - Parameters:
  ///   - usual: how activations are chosen where the option does not say.
  ///   - share: threads for one of several processes on this machine, where the option does not say.
  /// - Throws: `CommandError` when ``context`` is longer than the model's own.
  func model(_ path: String, activations usual: ActivationChoice, threads share: Int? = nil) throws -> Model {
    let model = try threading.model(path, activations: activations ?? usual, share: share)
    if let context, context > model.config.maxPositions {
      throw CommandError(
        "--context: found \(context), but \(path) was made for at most \(model.config.maxPositions). Give that or"
          + " less.")
    }
    return model
  }

  /// An engine on `model` that decodes so many completions at once.
  ///
  /// - Parameter share: bytes for keys and values of one of several processes, where the option does not say.
  func engine(
    _ model: Model, batchLimit: Int = 64, speculation: Speculation = .init(), drafter: Drafter? = nil,
    memory share: Int? = nil
  ) -> Engine {
    Engine(
      model: model, cacheType: cacheType, contextLimit: context, batchLimit: batchLimit,
      memoryBudget: cacheMemory.map { $0 << 20 } ?? share, speculation: speculation,
      drafter: drafter)
  }
}

/// Whether tokens are guessed ahead.
struct SpeculationOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Guess tokens ahead and check them in one pass: off, auto (where it pays), or at most so many, 1 to 15. It changes"
        + " the speed and nothing else.", valueName: "off|auto|n"),
    transform: Self.amount)
  var speculate: Speculation.Amount = .auto

  @Option(
    help: ArgumentHelp(
      "A smaller model that guesses too: a quantised copy of the base, or another with its tokenizer. It changes the"
        + " speed and nothing else.", valueName: "model"), completion: .model)
  var draft: String?

  func validate() throws {
    if draft != nil, speculate == .off {
      throw ValidationError(
        "--draft: found --speculate off as well, which guesses nothing. Leave one of them out.")
    }
  }

  /// Refuses a drafter beside merged weights.
  func validate(beside merging: MergedOptions) throws {
    if draft != nil, merging.merged != nil {
      throw ValidationError(
        "--draft: found --merged as well. The drafter's weights would be those without the adapter, and its guesses"
          + " wrong. Leave --merged out: an attached adapter is attached to the drafter too.")
    }
  }

  /// The model that guesses for `base`; nil where none was named. Says on standard error what should be known of it.
  func drafter(for base: Model) throws -> Drafter? {
    guard let draft else { return nil }
    let model = try Model(
      path: ModelLocator.path(draft), threads: base.threads, activations: .fastest)
    let drafter = try Drafter(model, for: base)
    for note in drafter.notes { Terminal.note(note) }
    return drafter
  }

  /// For a program that serves one user, who may be told of earlier answers by how fast another is.
  var remembering: Speculation {
    Speculation(speculate, historyBytes: Speculation.remembering.historyBytes)
  }

  /// For a program that serves several.
  var apart: Speculation { Speculation(speculate) }

  private static func amount(_ text: String) throws -> Speculation.Amount {
    guard let amount = Speculation.Amount(text) else {
      throw ValidationError(
        "--speculate: found \(quoted(text)), expected off, auto, or a number from 1 to \(Speculation.mostTokens)."
      )
    }
    return amount
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
