import CKernels
import Foundation
import TestSupport
import Testing

private func value(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

/// To nearest, ties to even; a NaN stays one.
private func nearest(_ x: Float) -> UInt16 {
  if x.isNaN { return UInt16(x.bitPattern >> 16) | 0x40 }
  let low = x.bitPattern & 0xffff
  let high = UInt16(x.bitPattern >> 16)
  return low > 0x8000 || (low == 0x8000 && high & 1 == 1) ? high &+ 1 : high
}

private func flushed(_ x: Float) -> Float {
  x.magnitude < .leastNormalMagnitude ? Float(signOf: x, magnitudeOf: 0) : x
}

/// Rounded once; what is below 2^-126 after it, as if exponents went on, becomes zero.
private func flushedFMA(_ a: Float, _ b: Float, _ c: Float) -> Float {
  let product = Double(a) * Double(b)
  guard product.magnitude < 0x1p-100, product != 0, c.magnitude < 0x1p-100 else { return fmaf(a, b, c) }
  let large = fmaf(a * 0x1p30, b * 0x1p30, c * 0x1p60)
  return large.magnitude < 0x1p-66 ? Float(signOf: large, magnitudeOf: 0) : large * 0x1p-60
}

/// The order of docs/reference/numerics.md, written plainly.
private func plainDot(_ w: ArraySlice<UInt16>, _ x: ArraySlice<UInt16>) -> Float {
  var lanes = [Float](repeating: 0, count: 16)
  let count = w.count
  for group in stride(from: 0, to: count, by: 32) {
    for lane in 0..<16 {
      for i in [group + 2 * lane + 1, group + 2 * lane] {
        let a = i < count ? flushed(value(w[w.startIndex + i])) : 0
        let b = i < count ? flushed(value(x[x.startIndex + i])) : 0
        lanes[lane] = flushedFMA(a, b, lanes[lane])
      }
    }
  }
  for width in [8, 4, 2, 1] {
    for j in 0..<width { lanes[j] += lanes[j + width] }
  }
  return lanes[0]
}

private func bytes(_ words: [UInt16]) -> [UInt8] {
  words.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
}

/// Bits that are equal, or NaNs of any kind.
private func agree(_ a: [Float], _ b: [Float]) -> Bool {
  a.count == b.count && zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern || ($0.isNaN && $1.isNaN) }
}

extension SeededGenerator {
  fileprivate mutating func words(_ count: Int) -> [UInt16] { (0..<count).map { _ in nearest(float()) } }
  /// Any bits, with an exponent of `exponents`.
  fileprivate mutating func words(_ count: Int, exponents: Range<UInt16>) -> [UInt16] {
    (0..<count).map { _ in
      let random = float().bitPattern ^ float().bitPattern &* 2_654_435_761
      let exponent = exponents.lowerBound + UInt16(random >> 16) % UInt16(exponents.count)
      return UInt16(random & 0x807f) | exponent << 7
    }
  }
}

extension KernelTests {
  @Suite struct Bf16Tests {
    private func dot(
      _ pool: OpaquePointer, _ w: [UInt16], rows: Int, columns: Int, x: [Float], n: Int, bias: [Float]? = nil,
      onto before: [Float]? = nil, term: Term? = nil
    ) -> [Float] {
      unsafe multiply(
        pool, bytes(w), TK_BF16, rows: rows, columns: columns, x: x, n: n, bias: bias, onto: before,
        term: term,
        activations: TK_ACTIVATIONS_BF16)
    }

    @Test func everySizeFollowsTheStatedOrder() throws {
      let pool = unsafe try #require(tk_pool_create(2))
      defer { unsafe tk_pool_destroy(pool) }
      var noise = SeededGenerator(31)
      for (rows, columns) in [
        (1, 1), (5, 2), (7, 31), (8, 32), (9, 33), (16, 64), (19, 75), (33, 256), (21, 768), (12, 769),
        (40, 800),
        (70, 96), (10, 1536), (11, 1643),
      ] {
        let w = noise.words(rows * columns)
        let bias = noise.floats(rows)
        let x = noise.floats(70 * columns)
        let rounded = x.map(nearest)
        let counts = columns == 256 || columns == 75 ? Array(1...70) : [1, 2, 5, 6, 7, 13, 61, 70]
        let dots = (0..<70).map { i in
          (0..<rows).map { row in
            plainDot(w[row * columns..<(row + 1) * columns], rounded[i * columns..<(i + 1) * columns])
          }
        }
        for n in counts {
          let y = unsafe dot(
            pool, w, rows: rows, columns: columns, x: Array(x.prefix(n * columns)), n: n, bias: bias)
          let expected = dots.prefix(n).flatMap { zip($0, bias).map { $0 + $1 } }
          #expect(bits(y) == bits(expected), "\(rows) × \(columns), \(n) inputs")
        }
      }
    }

    @Test func everyPathGivesTheSameBits() throws {
      let pool = unsafe try #require(tk_pool_create(2))
      defer { unsafe tk_pool_destroy(pool) }
      var noise = SeededGenerator(5)
      for (rows, columns, n) in [(16, 256, 1), (203, 1536, 1), (40, 1280, 2), (7, 100, 9), (72, 1543, 64)] {
        let w = noise.words(rows * columns)
        let x = noise.floats(n * columns)
        var first: [UInt32]?
        onEveryPath { path in
          let y = bits(unsafe dot(pool, w, rows: rows, columns: columns, x: x, n: n))
          #expect(first == nil || y == first, "\(path), \(rows) × \(columns), \(n) inputs")
          first = y
        }
      }
    }

    /// Products and sums about the smallest number, beyond the largest, and of what is no number.
    @Test func tinyHugeAndSpecialNumbersFollowTheStatedOrder() throws {
      let pool = unsafe try #require(tk_pool_create(1))
      defer { unsafe tk_pool_destroy(pool) }
      var noise = SeededGenerator(17)
      let (rows, columns, n) = (9, 96, 7)
      for (exponents, others) in [
        (UInt16(0)..<4, UInt16(124)..<132), (50..<70, 50..<70), (56..<62, 62..<70), (0..<127, 0..<254),
        (180..<200, 180..<200), (200..<256, 0..<256),
      ] {
        for round in 0..<4 {
          let w = noise.words(rows * columns, exponents: exponents)
          let x = noise.words(n * columns, exponents: others)
          let expected = (0..<n).flatMap { i in
            (0..<rows).map {
              plainDot(w[$0 * columns..<($0 + 1) * columns], x[i * columns..<(i + 1) * columns])
            }
          }
          onEveryPath { path in
            let y = unsafe dot(pool, w, rows: rows, columns: columns, x: x.map(value), n: n)
            #expect(agree(y, expected), "\(path), \(exponents) × \(others), round \(round)")
          }
        }
      }
    }

    /// Where flushing before and after rounding differ; where inputs are denormal; where only the reduction is.
    @Test func theSmallestNumberHasOneRule() throws {
      let pool = unsafe try #require(tk_pool_create(1))
      defer { unsafe tk_pool_destroy(pool) }
      let step: Float = 1 + 0x1p-7
      // Columns 1 and 0 are lane 0, in this order; 3 and 2 are lane 1.
      let cases: [(w: [Float], x: [Float], expected: Float)] = [
        ([-0x1p-76, 0x1p-63], [0x1p-75, 0x1p-63], 0x1p-126),  // 2^-126 - 2^-151: a tie, to even
        ([-0x1p-76 * step, 0x1p-63], [0x1p-75, 0x1p-63], 0),  // a little less
        ([0x1p-76 * step, -0x1p-63], [0x1p-75, 0x1p-63], -0),
        ([0x1p-130, 0], [0x1p20, 0], 0),  // a denormal weight
        ([0x1p20, 0], [0x1p-130, 0], 0),  // a denormal input
        ([0x1p20, 0], [0x1p-126 * (1 - 0x1p-20), 0], 0x1p-106),  // rounded up to a normal one
        ([0x1p-64, 0], [0x1p-63, 0], 0),  // a denormal product
        ([0x1.8p-63, 0, -0x1p-63, 0], [0x1p-63, 0, 0x1p-63, 0], 0x1p-127),  // lanes: not flushed
      ]
      for (w, x, expected) in cases {
        let plain = plainDot(w.map(nearest)[...], x.map(nearest)[...])
        // The other lanes hold zeros, which make a negative zero positive.
        #expect(plain.bitPattern == (expected + 0).bitPattern)
        for n in [1, 7] {
          let inputs = Array(repeating: x, count: n).flatMap(\.self)
          onEveryPath { path in
            let y = unsafe dot(pool, w.map(nearest), rows: 1, columns: w.count, x: inputs, n: n)
            #expect(y.allSatisfy { $0.bitPattern == plain.bitPattern }, "\(path), \(w) · \(x): \(y)")
            // Whatever told the processor to flush has been taken back.
            let tiny = y.reduce(Float.leastNormalMagnitude) { $0 + $1 * 0 } / 4
            #expect(tiny > 0, "\(path)")
          }
        }
      }
    }

    @Test func aRowOfABatchEqualsTheRowAloneForAnyThreads() throws {
      var noise = SeededGenerator(11)
      let (rows, columns) = (203, 808)
      try expectRowsAloneEqualTheBatch(
        bytes(noise.words(rows * columns)), TK_BF16, rows: rows, columns: columns, &noise,
        activations: TK_ACTIVATIONS_BF16)
    }

    /// y + (dot + bias), then + B · u, where u = scale · A x of the inputs as they were.
    @Test func anAdapterIsASumOfItsOwn() throws {
      let pool = unsafe try #require(tk_pool_create(2))
      defer { unsafe tk_pool_destroy(pool) }
      var noise = SeededGenerator(13)
      let (rows, columns, n, rank) = (45, 200, 5, 12)
      let w = noise.words(rows * columns)
      let (x, before, bias) = (noise.floats(n * columns), noise.floats(n * rows), noise.floats(rows))
      let term = Term(
        a: noise.floats(rank * columns), b: noise.floats(rank * rows), rank: rank, inputs: 1..<4)
      let found = unsafe dot(
        pool, w, rows: rows, columns: columns, x: x, n: n, bias: bias, onto: before, term: term)
      for i in 0..<n {
        let input = x[i * columns..<(i + 1) * columns]
        let rounded = input.map(nearest)
        let u = (0..<rank).map { orderedDot(term.a[$0 * columns..<($0 + 1) * columns], input) * 0.75 }
        for row in 0..<rows {
          let dot = plainDot(w[row * columns..<(row + 1) * columns], rounded[...]) + bias[row]
          var expected = before[i * rows + row] + dot
          if term.inputs.contains(i) { expected += orderedDot(term.b[row * rank..<(row + 1) * rank], u[...]) }
          #expect(found[i * rows + row].bitPattern == expected.bitPattern, "\(i), \(row)")
        }
      }
    }

    @Test func roundingTheInputsIsTheOnlyDifference() throws {
      let pool = unsafe try #require(tk_pool_create(2))
      defer { unsafe tk_pool_destroy(pool) }
      var noise = SeededGenerator(3)
      let (rows, columns, n) = (48, 1536, 4)
      let w = noise.words(rows * columns)
      let zero = [Float](repeating: 0, count: n * rows)
      for (x, range) in [
        (noise.floats(n * columns), 1e-4..<4e-3), (noise.words(n * columns).map(value), 0..<1e-6),
      ] {
        let rounded = unsafe dot(pool, w, rows: rows, columns: columns, x: x, n: n)
        let exact = unsafe multiply(
          pool, bytes(w), TK_BF16, rows: rows, columns: columns, x: x, n: n, activations: TK_ACTIVATIONS_F32)
        let error = distance(rounded, exact) / distance(exact, zero)
        #expect(range.contains(error), "\(error)")
      }
    }

    /// Weights of other types meet what they meet by default.
    @Test(arguments: [TK_F32, TK_F16, TK_Q8_0].map(\.rawValue))
    func onlyBF16WeightsMeetRoundedInputs(raw: UInt32) throws {
      let type = tk_type(raw)
      let pool = unsafe try #require(tk_pool_create(2))
      defer { unsafe tk_pool_destroy(pool) }
      var noise = SeededGenerator(3)
      let (rows, columns, n) = (20, 64, 9)
      let bytes =
        type == TK_Q8_0
        ? (0..<rows * tk_row_bytes(type, columns)).map { UInt8($0 % 34 == 1 ? 20 : $0 * 7 % 60) }
        : Stored(noise.floats(rows * columns), type).bytes
      let x = noise.floats(n * columns)
      let results = [TK_ACTIVATIONS_INT8, TK_ACTIVATIONS_BF16].map {
        bits(unsafe multiply(pool, bytes, type, rows: rows, columns: columns, x: x, n: n, activations: $0))
      }
      #expect(results[0] == results[1])
    }
  }
}
