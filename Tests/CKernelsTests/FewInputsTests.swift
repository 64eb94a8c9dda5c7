import CKernels
import Foundation
import TestSupport
import Testing

extension KernelTests {
  /// A few inputs have kernels of their own, which read rows whole: shapes at random, about all their edges.
  @Suite struct FewInputsTests {
    private struct Shape: CustomStringConvertible {
      let rows: Int
      let columns: Int
      let n: Int
      let rank: Int
      let inputs: Range<Int>
      let isRounded: Bool
      var description: String {
        "\(rows) × \(columns), \(n) inputs\(isRounded ? " of bf16" : ""), rank \(rank) for \(inputs)"
      }
    }

    private func shape(_ noise: inout SeededGenerator, type: tk_type) -> Shape {
      let isLong = noise.below(20) == 0
      let columns = isLong ? 500 + noise.below(4000) : 1 + noise.below(noise.below(2) == 0 ? 40 : 300)
      let n = 1 + noise.below(9)
      let first = noise.below(n)
      return Shape(
        rows: 1 + noise.below(isLong ? 20 : 150), columns: columns, n: n,
        rank: noise.below(3) * noise.below(40),
        inputs: first..<first + 1 + noise.below(n - first), isRounded: type == TK_BF16 && noise.below(2) == 0)
    }

    /// On every path each input of a batch has the bits that it has alone on the portable one.
    @Test(arguments: LinearTests.types)
    func randomShapesGiveTheSameBitsAloneTogetherAndOnEveryPath(raw: UInt32) throws {
      let type = tk_type(raw)
      var noise = SeededGenerator(15)
      for _ in 0..<1000 {
        let pool = unsafe try #require(tk_pool_create(1 + noise.below(3)))
        defer { unsafe tk_pool_destroy(pool) }
        let s = shape(&noise, type: type)
        // Off the lines of memory, as in a file.
        let weights = Stored(noise.floats(s.rows * s.columns), type).bytes
        let x = noise.floats(s.n * s.columns)
        let before = noise.floats(s.n * s.rows)
        let bias = noise.floats(s.rows)
        let a = noise.floats(s.rank * s.columns)
        let b = noise.floats(s.rank * s.rows)
        let activations = s.isRounded ? TK_ACTIVATIONS_BF16 : TK_ACTIVATIONS_F32
        func product(_ range: Range<Int>) -> [UInt32] {
          let inputs = range.clamped(to: s.inputs)
          let term = Term(
            a: a, b: b, rank: s.rank,
            inputs: inputs.lowerBound - range.lowerBound..<inputs.upperBound - range.lowerBound)
          return bits(
            unsafe multiply(
              pool, weights, type, rows: s.rows, columns: s.columns,
              x: Array(x[range.lowerBound * s.columns..<range.upperBound * s.columns]), n: range.count,
              bias: bias,
              onto: Array(before[range.lowerBound * s.rows..<range.upperBound * s.rows]),
              term: s.rank == 0 || inputs.isEmpty ? nil : term, activations: activations))
        }
        var alone: [UInt32]?
        onEveryPath { path in
          if alone == nil { alone = (0..<s.n).flatMap { product($0..<$0 + 1) } }
          #expect(product(0..<s.n) == alone, "\(path), \(s)")
          if s.n > 1 { #expect(product(0..<1) == alone.map { Array($0.prefix(s.rows)) }, "\(path), \(s)") }
        }
      }
    }
  }
}
