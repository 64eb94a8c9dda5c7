import ModelFiles

extension AttachedAdapter {
  /// One adapter whose ΔW is the sum of those of `adapters`, which are attached to `model`. Ranks are stacked and
  /// scales multiplied into B, in float32. A single adapter is returned as it is.
  ///
  /// - Precondition: at least one adapter; with several, none that has magnitudes or replaces parameters.
  package static func sum(_ adapters: [AttachedAdapter], on model: Model) -> AttachedAdapter {
    let first = adapters[0]
    guard adapters.count > 1 else { return first }
    precondition(adapters.allSatisfy { $0.adapter.isScalable }, "a sum of adapters that have none")
    func stack(_ terms: [LoRAPair?]) -> LoRAPair? {
      let terms = terms.compactMap(\.self)
      return terms.isEmpty ? nil : stacked(terms)
    }
    var sum = first.binding
    for layer in sum.pairs.indices {
      for projection in sum.pairs[layer].indices {
        sum.pairs[layer][projection] = stack(adapters.map { $0.pairs[layer][projection] })
      }
    }
    sum.head = stack(adapters.map(\.binding.head))
    let tables = adapters.compactMap(\.binding.table)
    sum.table = tables.isEmpty ? nil : stacked(tables)
    return AttachedAdapter(adapter: first.adapter, scale: 1, notes: adapters.flatMap(\.notes), binding: sum)
  }

  private static func stacked(_ terms: [TablePair]) -> TablePair {
    let (tokens, width) = (terms[0].rows.rows, terms[0].b.count / terms[0].rows.columns)
    let rank = terms.reduce(0) { $0 + $1.rows.columns }
    let tables = terms.map { $0.rows.floats() }
    func sideBySide(_ count: Int, _ row: (Int, Int) -> [Float]) -> [Float] {
      (0..<count).flatMap { i in terms.indices.flatMap { row(i, $0) } }
    }
    let rows = sideBySide(tokens) { token, term in
      let width = terms[term].rows.columns
      return Array(tables[term][token * width..<(token + 1) * width])
    }
    let b = sideBySide(width) { row, term in
      let width = terms[term].rows.columns
      return terms[term].b[row * width..<(row + 1) * width].map { $0 * terms[term].scale }
    }
    return TablePair(
      rows: Matrix(Tensor(name: "A", shape: [tokens, rank], floats: rows)), b: b, scale: 1)
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
