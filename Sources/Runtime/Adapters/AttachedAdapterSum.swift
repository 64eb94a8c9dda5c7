import ModelFiles

extension AttachedAdapter {
  /// One adapter whose ΔW is the sum of those of `adapters`, which are attached to `model`. Ranks are stacked and
  /// scales multiplied into B, in float32. A single adapter is returned as it is.
  ///
  /// - Precondition: at least one adapter.
  package static func sum(_ adapters: [AttachedAdapter], on model: Model) -> AttachedAdapter {
    let first = adapters[0]
    guard adapters.count > 1 else { return first }
    var pairs = first.pairs
    for layer in pairs.indices {
      for projection in pairs[layer].indices {
        let terms = adapters.compactMap { $0.pairs[layer][projection] }
        pairs[layer][projection] = terms.isEmpty ? nil : stacked(terms)
      }
    }
    return AttachedAdapter(adapter: first.adapter, scale: 1, notes: adapters.flatMap(\.notes), pairs: pairs)
  }

  private static func stacked(_ terms: [LoRAPair]) -> LoRAPair {
    let rank = terms.reduce(0) { $0 + $1.a.rows }
    let (out, input) = (terms[0].b.rows, terms[0].a.columns)
    var b = [Float](repeating: 0, count: out * rank)
    var first = 0
    for term in terms {
      let values = term.b.floats()
      let width = term.b.columns
      for row in 0..<out {
        for k in 0..<width { b[row * rank + first + k] = values[row * width + k] * term.scale }
      }
      first += width
    }
    let a = terms.flatMap { $0.a.floats() }
    return LoRAPair(
      a: Matrix(Tensor(name: "A", shape: [rank, input], floats: a)),
      b: Matrix(Tensor(name: "B", shape: [out, rank], floats: b)), scale: 1)
  }
}
