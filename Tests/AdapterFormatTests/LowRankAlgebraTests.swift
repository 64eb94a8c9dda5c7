import AdapterFormat
import ModelFiles
import TestSupport
import Testing

@Suite("Low-rank algebra")
struct LowRankAlgebraTests {
  /// A pair of pseudo-random factors.
  static func pair(
    rank: Int, input: Int, output: Int, scale: Float = 2, seed: UInt64 = 1
  ) -> LowRankPair {
    var random = SeededGenerator(seed)
    return LowRankPair(
      a: Tensor(name: "a", shape: [rank, input], floats: random.floats(rank * input)),
      b: Tensor(name: "b", shape: [output, rank], floats: random.floats(output * rank)), scale: scale,
      scaleOrigin: .alphaOverRank, alpha: Double(scale) * Double(rank))
  }

  /// ΔW formed in full, row-major.
  static func full(_ pair: LowRankPair) -> [Double] {
    let a = pair.a.floats()
    let b = pair.b.floats()
    var product = [Double](repeating: 0, count: pair.outputCount * pair.inputCount)
    for o in 0..<pair.outputCount {
      for i in 0..<pair.inputCount {
        for k in 0..<pair.rank {
          product[o * pair.inputCount + i] +=
            Double(pair.scale) * Double(b[o * pair.rank + k]) * Double(a[k * pair.inputCount + i])
        }
      }
    }
    return product
  }

  static func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }

  @Test(
    "the decomposition gives ΔW back, its vectors are orthonormal, its values fall",
    arguments: [(3, 17, 11), (1, 5, 1), (8, 4, 6), (5, 5, 2)])
  func decomposition(rank: Int, input: Int, output: Int) {
    let pair = Self.pair(rank: rank, input: input, output: output, scale: -0.75)
    let svd = LowRankAlgebra.decomposition(pair)
    let full = Self.full(pair)
    #expect(svd.sigma.count == min(rank, input, output))
    var error = 0.0
    for o in 0..<output {
      for i in 0..<input {
        let value = svd.sigma.indices.reduce(0) { $0 + svd.u[o, $1] * svd.sigma[$1] * svd.v[i, $1] }
        error = max(error, abs(value - full[o * input + i]))
      }
    }
    #expect(error < 1e-12 * Self.norm(full))
    for matrix in [svd.u, svd.v] {
      let gram = LowRankAlgebra.gram(matrix)
      for i in 0..<gram.rows {
        for j in 0..<gram.columns { #expect(abs(gram[i, j] - (i == j ? 1 : 0)) < 1e-12) }
      }
    }
    #expect(svd.sigma == svd.sigma.sorted(by: >))
    let values = LowRankAlgebra.singularValues(pair)
    #expect(zip(values, svd.sigma).allSatisfy { abs($0 - $1) < 1e-12 * svd.sigma[0] })
    #expect(abs(LowRankAlgebra.norm(pair) - Self.norm(full)) < 1e-12 * Self.norm(full))
  }

  @Test("distances are those of the full matrices, tiny ones too")
  func distance() {
    let first = Self.pair(rank: 3, input: 20, output: 9)
    let second = Self.pair(rank: 5, input: 20, output: 9, scale: 0.5, seed: 7)
    let full = (Self.full(first), Self.full(second))
    let result = LowRankAlgebra.distance(first, second)
    let expected = Self.norm(zip(full.0, full.1).map { $0 - $1 })
    #expect(abs(result.difference - expected) < 1e-12 * expected)
    #expect(abs(result.first - Self.norm(full.0)) < 1e-12 * result.first)
    #expect(abs(result.second - Self.norm(full.1)) < 1e-12 * result.second)

    // A Gram matrix of ΔW would lose everything below 1e-8.
    var near = first
    near.scale = Float(2).nextUp
    let tiny = LowRankAlgebra.distance(first, near)
    let step = Double(Float(2).ulp) / 2
    #expect(abs(tiny.difference / tiny.first - step) < 1e-3 * step)
    #expect(LowRankAlgebra.distance(first, first).difference < 1e-14 * result.first)
  }

  @Test(
    "the strongest components are those of the whole decomposition",
    arguments: [(23, 9, 4), (9, 23, 4), (6, 6, 6), (1, 7, 1)])
  func strongest(rows: Int, columns: Int, count: Int) {
    var random = SeededGenerator(11)
    let matrix = ColumnMatrix(
      rows: rows, columns: columns, values: random.floats(rows * columns).map { Double($0) })
    let whole = LowRankAlgebra.svd(matrix, vectors: true)
    let found = LowRankAlgebra.strongest(matrix, count: count)
    #expect(found.sigma.count == count && found.u.rows == rows && found.v.rows == columns)
    for c in 0..<count {
      #expect(abs(found.sigma[c] - whole.sigma[c]) < 1e-12 * whole.sigma[0])
      for i in 0..<rows {
        for j in 0..<columns {
          // Signs of single vectors are nobody's.
          let (mine, theirs) = (found.u[i, c] * found.v[j, c], whole.u[i, c] * whole.v[j, c])
          #expect(abs(mine - theirs) < 1e-10)
        }
      }
    }
    // What a matrix lacks has no strength, and is no NaN.
    let none = LowRankAlgebra.strongest(ColumnMatrix(rows: rows, columns: columns), count: count)
    #expect(none.sigma.allSatisfy { $0 == 0 } && (none.u.values + none.v.values).allSatisfy(\.isFinite))
  }

  @Test("zeros and numbers at the end of the range")
  func extremes() {
    var zero = Self.pair(rank: 2, input: 4, output: 3)
    zero.b = Tensor(name: "b", shape: [3, 2], floats: [Float](repeating: 0, count: 6))
    #expect(LowRankAlgebra.singularValues(zero) == [0, 0] && LowRankAlgebra.norm(zero) == 0)
    var huge = Self.pair(rank: 1, input: 1, output: 1, scale: 1)
    huge.a = Tensor(name: "a", shape: [1, 1], floats: [0x1p120])
    huge.b = Tensor(name: "b", shape: [1, 1], floats: [0x1p120])
    #expect(LowRankAlgebra.singularValues(huge) == [0x1p240])
    for (values, norm) in [([3e200, 4e200], 5e200), ([3e-200, 4e-200], 5e-200)] {
      let matrix = ColumnMatrix(rows: 2, columns: 1, values: values)
      #expect(abs(matrix.frobeniusNorm / norm - 1) < 1e-15)
    }
  }
}
