import ModelFiles

extension LowRankPair {
  /// The pair's strongest components, and the error of leaving out the others.
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
      b: Tensor(name: self.b.name, shape: [outputs, rank], floats: b), scale: scale)
    return (pair, total > 0 ? (lost / total).squareRoot() : 0)
  }
}
