import ModelFiles

extension LowRankPair {
  /// The pair cut to its strongest components, and what that costs.
  ///
  /// - Parameter rank: the new rank; a pair of no higher rank stays as it is, bit for bit.
  /// - Returns: F32 factors whose components have one norm on both sides, the same scale without its alpha, and
  ///   ‖ΔW − ΔW'‖ / ‖ΔW‖.
  /// - Precondition: 2-dimensional finite tensors of F32, F16 or BF16, and a rank of 1 or more.
  public func reduced(toRank rank: Int) -> (pair: LowRankPair, error: Double) {
    precondition(rank >= 1)
    guard rank < self.rank else { return (self, 0) }
    var unscaled = self
    unscaled.scale = 1
    let svd = LowRankAlgebra.decomposition(unscaled)
    let (inputs, outputs) = (inputCount, outputCount)
    var a = [Float](repeating: 0, count: rank * inputs)
    var b = [Float](repeating: 0, count: outputs * rank)
    for c in 0..<min(rank, svd.sigma.count) {
      let root = svd.sigma[c].squareRoot()
      for j in 0..<inputs { a[c * inputs + j] = Float(svd.v[j, c] * root) }
      for i in 0..<outputs { b[i * rank + c] = Float(svd.u[i, c] * root) }
    }
    let squares = svd.sigma.map { $0 * $0 }
    let total = squares.reduce(0, +)
    let lost = squares.dropFirst(rank).reduce(0, +)
    let pair = LowRankPair(
      a: Tensor(name: self.a.name, shape: [rank, inputs], floats: a),
      b: Tensor(name: self.b.name, shape: [outputs, rank], floats: b), scale: scale, scaleOrigin: .stated,
      alpha: nil)
    return (pair, total > 0 ? (lost / total).squareRoot() : 0)
  }
}

extension AdapterArchive {
  /// The archive with every low-rank pair cut to a rank, and the error of each entry that changed, by its number.
  ///
  /// The configuration's rank and alpha are set to the new ones where all pairs have one scale; else a
  /// configuration cannot tell them, and is left out.
  ///
  /// - Throws: ``AdapterError`` if a pair is not finite or of another type than F32, F16 or BF16.
  public func reduced(
    toRank rank: Int
  ) throws(AdapterError) -> (archive: AdapterArchive, errors: [Int: Double]) {
    var archive = self
    var errors: [Int: Double] = [:]
    var violations: [AdapterError.Violation] = []
    for (number, entry) in entries.enumerated() {
      guard case .lowRank(let pair) = entry.content, pair.rank > rank else { continue }
      let isFloat = [pair.a, pair.b].allSatisfy { [.f32, .f16, .bf16].contains($0.elementType) }
      guard isFloat, pair.a.firstNonFinite == nil, pair.b.firstNonFinite == nil else {
        violations.append(
          .init(
            .badTensor, file: "", place: "module " + quoted(entry.module),
            found: isFloat ? "numbers that are not finite" : "type " + pair.a.elementType.rawValue,
            expected: "finite F32, F16 or BF16, to reduce the rank"))
        continue
      }
      let (smaller, error) = pair.reduced(toRank: rank)
      archive.entries[number].content = .lowRank(smaller)
      errors[number] = error
    }
    guard violations.isEmpty else { throw AdapterError(path: "", violations: violations) }
    if !errors.isEmpty { archive.restateConfiguration() }
    return (archive, errors)
  }

  /// Makes rank and alpha of a PEFT configuration those of the pairs.
  private mutating func restateConfiguration() {
    guard let old = configuration else { return }
    let pairs = entries.compactMap(\.pair)
    guard let first = pairs.first, pairs.allSatisfy({ $0.rank == first.rank && $0.scale == first.scale })
    else {
      configuration = nil
      return
    }
    configuration =
      old.with("r", JSONValue(first.rank))
      .with("lora_alpha", JSONValue(Double(first.scale) * Double(first.rank)))
      .with("use_rslora", .bool(false))
      .with("rank_pattern", .object(JSONObject([])))
      .with("alpha_pattern", .object(JSONObject([])))
  }
}
