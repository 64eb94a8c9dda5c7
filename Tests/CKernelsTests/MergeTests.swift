import CKernels
import TestSupport
import Testing

/// The merging kernels against plain loops of the same formulas, bit for bit.
@Suite(.serialized) struct MergeTests {
  private static let types: [tk_type] = [TK_F32, TK_F16, TK_BF16]
  private let best = unsafe String(cString: tk_isa())

  private func numbers(_ count: Int, seed: UInt64, scale: Float) -> [Float] {
    var random = SeededGenerator(seed)
    return random.floats(count).map { scale * $0 }
  }

  private func stored(_ values: [Float], _ type: tk_type) -> [UInt8] {
    let size = type == TK_F32 ? 4 : 2
    var bytes = [UInt8](repeating: 0, count: values.count * size)
    unsafe bytes.withUnsafeMutableBytes { unsafe tk_from_f32(values, $0.baseAddress!, type, values.count) }
    return bytes
  }

  private func floats(_ bytes: [UInt8], _ type: tk_type) -> [Float] {
    let count = bytes.count / (type == TK_F32 ? 4 : 2)
    var values = [Float](repeating: 0, count: count)
    unsafe bytes.withUnsafeBytes { unsafe tk_to_f32($0.baseAddress!, type, &values, count) }
    return values
  }

  private func delta(_ b: [Float], _ a: [UInt8], _ type: tk_type, rows: Int, rank: Int, columns: Int)
    -> [Float]
  {
    var packed = [Float](repeating: .nan, count: tk_merge_packed_floats(rank, columns))
    unsafe a.withUnsafeBytes { unsafe tk_merge_pack($0.baseAddress!, type, rank, columns, rank, 0, &packed) }
    var result = [Float](repeating: .nan, count: rows * columns)
    unsafe tk_merge_delta(b, packed, rows, rank, columns, &result)
    return result
  }

  @Test(arguments: [(1, 1, 1), (6, 4, 16), (7, 3, 17), (13, 32, 40), (5, 9, 7), (12, 1, 33)])
  func lowRankSumsFollowTheirOrder(rows: Int, rank: Int, columns: Int) {
    defer { _ = unsafe tk_isa_select(best) }
    let b = numbers(rows * rank, seed: 1, scale: 0.1)
    for type in Self.types {
      let a = stored(numbers(rank * columns, seed: 2, scale: 1), type)
      let wide = floats(a, type)
      var expected = [Float](repeating: 0, count: rows * columns)
      for i in 0..<rows {
        for j in 0..<columns {
          for k in 0..<rank {
            expected[i * columns + j].addProduct(b[i * rank + k], wide[k * columns + j])
          }
        }
      }
      for isa in [best, "portable"] {
        let isSelected = unsafe tk_isa_select(isa)
        #expect(isSelected)
        let found = delta(b, a, type, rows: rows, rank: rank, columns: columns)
        #expect(found.map(\.bitPattern) == expected.map(\.bitPattern), "\(isa) \(type)")
      }
    }
  }

  /// Two factors packed side by side are the sum of both.
  @Test func factorsStack() {
    let (rows, columns) = (5, 19)
    let a = [numbers(3 * columns, seed: 3, scale: 1), numbers(2 * columns, seed: 4, scale: 1)]
    let b = numbers(rows * 5, seed: 5, scale: 1)
    var packed = [Float](repeating: .nan, count: tk_merge_packed_floats(5, columns))
    unsafe tk_merge_pack(a[0], TK_F32, 3, columns, 5, 0, &packed)
    unsafe tk_merge_pack(a[1], TK_F32, 2, columns, 5, 3, &packed)
    var found = [Float](repeating: 0, count: rows * columns)
    unsafe tk_merge_delta(b, packed, rows, 5, columns, &found)
    let whole = stored(a[0] + a[1], TK_F32)
    #expect(found == delta(b, whole, TK_F32, rows: rows, rank: 5, columns: columns))
  }

  private func merged(
    _ weights: [UInt8], _ type: tk_type, _ delta: [Float], _ output: tk_type,
    _ rounding: tk_rounding = tk_rounding(),
    first: UInt64 = 0
  ) -> (bytes: [UInt8], sums: tk_merge_sums) {
    var out = [UInt8](repeating: 0xAA, count: delta.count * (output == TK_F32 ? 4 : 2))
    var sums = tk_merge_sums()
    unsafe weights.withUnsafeBytes { weights in
      unsafe out.withUnsafeMutableBytes { out in
        unsafe tk_merge(
          weights.baseAddress!, type, delta, delta.count, out.baseAddress!, output, rounding, first, &sums)
      }
    }
    return (out, sums)
  }

  @Test(arguments: [1, 7, 8, 23, 1024, 2500])
  func sumsAreRoundedOnceToNearest(count: Int) {
    defer { _ = unsafe tk_isa_select(best) }
    let delta = numbers(count, seed: 6, scale: 1e-3)
    for type in Self.types {
      let weights = stored(numbers(count, seed: 7, scale: 0.05), type)
      let wide = floats(weights, type)
      for output in Self.types {
        let sums = zip(wide, delta).map { $0 + $1 }
        let expected = stored(sums, output)
        let after = floats(expected, output)
        let before = floats(stored(wide, output), output)
        var (squares, product, error, changed) = (0.0, 0.0, 0.0, 0)
        for i in 0..<count {
          let moved = Double(after[i] - before[i])
          squares += Double(delta[i]) * Double(delta[i])
          product += moved * Double(delta[i])
          error += (moved - Double(delta[i])) * (moved - Double(delta[i]))
          changed += after[i] != before[i] ? 1 : 0
        }
        for isa in [best, "portable"] {
          let isSelected = unsafe tk_isa_select(isa)
          #expect(isSelected)
          let found = merged(weights, type, delta, output)
          #expect(found.bytes == expected)
          #expect(found.sums.count == count && found.sums.changed == changed && found.sums.infinite == 0)
          #expect(abs(found.sums.delta2 - squares) <= 1e-5 * squares)
          #expect(abs(found.sums.product - product) <= 1e-5 * squares)
          #expect(abs(found.sums.error2 - error) <= 1e-5 * squares)
        }
      }
    }
  }

  /// Against a second writing of the generator and the rounding, at places that cross 32 bits too.
  @Test func stochasticRoundingFollowsItsDefinition() {
    defer { _ = unsafe tk_isa_select(best) }
    let count = 300
    let weights = stored(numbers(count, seed: 8, scale: 0.05), TK_BF16)
    let delta = numbers(count, seed: 9, scale: 2e-4)
    let wide = floats(weights, TK_BF16)
    let rounding = tk_rounding(stochastic: true, seed: 0x1234_5678_9abc_def0, stream: 77)
    for first in [UInt64(0), 3, 1 << 33] {
      var expected: [UInt16] = []
      for i in 0..<count {
        let element = first + UInt64(i)
        let word = philox(counter: (element / 4, rounding.stream), key: rounding.seed)[Int(element % 4)]
        expected.append(UInt16(((wide[i] + delta[i]).bitPattern + word >> 16) >> 16))
      }
      for isa in [best, "portable"] {
        let isSelected = unsafe tk_isa_select(isa)
        #expect(isSelected)
        let found = merged(weights, TK_BF16, delta, TK_BF16, rounding, first: first)
        let patterns = unsafe found.bytes.withUnsafeBytes { unsafe Array($0.bindMemory(to: UInt16.self)) }
        #expect(patterns == expected, "\(isa) \(first)")
      }
    }
  }

  /// In one call or in pieces of any size: the same numbers.
  @Test func stochasticRoundingDoesNotDependOnPieces() {
    let count = 301
    let delta = numbers(count, seed: 10, scale: 2e-4)
    for output in [TK_BF16, TK_F16] {
      let weights = stored(numbers(count, seed: 11, scale: 0.05), TK_BF16)
      let rounding = tk_rounding(stochastic: true, seed: 5, stream: 6)
      let whole = merged(weights, TK_BF16, delta, output, rounding).bytes
      var pieces: [UInt8] = []
      var start = 0
      for size in [1, 30, 2, 64, 7, 100, 97] {
        let part = Array(weights[2 * start..<2 * (start + size)])
        pieces +=
          merged(part, TK_BF16, Array(delta[start..<start + size]), output, rounding, first: UInt64(start))
          .bytes
        start += size
      }
      #expect(start == count && pieces == whole)
    }
  }

  /// Over many elements the mean of the rounded sums is the sum, where nearest would change nothing at all.
  @Test func stochasticRoundingIsRightOnAverage() {
    let count = 200_000
    for (type, weight, step) in [
      (TK_BF16, Float(0.02), Float(0x1p-13)), (TK_F16, 0.02, 0x1p-16), (TK_F16, 3e-6, 0x1p-24),
    ] {
      let weights = stored([Float](repeating: weight, count: count), type)
      let delta = [Float](repeating: 0.3 * step, count: count)
      #expect(merged(weights, type, delta, type).sums.changed == 0)
      let rounding = tk_rounding(stochastic: true, seed: 1, stream: 2)
      let sums = merged(weights, type, delta, type, rounding).sums
      // Three standard deviations of a share of 0.3.
      #expect(abs(Double(sums.changed) / Double(count) - 0.3) < 3 * (0.21 / Double(count)).squareRoot())
      #expect(abs(sums.product / sums.delta2 - 1) < 0.02)
    }
  }

  @Test func whatDoesNotFitIsCounted() {
    let weights = stored([60000, -60000, 1, 2, 3, 4, 5, 6, 7], TK_F32)
    let delta: [Float] = [9000, -9000, 0, 0, 0, 0, 0, 0, 0]
    #expect(merged(weights, TK_F32, delta, TK_F16).sums.infinite == 2)
    #expect(merged(weights, TK_F32, delta, TK_BF16).sums.infinite == 0)
    var out = [UInt8](repeating: 0, count: 18)
    let big = stored([1e6, 1, 2, 3, 4, 5, 6, 7, .nan], TK_F32)
    let count = unsafe big.withUnsafeBytes { big in
      unsafe out.withUnsafeMutableBytes {
        unsafe tk_convert(big.baseAddress!, TK_F32, 9, $0.baseAddress!, TK_F16)
      }
    }
    #expect(count == 2)
  }

  private func philox(counter: (UInt64, UInt64), key: UInt64) -> [UInt32] {
    var c = [counter.0, counter.0 >> 32, counter.1, counter.1 >> 32].map { UInt32(truncatingIfNeeded: $0) }
    var k = [key, key >> 32].map { UInt32(truncatingIfNeeded: $0) }
    for _ in 0..<10 {
      let first = 0xD251_1F53 * UInt64(c[0])
      let second = 0xCD9E_8D57 * UInt64(c[2])
      c = [
        UInt32(second >> 32) ^ c[1] ^ k[0], UInt32(truncatingIfNeeded: second),
        UInt32(first >> 32) ^ c[3] ^ k[1], UInt32(truncatingIfNeeded: first),
      ]
      k = [k[0] &+ 0x9E37_79B9, k[1] &+ 0xBB67_AE85]
    }
    return c
  }
}
