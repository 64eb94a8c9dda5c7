import CKernels
import Foundation
import TestSupport
import Testing

extension KernelTests {
  @Suite struct RowTests {
    @Test func everyHalfPatternWidensExactlyAndComesBack() {
      for type in [TK_F16, TK_BF16] {
        let patterns = (0...UInt16.max).map { $0 }
        var floats = [Float](repeating: 0, count: patterns.count)
        var back = [UInt16](repeating: 0, count: patterns.count)
        unsafe tk_to_f32(patterns, type, &floats, patterns.count)
        unsafe tk_from_f32(floats, &back, type, patterns.count)
        for (i, pattern) in patterns.enumerated() {
          let expected =
            type == TK_BF16
            ? Float(bitPattern: UInt32(pattern) << 16) : Float(Float16(bitPattern: pattern))
          if expected.isNaN {
            #expect(floats[i].isNaN)
          } else if floats[i].bitPattern != expected.bitPattern || back[i] != pattern {
            Issue.record("pattern \(pattern) of type \(type) gave \(floats[i]) and \(back[i])")
          }
        }
      }
    }

    @Test func narrowingRoundsToNearestEven() {
      var noise = SeededGenerator(1)
      var values: [Float] = [
        0, -0, 65519.99, 65520, 1e30, -1e30, 2.98e-8, 2.9802322e-8, 6.1e-5, 0x1p-149, .infinity,
      ]
      for exponent in -30...20 {
        values += noise.floats(200).map { $0 * Float(sign: .plus, exponent: exponent, significand: 1) }
      }
      var narrowed = [UInt16](repeating: 0, count: values.count)
      unsafe tk_from_f32(values, &narrowed, TK_F16, values.count)
      for (value, pattern) in zip(values, narrowed) {
        #expect(pattern == Float16(value).bitPattern, "\(value)")
      }
      unsafe tk_from_f32(values, &narrowed, TK_BF16, values.count)
      for (value, pattern) in zip(values, narrowed) {
        let bits = UInt64(value.bitPattern)
        let expected = UInt16(truncatingIfNeeded: (bits + 0x7fff + (bits >> 16 & 1)) >> 16)
        #expect(pattern == expected, "\(value)")
      }
    }

    @Test func exponentialIsAccurateAndBounded() {
      var worst = 0.0
      for step in -87_000...88_000 {
        let x = Float(step) / 1000
        let expected = Foundation.exp(Double(x))
        let error = abs(Double(tk_exp(x)) - expected) / (Double(Float(expected).ulp))
        worst = max(worst, error)
      }
      #expect(worst < 2, "\(worst) ulp")
      #expect(tk_exp(-200) == 0 && tk_exp(-.infinity) == 0)
      #expect(tk_exp(89) == .infinity && tk_exp(.nan).isNaN && tk_exp(0) == 1)
    }

    @Test func normAndActivationMatchDoublePrecision() throws {
      let pool = unsafe try #require(tk_pool_create(2))
      defer { unsafe tk_pool_destroy(pool) }
      var noise = SeededGenerator(9)
      for (n, dim) in [(1, 1), (3, 7), (5, 64), (2, 1536), (9, 1001)] {
        let x = noise.floats(n * dim)
        let weight = noise.floats(dim)
        var y = [Float](repeating: 0, count: n * dim)
        unsafe tk_rmsnorm(pool, x, n, dim, weight, 1e-6, &y)
        for i in 0..<n {
          let row = x[i * dim..<(i + 1) * dim]
          let mean = row.reduce(0) { $0 + Double($1) * Double($1) } / Double(dim)
          for j in 0..<dim {
            let expected = Double(row[i * dim + j]) / (mean + 1e-6).squareRoot() * Double(weight[j])
            #expect(abs(Double(y[i * dim + j]) - expected) <= 2e-6 * (abs(expected) + 1e-3))
          }
        }
        var gate = x
        let up = noise.floats(n * dim)
        unsafe tk_swiglu(pool, &gate, up, n, dim)
        for j in 0..<n * dim {
          let g = Double(x[j])
          let expected = g / (1 + Foundation.exp(-g)) * Double(up[j])
          #expect(abs(Double(gate[j]) - expected) <= 1e-6 * (abs(expected) + 1e-3))
        }
        gate = x.map { 3 * $0 }
        unsafe tk_geglu(pool, &gate, up, n, dim)
        for j in 0..<n * dim {
          let g = 3 * Double(x[j])
          let inner = (2 / Double.pi).squareRoot() * (g + 0.044715 * g * g * g)
          let expected = 0.5 * g * (1 + Foundation.tanh(inner)) * Double(up[j])
          #expect(abs(Double(gate[j]) - expected) <= 2e-6 * (abs(expected) + 1e-2))
        }
      }
    }
  }

  @Suite struct PoolTests {
    @Test func everyChunkRunsOnce() throws {
      for threads in [1, 2, 3, 5] {
        let pool = unsafe try #require(tk_pool_create(threads))
        defer { unsafe tk_pool_destroy(pool) }
        for region in 0..<1000 {
          let chunks = region % 97
          var counts = [UInt8](repeating: 0, count: 128)
          unsafe counts.withUnsafeMutableBytes { raw in
            unsafe tk_pool_run(
              pool, chunks,
              { context, chunk in
                guard let context = unsafe context else { return }
                unsafe context.assumingMemoryBound(to: UInt8.self)[chunk] += 1
              }, raw.baseAddress)
          }
          #expect(
            counts.prefix(chunks).allSatisfy { $0 == 1 } && counts.dropFirst(chunks).allSatisfy { $0 == 0 })
        }
      }
    }

    @Test func poolsComeAndGo() throws {
      for _ in 0..<200 { unsafe tk_pool_destroy(try #require(tk_pool_create(4))) }
    }
  }
}
