extension Architecture {
  /// The settings in which another architecture computes otherwise, by name; sizes and the tie of tables are not among
  /// them, since tensors show those.
  package func arithmeticDifferences(_ other: Architecture) -> [String] {
    var names: [String] = []
    func compare<Value: Equatable>(_ name: String, _ value: (Architecture) -> Value) {
      if value(self) != value(other) { names.append(name) }
    }
    compare("activation") { $0.activation }
    compare("biases") { $0.biases }
    compare("norms") { NormPlace.allCases.map($0.norms.keys.contains) }
    compare("norms' epsilon") { $0.rmsNormEps }
    compare("embedding scale") { $0.embeddingScale }
    compare("query scale") { $0.queryScale }
    compare("sliding windows") { $0.attention.map(\.window) }
    compare("rotary embeddings") { architecture in
      architecture.attention.map { $0.rotary?.frequencies(width: architecture.headDim) }
    }
    compare("rotary scaling") { $0.attention.map { $0.rotary?.attentionFactor } }
    return names
  }
}
