import ArgumentParser
import Merging
import ModelFiles
import TinaRuntime

/// Which adapter answers.
struct AdapterOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A .tina file, a PEFT or MLX directory, a GGUF adapter or a name on the hub; PATH:layers=1 reads the first"
        + " quality layer of a .tina file, PATH@0.5 multiplies its scale.", valueName: "adapter"))
  var adapter: AdapterSource?

  @Flag(help: AttachOptions.mismatchHelp)
  var allowBaseMismatch = false

  @Flag(help: AttachOptions.trustHelp)
  var trust = false

  @Option(help: MergedOptions.mergedHelp)
  var merged: FloatType?

  /// How the adapter is attached, as a value of its own.
  var attaching: AttachOptions {
    var options = AttachOptions()
    options.allowBaseMismatch = allowBaseMismatch
    options.trust = trust
    return options
  }

  /// Whether the adapter is added to the weights, as a value of its own.
  var merging: MergedOptions {
    var options = MergedOptions()
    options.merged = merged
    return options
  }

  func validate() throws {
    if merged != nil, adapter == nil { throw ValidationError("--merged needs an --adapter.") }
  }

  /// The adapter as it is named, if one is.
  var sources: [AdapterSource] { [adapter].compactMap(\.self) }

  /// The model to run and the adapter attached to it: `model` and what was asked for, or a merged model and none.
  func place(on model: Model) throws -> (model: Model, adapter: AttachedAdapter?) {
    guard let attached = try adapter.map({ try attaching.attach($0, to: model) }) else { return (model, nil) }
    return try merging.place(attached, on: model)
  }
}

/// How adapters are attached.
struct AttachOptions: ParsableArguments {
  static let mismatchHelp: ArgumentHelp =
    "Attach adapters although the model's weights are not those that they belong to."

  static let trustHelp: ArgumentHelp =
    "Leave the checksums of plainly stored .tina files uncompared: a little faster, and damage goes unseen."

  @Flag(help: Self.mismatchHelp)
  var allowBaseMismatch = false

  @Flag(help: Self.trustHelp)
  var trust = false

  /// The same adapter, with what the options say.
  func applied(to source: AdapterSource) -> AdapterSource {
    var source = source
    source.allowBaseMismatch = allowBaseMismatch
    source.isTrusted = trust
    return source
  }

  /// Attaches an adapter to `model` and tells on standard error what should be known about it.
  func attach(_ source: AdapterSource, to model: Model) throws -> AttachedAdapter {
    try AttachedAdapter(telling: applied(to: source), to: model)
  }
}

extension AttachedAdapter {
  /// Attaches an adapter and tells on standard error what should be known about it. One on the hub is fetched unless
  /// the cache has it.
  convenience init(telling source: AdapterSource, to model: Model) throws {
    try self.init(source.resolved(), to: model)
    for note in adapter.notes + notes { Terminal.note(note) }
  }
}

/// Whether an adapter is added to the weights.
struct MergedOptions: ParsableArguments {
  static let mergedHelp = ArgumentHelp(
    "Add the one adapter to the weights in memory, as f32, bf16 or f16: a little faster than attached.",
    valueName: "type")

  @Option(help: Self.mergedHelp)
  var merged: FloatType?

  /// The model to run and the adapter attached to it: a merged model and none if that was asked for. Says on standard
  /// error what became of the adapter.
  func place(_ attached: AttachedAdapter, on model: Model) throws -> (model: Model, adapter: AttachedAdapter?)
  {
    guard let merged else { return (model, attached) }
    let merge = try RuntimeMerge([attached], into: model, elementType: merged.elementType)
    Terminal.note(merge.summary)
    return (merge.model, nil)
  }
}

/// A type of floating-point numbers on the command line.
enum FloatType: String, ExpressibleByArgument, CaseIterable {
  case f32, bf16, f16

  var elementType: ElementType {
    switch self {
    case .f32: .f32
    case .bf16: .bf16
    case .f16: .f16
    }
  }
}
