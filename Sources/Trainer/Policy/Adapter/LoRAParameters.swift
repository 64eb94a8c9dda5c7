import AdapterFormat
import ModelFiles
import Support
import TinaRuntime

/// One trained pair, and where its A `[rank, in]` and B `[out, rank]` begin in the flat memory, in floats.
struct TrainedPair: Sendable {
  let name: String  // layers.3.self_attn.q_proj
  let layer: Int
  let projection: Projection
  /// The matrices in place, as sampler and trainer compute with them.
  let matrices: LoRAPair
  let a: Int
  let b: Int

  var rank: Int { matrices.a.rows }
  var input: Int { matrices.a.columns }
  var output: Int { matrices.b.rows }
  var scale: Float { matrices.scale }
  var aCount: Int { rank * input }
  var bCount: Int { output * rank }
}

/// All matrices of an adapter in one piece of memory, which the optimiser writes and the sampler reads.
final class LoRAParameters: Sendable {
  let pairs: [TrainedPair]
  /// `[layer][projection]`, nil where nothing is trained.
  let places: [[TrainedPair?]]
  let values: FloatMemory
  /// Number of floats, including gaps for alignment.
  var count: Int { values.count }
  /// Rank, alpha, dropout and targets.
  let settings: LoRASettings

  /// Lays the matrices out for `config`, by layer and then in the order q, k, v, o, gate, up, down.
  ///
  /// - Throws: ``TrainerError`` for unknown targets and numbers out of range.
  init(_ settings: LoRASettings, for config: Architecture) throws(TrainerError) {
    let values = FloatMemory(try Self.count(settings, for: config))
    var pairs: [TrainedPair] = []
    var next = 0
    func matrix(_ rows: Int, _ columns: Int) -> (matrix: Matrix, offset: Int) {
      defer { next += Self.aligned(rows * columns) }
      return (Matrix(values.tensor("", [rows, columns], at: next)), next)
    }
    for layer in 0..<config.layerCount {
      for projection in settings.projections {
        let (out, input) = projection.shape(config)
        let (a, b) = (matrix(settings.rank, input), matrix(out, settings.rank))
        pairs.append(
          TrainedPair(
            name: projection.module(layer: layer), layer: layer, projection: projection,
            matrices: LoRAPair(
              a: a.matrix, b: b.matrix, scale: Float(settings.alpha / Double(settings.rank))),
            a: a.offset, b: b.offset))
      }
    }
    self.settings = settings
    self.pairs = pairs
    self.values = values
    var places = [[TrainedPair?]](
      repeating: Projection.allCases.map { _ in nil }, count: config.layerCount)
    for pair in pairs { places[pair.layer][pair.projection.rawValue] = pair }
    self.places = places
  }

  /// Number of floats that such an adapter takes, including gaps for alignment; allocates nothing.
  ///
  /// - Throws: ``TrainerError`` as the initializer does.
  static func count(_ settings: LoRASettings, for config: Architecture) throws(TrainerError) -> Int {
    try settings.check()
    return config.layerCount
      * settings.projections.reduce(0) { sum, projection in
        let (out, input) = projection.shape(config)
        return sum + aligned(settings.rank * input) + aligned(out * settings.rank)
      }
  }

  /// Matrices begin at multiples of 64 bytes.
  private static func aligned(_ count: Int) -> Int { (count + 15) & ~15 }

  /// Sets the initial adapter: A uniform on (-1/√in, 1/√in) as PEFT draws it, B zero.
  ///
  /// The `.tina` format's seeded predictor draws the same numbers, so that a file need not store them.
  func initialise(seed: UInt64) {
    values.clear()
    for pair in pairs {
      let a = unsafe UnsafeMutableBufferPointer(start: values.pointer + pair.a, count: pair.aCount)
      unsafe SeededInitialization.fill(a, seed: seed, module: pair.name, input: pair.input)
    }
  }
}
