import Foundation
public import ModelFiles
import TinaRuntime
import Support

/// What an adapter to be trained looks like.
public struct LoRASettings: Sendable, Equatable {
  /// Inner dimension of each pair.
  public var rank: Int
  /// The scale is `alpha / rank`.
  public var alpha: Double
  /// The share of the adapter's input that is dropped in training, below 1.
  public var dropout: Double
  /// Names of the targeted projections, as PEFT has them: `q_proj`, ..., `down_proj`.
  public var targets: [String]

  /// Tina's own settings unless told otherwise.
  public init(
    rank: Int = 32, alpha: Double = 128, dropout: Double = 0.05,
    targets: [String] = ["q_proj", "k_proj", "v_proj", "o_proj", "down_proj", "up_proj", "gate_proj"]
  ) {
    self.rank = rank
    self.alpha = alpha
    self.dropout = dropout
    self.targets = targets
  }

  /// - Throws: ``TrainerError`` for targets that Qwen2 does not have and numbers out of range.
  func check() throws(TrainerError) {
    func bad(_ key: String, _ found: String, _ expected: String, _ advice: String = "") -> TrainerError {
      TrainerError(.recipe, place: key, found: found, expected: expected, advice: advice)
    }
    guard (1...1024).contains(rank) else { throw bad("lora_r", "\(rank)", "1 to 1024") }
    guard alpha > 0, alpha <= 1e6 else {
      throw bad("lora_alpha", "\(alpha)", "a number above 0, at most 1000000")
    }
    guard dropout >= 0, dropout <= 0.99 else { throw bad("lora_dropout", "\(dropout)", "0 to 0.99") }
    for target in targets where !Self.names.contains(target) {
      throw bad(
        "lora_target_modules", String(target.prefix(100)), "some of " + Self.names.joined(separator: ", "),
        Nearest.advice(target, Self.names))
    }
    guard !targets.isEmpty else { throw bad("lora_target_modules", "no name", "at least one") }
    guard Set(targets).count == targets.count else {
      throw bad("lora_target_modules", "a name twice", "each name once")
    }
  }

  /// The names that targets may have, in the order of ``TrainableProjection``.
  static let names = TrainableProjection.allCases.map { String($0.path.split(separator: ".")[1]) }
}

/// One trained pair: where its A `[rank, in]` and B `[out, rank]` begin in the flat memory.
struct TrainedPair: Sendable {
  let name: String  // layers.3.self_attn.q_proj
  let layer: Int
  let projection: TrainableProjection
  let rank: Int
  let input: Int
  let output: Int
  let scale: Float
  let a: Int
  let b: Int

  var aCount: Int { rank * input }
  var bCount: Int { output * rank }
}

/// All matrices of an adapter in one piece of memory: what the sampler reads is what the optimiser writes.
public final class LoRAParameters: Sendable {
  let pairs: [TrainedPair]
  /// `[layer][projection]`, nil where nothing is trained.
  let places: [[TrainedPair?]]
  let values: FloatMemory
  /// Number of floats, gaps for alignment among them.
  let count: Int
  /// Number of trained numbers.
  public let parameterCount: Int
  /// Rank, alpha, dropout and targets.
  public let settings: LoRASettings

  /// Lays the matrices out for `config`, by layer and then in the order q, k, v, o, gate, up, down.
  ///
  /// - Throws: ``TrainerError`` for targets that Qwen2 does not have and numbers out of range.
  public convenience init(_ settings: LoRASettings, for config: Qwen2Config) throws(TrainerError) {
    try self.init(settings, config, values: nil)
  }

  init(_ settings: LoRASettings, _ config: Qwen2Config, values: FloatMemory?) throws(TrainerError) {
    try settings.check()
    var pairs: [TrainedPair] = []
    var places = [[TrainedPair?]](repeating: [], count: config.layerCount)
    var next = 0
    func place(_ count: Int) -> Int {
      defer { next += (count + 15) & ~15 }  // 64-byte aligned
      return next
    }
    for layer in 0..<config.layerCount {
      for projection in TrainableProjection.allCases {
        guard settings.targets.contains(LoRASettings.names[projection.rawValue]) else {
          places[layer].append(nil)
          continue
        }
        let (out, input) = projection.shape(config)
        let pair = TrainedPair(
          name: "layers.\(layer).\(projection.path)", layer: layer, projection: projection,
          rank: settings.rank, input: input, output: out,
          scale: Float(settings.alpha / Double(settings.rank)), a: place(settings.rank * input),
          b: place(out * settings.rank))
        pairs.append(pair)
        places[layer].append(pair)
      }
    }
    self.settings = settings
    self.pairs = pairs
    self.places = places
    count = next
    parameterCount = pairs.reduce(0) { $0 + $1.aCount + $1.bCount }
    self.values = values ?? FloatMemory(next)
  }

  /// How many floats the matrices of such an adapter take; nothing is allocated.
  static func count(_ settings: LoRASettings, for config: Qwen2Config) throws(TrainerError) -> Int {
    try LoRAParameters(settings, config, values: FloatMemory(0)).count
  }

  /// The initial adapter: A uniform on (-1/√in, 1/√in) as PEFT draws it, B zero.
  ///
  /// The numbers are those of the `.tina` format's seeded predictor, so that a file need not store them.
  public func initialise(seed: UInt64) {
    values.clear()
    for pair in pairs {
      let bound = Float(1 / Double(pair.input).squareRoot())
      let hash = Digest.twoWords(of: pair.name)
      let key = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
      for group in 0..<(pair.aCount + 3) / 4 {
        let block = CounterRandom.block(
          counter: (
            UInt32(truncatingIfNeeded: group), UInt32(truncatingIfNeeded: group >> 32), hash.0, hash.1
          ), key: key)
        for (j, word) in [block.0, block.1, block.2, block.3].enumerated() {
          let index = 4 * group + j
          if index >= pair.aCount { break }
          unsafe values.pointer[pair.a + index] = (Float(word >> 8) * 0x1p-23 - 1) * bound
        }
      }
    }
  }

  /// The values of one matrix, copied.
  func a(_ pair: TrainedPair) -> [Float] {
    unsafe Array(UnsafeBufferPointer(start: values.pointer + pair.a, count: pair.aCount))
  }

  func b(_ pair: TrainedPair) -> [Float] {
    unsafe Array(UnsafeBufferPointer(start: values.pointer + pair.b, count: pair.bCount))
  }
}
