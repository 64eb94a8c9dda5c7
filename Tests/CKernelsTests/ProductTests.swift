import CKernels
import Foundation
import TestSupport
import Testing

/// Products and rows of the backward pass against their definitions, written plainly.
@Suite(.serialized) struct ProductTests {
  static let paths = ["portable", "avx2", "avx512", "neon"]

  /// Runs `body` on each path of this processor.
  private func onEachPath(_ body: (String) -> Void) {
    let before = unsafe String(cString: tk_isa())
    for path in Self.paths where unsafe tk_isa_select(path) { body(path) }
    _ = unsafe tk_isa_select(before)
  }

  /// The order that tk_product.h states.
  private func ordered(_ a: [Float], _ b: [Float], scale: Float, onto start: Float?) -> Float {
    var total = start
    for first in stride(from: 0, to: a.count, by: Int(TK_PRODUCT_DEPTH)) {
      var sum: Float = 0
      for l in first..<min(first + Int(TK_PRODUCT_DEPTH), a.count) { sum = fmaf(scale * a[l], b[l], sum) }
      total = total.map { $0 + sum } ?? sum
    }
    return total ?? 0
  }

  @Test(arguments: [
    (1, 1, 1), (12, 32, 192), (13, 33, 193), (6, 16, 5), (40, 70, 400), (5, 530, 200), (25, 7, 577),
  ])
  func productsKeepTheirOrder(m: Int, n: Int, k: Int) {
    var noise = SeededGenerator(UInt64(m * 1000 + n * 10 + k))
    for type in [TK_F32, TK_F16, TK_BF16] {
      for (turnsA, turnsB, adds) in [(false, false, false), (true, false, true), (false, true, true)] {
        if turnsB, type != TK_F32 { continue }
        let a = noise.floats(m * k)
        let b = Stored(noise.floats(k * n), type)
        let start = noise.floats(m * n)
        let scale: Float = adds ? 0.37 : 1
        var expected = start
        for i in 0..<m {
          for j in 0..<n {
            expected[i * n + j] = ordered(
              (0..<k).map { a[turnsA ? $0 * m + i : i * k + $0] },
              (0..<k).map { b.values[turnsB ? j * k + $0 : $0 * n + j] }, scale: scale,
              onto: adds ? start[i * n + j] : nil)
          }
        }
        onEachPath { path in
          var c = start
          unsafe a.withUnsafeBufferPointer { a in
            unsafe b.bytes.withUnsafeBytes { b in
              unsafe c.withUnsafeMutableBufferPointer { c in
                guard let a = a.baseAddress, let b = b.baseAddress, let c = c.baseAddress else { return }
                var arguments = unsafe tk_product_args(
                  m: m, n: n, k: k, scale: scale, a: a, a_row: turnsA ? 1 : k, a_column: turnsA ? m : 1, b: b,
                  type: type, b_row: turnsB ? 1 : n, b_column: turnsB ? k : 1, first_row: 0, first_column: 0,
                  c: c,
                  c_row: n, add: adds)
                unsafe tk_product(&arguments)
              }
            }
          }
          #expect(zip(c, expected).allSatisfy { $0.bitPattern == $1.bitPattern }, "\(path) \(type)")
        }
      }
    }
  }

  /// A part of a matrix, in rows and columns, is what the whole gives there; also of blocks of weights.
  @Test func partsAreThoseOfTheWhole() {
    let (m, n, k) = (17, 768, 40)
    var noise = SeededGenerator(5)
    let a = noise.floats(m * k)
    let blocks = (0..<n * k / 256 * 144).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ $0 / 144) & 0x3F }
    var whole = [Float](repeating: 0, count: m * n)
    var parts = whole
    func run(_ c: inout [Float], _ cuts: [(rows: Range<Int>, columns: Range<Int>)]) {
      unsafe a.withUnsafeBufferPointer { a in
        unsafe blocks.withUnsafeBytes { b in
          unsafe c.withUnsafeMutableBufferPointer { c in
            guard let a = a.baseAddress, let b = b.baseAddress, let c = c.baseAddress else { return }
            for cut in cuts {
              var arguments = unsafe tk_product_args(
                m: cut.rows.count, n: cut.columns.count, k: k, scale: 1, a: a + cut.rows.lowerBound * k,
                a_row: k,
                a_column: 1, b: b, type: TK_Q4_K, b_row: n, b_column: 1, first_row: 0,
                first_column: cut.columns.lowerBound, c: c + cut.rows.lowerBound * n + cut.columns.lowerBound,
                c_row: n, add: false)
              unsafe tk_product(&arguments)
            }
          }
        }
      }
    }
    run(&whole, [(0..<m, 0..<n)])
    run(&parts, [(0..<5, 0..<256), (5..<17, 0..<256), (0..<17, 256..<768)])
    #expect(zip(whole, parts).allSatisfy { $0.bitPattern == $1.bitPattern })
    #expect(whole.contains { $0 != 0 && $0.isFinite })
    // Against the widened matrix.
    var wide = [Float](repeating: 0, count: n * k)
    unsafe blocks.withUnsafeBytes { b in
      if let b = b.baseAddress { unsafe tk_dequantise(b, TK_Q4_K, &wide, n * k) }
    }
    let expected = ordered(
      (0..<k).map { a[3 * k + $0] }, (0..<k).map { wide[$0 * n + 300] }, scale: 1, onto: nil)
    #expect(whole[3 * n + 300].bitPattern == expected.bitPattern)
  }

  /// Softmax, activation and head against double precision; every path gives the same bits.
  @Test(arguments: [1, 7, 8, 9, 64, 131])
  func rowsAreDifferentiated(count: Int) {
    var noise = SeededGenerator(UInt64(count))
    let scores = noise.floats(count).map { 6 * $0 }
    let slopes = noise.floats(count)
    let other = noise.floats(count).map { 3 * $0 }
    var first: [[Float]]?
    onEachPath { path in
      var (p, d) = (scores, slopes)
      unsafe tk_softmax_backward(&p, &d, count, 0.25, 0.5)
      let peak = Double(scores.max() ?? 0)
      let total = scores.reduce(0) { $0 + exp(Double($1) - peak) }
      for i in 0..<count {
        let q = exp(Double(scores[i]) - peak) / total
        #expect(abs(Double(p[i]) - q) < 1e-6)
        #expect(abs(Double(d[i]) - q * (Double(slopes[i]) - 0.25) * 0.5) < 1e-6)
      }
      var (dGate, dUp) = (slopes, slopes)
      unsafe tk_swiglu_backward(scores, other, &dGate, &dUp, count)
      for i in 0..<count {
        let (g, u, y) = (Double(scores[i]), Double(other[i]), Double(slopes[i]))
        let s = 1 / (1 + exp(-g))
        #expect(abs(Double(dUp[i]) - y * g * s) < 1e-5)
        #expect(abs(Double(dGate[i]) - y * u * s * (1 + g * (1 - s))) < 1e-5)
      }
      var (dGELU, dGELUUp) = (slopes, slopes)
      unsafe tk_geglu_backward(scores, other, &dGELU, &dGELUUp, count)
      for i in 0..<count {
        let (g, u, y) = (Double(scores[i]), Double(other[i]), Double(slopes[i]))
        func gelu(_ g: Double) -> Double {
          0.5 * g * (1 + tanh((2 / Double.pi).squareRoot() * (g + 0.044715 * g * g * g)))
        }
        #expect(abs(Double(dGELUUp[i]) - y * gelu(g)) < 1e-5)
        #expect(abs(Double(dGELU[i]) - y * u * (gelu(g + 1e-5) - gelu(g - 1e-5)) / 2e-5) < 2e-5)
      }
      var logits = scores
      logits[0] = -.infinity  // a token that cannot come
      let start = logits
      let sum = start.reduce(0) { $0 + exp(0.5 * Double($1)) }
      let mean = unsafe tk_head_backward(&logits, count, 0.5, Float(log(max(sum, 1e-9))), true)
      var expectation = 0.0
      for i in 1..<max(count, 1) where count > 1 {
        let q = exp(0.5 * Double(start[i])) / sum
        expectation += q * 0.5 * Double(start[i])
        #expect(abs(Double(logits[i]) + 0.5 * q) < 1e-6)
      }
      #expect(abs(mean - expectation) < 1e-5, "\(path)")
      #expect(logits[0] == 0)
      let all = [p, d, dGate, dUp, dGELU, dGELUUp, logits]
      if let first {
        for (mine, theirs) in zip(all, first) {
          #expect(zip(mine, theirs).allSatisfy { $0.bitPattern == $1.bitPattern }, "\(path)")
        }
      }
      first = first ?? all
    }
  }

  /// AdamW's step element by element as it is written down, on every path.
  @Test(arguments: [1, 8, 13, 40])
  func stepsOfAdamWFollowTheirDefinition(count: Int) {
    var noise = SeededGenerator(UInt64(count + 77))
    let gradient = noise.floats(count)
    let start = (x: noise.floats(count), m: noise.floats(count), v: noise.floats(count).map { $0 * $0 })
    var settings = tk_adamw(
      factor: 0.5, b1: 0.9, c1: 0.1, b2: 0.99, c2: 0.01, keep: 0.999, step: 0.003, root: 0.7, epsilon: 1e-8)
    let s = settings
    onEachPath { path in
      var (x, m, v) = start
      let change = unsafe tk_adamw_step(&settings, gradient, &x, &m, &v, count)
      var squares = 0.0
      for i in 0..<count {
        let g = gradient[i] * s.factor
        let mean = s.b1 * start.m[i] + s.c1 * g
        let square = s.b2 * start.v[i] + s.c2 * g * g
        let new = start.x[i] * s.keep - s.step * (mean / (square.squareRoot() / s.root + s.epsilon))
        #expect(m[i].bitPattern == mean.bitPattern && v[i].bitPattern == square.bitPattern, "\(path)")
        #expect(x[i].bitPattern == new.bitPattern, "\(path)")
        squares += Double(new - start.x[i]) * Double(new - start.x[i])
      }
      #expect(abs(change - squares) <= 1e-12 * squares)
      let sum = x.reduce(0) { $0 + Double($1) * Double($1) }
      #expect(abs(unsafe tk_square_sum(x, count) - sum) <= 1e-12 * sum)
    }
  }
}
