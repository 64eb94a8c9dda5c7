import AdapterFormat
public import ArgumentParser
import Foundation
import Hub
import Merging
import ModelFiles
public import TinaRuntime

extension CacheType: ExpressibleByArgument {}
extension ActivationType: ExpressibleByArgument {}

/// What weights are merged into at load.
enum MergedType: String, ExpressibleByArgument, CaseIterable {
  case f32, bf16, f16

  var elementType: ElementType {
    switch self {
    case .f32: .f32
    case .bf16: .bf16
    case .f16: .f16
    }
  }

  /// Adds an adapter that is attached to `model` to its weights in memory, and says on standard error what became of it.
  func merge(_ attached: AttachedAdapter, into model: Model) throws -> Model {
    let merge = try RuntimeMerge([attached], into: model, elementType: elementType)
    Terminal.note(merge.summary)
    return merge.model
  }
}

/// How the model computes.
struct ComputeOptions: ParsableArguments {
  @Option(help: "Threads that compute; as many as processors unless given.")
  var threads: Int?

  @Option(
    help:
      "What activations are rounded to: int8 for the weights of a quantised GGUF base, bf16 for BF16 weights too (fast with AVX512-BF16), or f32: not at all."
  )
  var activations: ActivationType = .int8

  @Option(help: "The longest sequence in tokens, prompt and answer together; the model's own unless given.")
  var context: Int?

  @Option(help: "How keys and values are kept: f32, f16 or bf16.")
  var cacheType: CacheType = .f16

  @Option(
    help: ArgumentHelp(
      "Memory for keys and values in MiB; half of what is available unless given.", valueName: "mib"))
  var cacheMemory: Int?

  func validate() throws {
    let memory = Int(clamping: ProcessInfo.processInfo.physicalMemory >> 20)
    if let cacheMemory, !(1...memory).contains(cacheMemory) {
      throw ValidationError(
        "--cache-memory: found \(cacheMemory), expected 1 to \(memory), the MiB of this machine's memory.")
    }
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads: found \(threads), expected 1 to 1024.")
    }
    if let context, context < 2 { throw ValidationError("--context: found \(context), expected 2 or more.") }
  }

  /// The model at a path.
  ///
  /// - Throws: `CommandError` when the model can't go as far as ``context`` says.
  func model(_ path: String) throws -> Model {
    let model = try Model(path: path, threads: threads, activations: activations)
    if let context, context > model.config.maxPositions {
      throw CommandError(
        "--context: found \(context), but \(path) was made for at most \(model.config.maxPositions). Give that or"
          + " less.")
    }
    return model
  }

  func engine(_ model: Model) -> Engine {
    Engine(
      model: model, cacheType: cacheType, contextLimit: context, memoryBudget: cacheMemory.map { $0 << 20 })
  }
}

/// Which adapter answers.
struct AdapterOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A .tina file, a PEFT or MLX directory, a GGUF adapter or a name on the hub; PATH:layers=1 reads the first"
        + " quality layer of a .tina file, PATH@0.5 multiplies its scale.", valueName: "adapter"))
  var adapter: AdapterReference?

  @Flag(help: "Attach the adapter although the model's weights are not those that it belongs to.")
  var allowBaseMismatch = false

  /// The adapter as it is named, if one is.
  var references: [AdapterReference] { [adapter].compactMap(\.self) }

  @Option(
    help: ArgumentHelp(
      "Add the adapter to the weights in memory, as f32, bf16 or f16: a little faster, and without it attached.",
      valueName: "type"))
  var merged: MergedType?

  func validate() throws {
    if merged != nil, adapter == nil { throw ValidationError("--merged needs an --adapter.") }
  }

  /// The model to run and the adapter attached to it: `model` and what was asked for, or a merged model and none.
  func place(on model: Model) throws -> (model: Model, adapter: AttachedAdapter?) {
    let attached = try attach(to: model)
    guard let merged, let attached else { return (model, attached) }
    return (try merged.merge(attached, into: model), nil)
  }

  /// The adapter attached to `model`, or nil if none is wanted.
  func attach(to model: Model) throws -> AttachedAdapter? {
    try adapter.map { try $0.attach(to: model, allowBaseMismatch: allowBaseMismatch) }
  }
}

/// An adapter as it is named on the command line: `PATH[:layers=N][@FACTOR]`, or `org/name[/folder][@revision]` in the
/// place of the path.
struct AdapterReference: ExpressibleByArgument, Hashable {
  ///
  /// A name on the hub stands here as it was typed: ``resolved()`` has the path.
  let path: String
  /// How many quality layers of a .tina file are read; all unless given.
  let layers: Int?
  /// A factor on top of the adapter's own scales.
  let scale: Float

  init?(argument: String) {
    let exists = { FileManager.default.fileExists(atPath: NSString(string: $0).expandingTildeInPath) }
    var rest = argument
    var scale: Float = 1
    var layers: Int?
    // A path that exists as it stands is one, whatever is in its name.
    if !exists(rest), let at = rest.lastIndex(of: "@"), let factor = Float(rest[rest.index(after: at)...]),
      factor.isFinite
    {
      scale = factor
      rest = String(rest[..<at])
    }
    if !exists(rest), let range = rest.firstRange(of: ":layers="), let count = Int(rest[range.upperBound...]),
      count > 0
    {
      layers = count
      rest = String(rest[..<range.lowerBound])
    }
    if rest.isEmpty { return nil }
    path = NSString(string: rest).expandingTildeInPath
    self.layers = layers
    self.scale = scale
  }

  private init(path: String, layers: Int?, scale: Float) {
    self.path = path
    self.layers = layers
    self.scale = scale
  }

  /// Whether it is named as on the hub and is no path on this machine.
  var isOnHub: Bool { !FileManager.default.fileExists(atPath: path) && HubName.isMeant(by: path) }

  /// The same adapter by its path on this machine; one on the hub is fetched unless the cache has it.
  func resolved() throws -> AdapterReference {
    AdapterReference(path: try HubAccess.path(path, want: .adapter), layers: layers, scale: scale)
  }

  /// Opens the adapter and attaches it to `model`, telling what should be known on standard error.
  func attach(to model: Model, allowBaseMismatch: Bool) throws -> AttachedAdapter {
    let path = try resolved().path
    let adapter = try Adapter(path: path, layers: layers, base: BaseArchitecture(model.config))
    for note in adapter.notes { Terminal.note(note) }
    let attached = try AttachedAdapter(
      adapter, to: model, scale: scale, allowBaseMismatch: allowBaseMismatch)
    for note in attached.notes { Terminal.note(note) }
    return attached
  }
}

/// How tokens are drawn. What is not given comes from the model's generation_config.json.
struct SamplingOptions: ParsableArguments {
  @Option(help: "Divides the logits; 0 takes the likeliest token.")
  var temperature: Float?

  @Option(help: "Keeps this many of the likeliest tokens; 0 keeps all.")
  var topK: Int?

  @Option(help: "Keeps the likeliest tokens that together reach this probability.")
  var topP: Float?

  @Option(help: "Drops tokens less likely than this share of the likeliest.")
  var minP: Float?

  @Option(help: "Makes every token that was there before less likely; 1 changes nothing.")
  var repetitionPenalty: Float?

  @Flag(help: "Always the likeliest token: the same as --temperature 0.")
  var greedy = false

  @Option(help: "Number that fixes the random choices; drawn anew unless given, and told at the end.")
  var seed: UInt64?

  @Option(help: "Tokens of an answer at most; until the model stops or the context is full unless given.")
  var maxTokens: Int?

  func validate() throws {
    func check(_ name: String, _ value: Float?, _ expected: String, _ isGood: (Float) -> Bool) throws {
      if let value, !isGood(value) {
        throw ValidationError("--\(name): found \(value), expected \(expected).")
      }
    }
    try check("temperature", temperature, "0, or a number from 0.001 up") {
      ($0 == 0 || $0 >= 0.001) && $0.isFinite
    }
    try check("top-p", topP, "more than 0 and at most 1") { $0 > 0 && $0 <= 1 }
    try check("min-p", minP, "0 to 1") { $0 >= 0 && $0 <= 1 }
    try check("repetition-penalty", repetitionPenalty, "a number above 0") { $0 > 0 && $0.isFinite }
    if let topK, topK < 0 { throw ValidationError("--top-k: found \(topK), expected 0 or more.") }
    if let maxTokens, maxTokens < 1 {
      throw ValidationError("--max-tokens: found \(maxTokens), expected 1 or more.")
    }
    if greedy, (temperature ?? 0) != 0 || topK != nil || topP != nil || minP != nil {
      throw ValidationError("--greedy leaves nothing to sample: give it without sampling options.")
    }
  }

  /// The settings in force. A model whose generation_config.json does not ask for sampling is greedy unless
  /// an option says otherwise.
  func parameters(_ defaults: GenerationConfig, seed: UInt64) -> SamplingParameters {
    SamplingParameters(
      defaults, temperature: greedy ? 0 : temperature, topK: topK, topP: topP, minP: minP,
      repetitionPenalty: repetitionPenalty, seed: seed)
  }

  /// Small enough to be typed again.
  static func randomSeed() -> UInt64 { UInt64(UInt32.random(in: 1...UInt32.max)) }
}

extension BaseArchitecture {
  /// What a running model's configuration says.
  init(_ config: Qwen2Config) {
    self.init(
      name: "qwen2", headCount: config.headCount, keyValueHeadCount: config.keyValueHeadCount,
      layerCount: config.layerCount)
  }
}
