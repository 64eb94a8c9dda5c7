import AdapterFormat
import ModelFiles

/// A low-rank pair of the embedding: row t grows by scale · B · A[:, t].
struct TablePair: Sendable {
  /// A transposed, `[vocabulary, rank]`.
  let rows: Matrix
  /// B, `[width, rank]`.
  let b: [Float]
  let scale: Float

  /// Adds what the pair does to a token's row. Sums run over ascending ranks.
  @unsafe func add(token: Int, to row: UnsafeMutablePointer<Float>, width: Int) {
    let rank = rows.columns
    unsafe withUnsafeTemporaryAllocation(of: Float.self, capacity: rank) { inner in
      guard let u = inner.baseAddress else { return }
      unsafe rows.widen(rows: token..<token + 1, into: u)
      unsafe b.withUnsafeBufferPointer { b in
        for i in 0..<width {
          var sum: Float = 0
          for k in 0..<rank { sum += unsafe b[i * rank + k] * u[k] }
          unsafe row[i] += scale * sum
        }
      }
    }
  }
}

/// What an adapter changes in a base, ready to be computed on.
struct AdapterBinding: Sendable {
  /// `[layer][Projection.rawValue]`
  var pairs: [[LoRAPair?]]
  /// The head's.
  var head: LoRAPair?
  /// The embedding's.
  var table: TablePair?
  /// The base's weights where some of them are replaced.
  var weights: ModelWeights?

  /// Whether some pair multiplies outputs.
  private(set) var hasFactors = false

  /// Every pair of a linear layer.
  var all: [LoRAPair] { pairs.joined().compactMap(\.self) + (head.map { [$0] } ?? []) }

  /// Binds an adapter whose modules fit `model`.
  ///
  /// - Throws: `RuntimeError.adapterMismatch` for magnitudes of a weight that is zero.
  init(_ adapter: Adapter, to model: Model, scale: Float) throws(RuntimeError) {
    let config = model.config
    pairs = Array(
      repeating: Array(repeating: nil, count: Projection.allCases.count), count: config.layerCount)
    let saved = adapter.saved(isTied: config.tieWordEmbeddings)
    if !saved.isEmpty {
      let tensors = Dictionary(saved.map { ($0.checkpointName, $0.tensor) }) { $1 }
      weights = model.weights.replacing(tensors, config, activations: model.activations)
    }
    let base = weights ?? model.weights
    for module in adapter.modules(isTied: config.tieWordEmbeddings) {
      if module.isTable {
        table = TablePair(
          rows: Matrix(module.a.transposed()), b: module.b.floats(), scale: module.scale * scale)
        continue
      }
      let place = AdapterFit.place(module.name)
      let matrix = place.map { base.layers[$0.layer][$0.projection] } ?? base.head
      var pair = LoRAPair(a: Matrix(module.a), b: Matrix(module.b), scale: module.scale * scale)
      if let magnitude = module.magnitude {
        let factors = pair.factors(magnitude.floats(), of: matrix)
        guard factors.allSatisfy(\.isFinite) else {
          throw .adapterMismatch(
            adapter: adapter.path, base: model.directory.path,
            violations: ["\(module.name): a magnitude of DoRA for an output whose weights are all zero"],
            named: adapter.baseModelName)
        }
        pair.outputs = Vector(factors)
        hasFactors = true
      }
      if let place { pairs[place.layer][place.projection.rawValue] = pair } else { head = pair }
    }
  }
}
