import AdapterFormat
import Foundation
import ModelFiles
import Support
import TinaRuntime

/// One trained pair, and where its A `[rank, in]` and B `[out, rank]` begin in the flat memory, in floats.
struct TrainedPair: Sendable {
  let module: TrainedModule
  /// The matrices in place, as sampler and trainer compute with them.
  let matrices: LoRAPair
  let a: Int
  let b: Int

  /// `layers.3.self_attn.q_proj`
  var name: String { module.name }
  var layer: Int { module.layer }
  var projection: Projection { module.projection }
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
  convenience init(_ settings: LoRASettings, for config: Architecture) throws(TrainerError) {
    self.init(settings, try settings.modules(for: config), for: config)
  }

  /// Lays the matrices of `modules` out, in their order.
  init(_ settings: LoRASettings, _ modules: [TrainedModule], for config: Architecture) {
    let values = FloatMemory(Self.count(modules, for: config))
    var pairs: [TrainedPair] = []
    var next = 0
    func matrix(_ rows: Int, _ columns: Int) -> (matrix: Matrix, offset: Int) {
      defer { next += Self.aligned(rows * columns) }
      return (Matrix(values.tensor("", [rows, columns], at: next)), next)
    }
    for module in modules {
      let (out, input) = module.projection.shape(config)
      let (a, b) = (matrix(module.rank, input), matrix(out, module.rank))
      pairs.append(
        TrainedPair(
          module: module, matrices: LoRAPair(a: a.matrix, b: b.matrix, scale: module.scale),
          a: a.offset, b: b.offset))
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
  static func count(_ modules: [TrainedModule], for config: Architecture) -> Int {
    modules.reduce(0) { sum, module in
      let (out, input) = module.projection.shape(config)
      return sum + aligned(module.rank * input) + aligned(out * module.rank)
    }
  }

  /// Matrices begin at multiples of 64 bytes.
  private static func aligned(_ count: Int) -> Int { (count + 15) & ~15 }

  /// The largest rank of a pair.
  var maxRank: Int { pairs.map(\.rank).max() ?? 0 }

  /// Sets the initial adapter: A as the settings' initialisation says, B zero. PiSSA's beginning needs the base too:
  /// it is ``PrincipalBeginning``'s.
  ///
  /// The `.tina` format's seeded predictor draws the same uniform numbers, so that a file need not store them.
  func initialise(seed: UInt64) {
    values.clear()
    for pair in pairs {
      let a = unsafe UnsafeMutableBufferPointer(start: values.pointer + pair.a, count: pair.aCount)
      switch settings.initialisation {
      case .uniform, .pissa:
        unsafe SeededInitialization.fill(a, seed: seed, module: pair.name, input: pair.input)
      case .gaussian:
        // Two uniform numbers of other seeds make a normal one (Box and Muller).
        unsafe SeededInitialization.fill(a, seed: seed, module: pair.name + ".radius", input: 1)
        var angles = [Float](repeating: 0, count: pair.aCount)
        unsafe angles.withUnsafeMutableBufferPointer {
          unsafe SeededInitialization.fill($0, seed: seed, module: pair.name + ".angle", input: 1)
        }
        for i in angles.indices {
          let share = unsafe (Double(a[i]) + 1) / 2  // in [0, 1)
          let normal = (-2 * log(1 - share)).squareRoot() * cos(.pi * Double(angles[i]))
          unsafe a[i] = Float(normal / Double(pair.rank))
        }
      }
    }
  }

  /// Takes over the numbers of other matrices of the same shapes.
  func copy(_ other: LoRAParameters) {
    precondition(other.count == count)
    unsafe values.pointer.update(from: other.values.pointer, count: count)
  }
}
