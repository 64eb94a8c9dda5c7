extension Architecture {
  /// The settings in which another architecture computes otherwise, by name; sizes and the tie of tables are not among
  /// them, since tensors show those.
  package func arithmeticDifferences(_ other: Architecture) -> [String] {
    var names: [String] = []
    func compare<Value: Equatable>(_ name: String, _ value: (Architecture) -> Value) {
      if value(self) != value(other) { names.append(name) }
    }
    // Containers round some numbers.
    func compare(_ name: String, near value: (Architecture) -> [Float]) {
      let (own, others) = (value(self), value(other))
      let isNear = zip(own, others).allSatisfy { abs($0 - $1) <= 1e-6 * abs($0) }
      if own.count != others.count || !isNear { names.append(name) }
    }
    compare("activation") { $0.activation }
    compare("biases") { $0.biases }
    compare("norms") { architecture in NormPlace.allCases.map { architecture.norms[$0] != nil } }
    compare("sliding windows") { $0.attention.map(\.window) }
    compare("layers without rotation") { $0.attention.map { $0.rotary == nil } }
    compare("norms' epsilon", near: { [$0.rmsNormEps] })
    compare("embedding scale", near: { [$0.embeddingScale] })
    compare("query scale", near: { [$0.queryScale] })
    compare(
      "rotary embeddings",
      near: { architecture in
        architecture.attention.compactMap(\.rotary).flatMap {
          [$0.attentionFactor] + $0.frequencies(width: architecture.headDim)
        }
      })
    return names
  }
}
