import CKernels
import Foundation
import TestSupport
import Testing

func distance(_ a: [Float], _ b: [Float]) -> Double {
  var sum = 0.0
  for i in a.indices { sum += Double(a[i] - b[i]) * Double(a[i] - b[i]) }
  return sum.squareRoot()
}

/// One adapter's pair for some of the inputs.
struct Term {
  var a: [Float]
  var b: [Float]
  var rank: Int
  var inputs: Range<Int>
}

/// Expects the rows of a batch of rounded inputs, with an adapter on all of them, to be what each is alone. Bits are
/// compared, on 1 to 3 threads.
func expectRowsAloneEqualTheBatch(
  _ weights: [UInt8], _ type: tk_type, rows: Int, columns: Int, _ noise: inout SeededGenerator,
  activations: tk_activations = TK_ACTIVATIONS_INT8
) throws {
  let n = 21
  let x = noise.floats(n * columns)
  let before = noise.floats(n * rows)
  let term = Term(a: noise.floats(9 * columns), b: noise.floats(9 * rows), rank: 9, inputs: 0..<n)
  var reference: [UInt32]?
  for threads in 1...3 {
    let pool = unsafe try #require(tk_pool_create(threads))
    defer { unsafe tk_pool_destroy(pool) }
    let together = unsafe multiply(
      pool, weights, type, rows: rows, columns: columns, x: x, n: n, onto: before, term: term,
      activations: activations)
    for i in 0..<n {
      var one = term
      one.inputs = 0..<1
      let alone = unsafe multiply(
        pool, weights, type, rows: rows, columns: columns, x: Array(x[i * columns..<(i + 1) * columns]),
        n: 1,
        onto: Array(before[i * rows..<(i + 1) * rows]), term: one, activations: activations)
      #expect(bits(alone) == bits(Array(together[i * rows..<(i + 1) * rows])), "row \(i)")
    }
    #expect(reference == nil || reference == bits(together), "\(threads) threads")
    reference = bits(together)
  }
}

func multiply(
  _ pool: OpaquePointer, _ weights: [UInt8], _ type: tk_type, rows: Int, columns: Int, x: [Float], n: Int,
  bias: [Float]? = nil, onto before: [Float]? = nil, term: Term? = nil,
  activations: tk_activations = TK_ACTIVATIONS_INT8
) -> [Float] {
  var y = before ?? [Float](repeating: .nan, count: rows * n)
  var u = [Float](repeating: 0, count: (term?.rank ?? 0) * n + 1)
  unsafe weights.withUnsafeBytes { w in
    unsafe x.withUnsafeBufferPointer { x in
      unsafe y.withUnsafeMutableBufferPointer { y in
        unsafe u.withUnsafeMutableBufferPointer { u in
          unsafe (term?.a ?? []).withUnsafeBufferPointer { a in
            unsafe (term?.b ?? []).withUnsafeBufferPointer { b in
              unsafe (bias ?? []).withUnsafeBufferPointer { bias in
                guard let w = w.baseAddress, let x = x.baseAddress, let y = y.baseAddress,
                  let u = u.baseAddress
                else { return }
                func run(_ terms: UnsafePointer<tk_low_rank>?) {
                  var map = unsafe tk_linear_args(
                    weights: w, type: type, rows: rows, columns: columns,
                    bias: bias.isEmpty ? nil : bias.baseAddress, x: x, x_stride: columns, n: n, y: y,
                    y_stride: rows, add: before != nil, terms: terms, term_count: terms == nil ? 0 : 1,
                    activations: activations)
                  unsafe tk_linear(pool, &map, 1)
                }
                if let term, let b = b.baseAddress {
                  var low = unsafe tk_low_rank(
                    a: a.baseAddress, b: b, a_type: TK_F32, b_type: TK_F32, rank: term.rank, scale: 0.75,
                    first: term.inputs.lowerBound, count: term.inputs.count, u: u)
                  unsafe run(&low)
                } else {
                  run(nil)
                }
              }
            }
          }
        }
      }
    }
  }
  return y
}

extension KernelTests {
  @Suite struct Int8Tests {
    static let types = Blocks.types

    @Test(arguments: types)
    func everySizeFollowsTheStatedOrder(raw: UInt32) throws {
      let type = tk_type(raw)
      let pool = unsafe try #require(tk_pool_create(2))
      defer { unsafe tk_pool_destroy(pool) }
      var noise = SeededGenerator(21)
      let block = tk_block_elements(type)
      for (rows, columns) in [(1, block), (7, 2 * block), (15, 256), (33, 256), (50, 768), (97, 512)] {
        let weights = Blocks.random(type, rows: rows, columns: columns, &noise)
        let bytes = tk_row_bytes(type, columns)
        let bias = noise.floats(rows)
        let x = noise.floats(70 * columns)
        let dots = (0..<70).map { i in
          (0..<rows).map { row in
            plainDot(
              weights[row * bytes..<(row + 1) * bytes], type, x[i * columns..<(i + 1) * columns])
          }
        }
        let counts = columns == 256 ? Array(1...70) : [1, 2, 5, 6, 7, 13, 61, 70]
        for n in counts {
          let y = unsafe multiply(
            pool, weights, type, rows: rows, columns: columns, x: Array(x.prefix(n * columns)), n: n,
            bias: bias)
          let expected = dots.prefix(n).flatMap { zip($0, bias).map { $0 + $1 } }
          #expect(bits(y) == bits(expected), "\(rows) × \(columns), \(n) inputs")
        }
      }
    }

    /// Codes at the ends of their ranges, where sums in sixteen bits would overflow.
    @Test(arguments: types)
    func theLargestCodesDoNotOverflow(raw: UInt32) throws {
      let type = tk_type(raw)
      let pool = unsafe try #require(tk_pool_create(1))
      defer { unsafe tk_pool_destroy(pool) }
      let (rows, columns) = (35, 512)
      var noise = SeededGenerator(2)
      for fill in [UInt8(0x80), 0xff, 0x7f, 0x81] {
        let template = Blocks.random(type, rows: rows, columns: columns, &noise)
        let size = tk_block_bytes(type)
        let halves = Blocks.halves(type).flatMap { [$0, $0 + 1] }
        let weights = template.indices.map { halves.contains($0 % size) ? template[$0] : fill }
        for sign in [Float(1), -1] {
          let x = (0..<3 * columns).map { $0 % 5 == 0 ? sign : -sign }
          onEveryPath { path in
            let y = unsafe multiply(pool, weights, type, rows: rows, columns: columns, x: x, n: 3)
            let bytes = tk_row_bytes(type, columns)
            for i in 0..<3 {
              let expected = plainDot(weights[0..<bytes], type, x[i * columns..<(i + 1) * columns])
              #expect(y[i * rows].bitPattern == expected.bitPattern, "\(path), \(fill), \(sign)")
            }
          }
        }
      }
    }

    @Test(arguments: types)
    func everyPathGivesTheSameBits(raw: UInt32) throws {
      let type = tk_type(raw)
      let pool = unsafe try #require(tk_pool_create(2))
      defer { unsafe tk_pool_destroy(pool) }
      var noise = SeededGenerator(5)
      for (rows, columns, n) in [(16, 256, 1), (203, 1536, 1), (40, 1280, 2), (64, 768, 9), (72, 1536, 64)] {
        let weights = Blocks.random(type, rows: rows, columns: columns, &noise)
        let x = noise.floats(n * columns)
        var portable: [UInt32]?
        onEveryPath { path in
          let y = bits(unsafe multiply(pool, weights, type, rows: rows, columns: columns, x: x, n: n))
          #expect(portable == nil || y == portable, "\(path), \(rows) × \(columns), \(n) inputs")
          portable = y
        }
      }
    }

    @Test(arguments: types)
    func aRowOfABatchEqualsTheRowAloneForAnyThreads(raw: UInt32) throws {
      var noise = SeededGenerator(11)
      let (rows, columns) = (203, 768)
      let weights = Blocks.random(tk_type(raw), rows: rows, columns: columns, &noise)
      try expectRowsAloneEqualTheBatch(weights, tk_type(raw), rows: rows, columns: columns, &noise)
    }

    /// y + (dot + bias), then + B · u, where u = scale · A x in float32; inputs outside the term get none.
    @Test func anAdapterIsASumOfItsOwn() throws {
      let pool = unsafe try #require(tk_pool_create(2))
      defer { unsafe tk_pool_destroy(pool) }
      var noise = SeededGenerator(13)
      let (rows, columns, n, rank) = (45, 256, 5, 12)
      let weights = Blocks.random(TK_Q4_K, rows: rows, columns: columns, &noise)
      let (x, before, bias) = (noise.floats(n * columns), noise.floats(n * rows), noise.floats(rows))
      let term = Term(
        a: noise.floats(rank * columns), b: noise.floats(rank * rows), rank: rank, inputs: 1..<4)
      let base = unsafe multiply(
        pool, weights, TK_Q4_K, rows: rows, columns: columns, x: x, n: n, bias: bias, onto: before)
      let found = unsafe multiply(
        pool, weights, TK_Q4_K, rows: rows, columns: columns, x: x, n: n, bias: bias, onto: before, term: term
      )
      for i in 0..<n {
        let u = (0..<rank).map {
          orderedDot(term.a[$0 * columns..<($0 + 1) * columns], x[i * columns..<(i + 1) * columns]) * 0.75
        }
        for row in 0..<rows {
          let low = orderedDot(term.b[row * rank..<(row + 1) * rank], u[...])
          let expected = term.inputs.contains(i) ? base[i * rows + row] + low : base[i * rows + row]
          #expect(found[i * rows + row].bitPattern == expected.bitPattern)
        }
      }
    }

    /// Against the widened weights and float32 inputs: the rounding of inputs is all that differs.
    @Test(arguments: types)
    func roundingTheInputsIsTheOnlyDifference(raw: UInt32) throws {
      let type = tk_type(raw)
      let pool = unsafe try #require(tk_pool_create(2))
      defer { unsafe tk_pool_destroy(pool) }
      var noise = SeededGenerator(3)
      let (rows, columns, n) = (48, 1536, 4)
      let weights = Blocks.random(type, rows: rows, columns: columns, &noise)
      let x = noise.floats(n * columns)
      let zero = [Float](repeating: 0, count: n * rows)
      let fast = unsafe multiply(pool, weights, type, rows: rows, columns: columns, x: x, n: n)
      let exact = unsafe multiply(
        pool, weights, type, rows: rows, columns: columns, x: x, n: n, activations: TK_ACTIVATIONS_F32)
      // Uniform noise: a step of 1/127 of the largest of 32 has an error of about 0.5 % of the rest.
      let error = distance(fast, exact) / distance(exact, zero)
      #expect(error > 0 && error < 0.008, "\(error)")
      // Inputs that eight bits hold exactly: nothing but the order of summation differs.
      var whole = [Float](repeating: 127, count: n * columns)
      for i in whole.indices where i % 32 != 0 { whole[i] = Float(i * 7919 % 255 - 127) }
      let a = unsafe multiply(pool, weights, type, rows: rows, columns: columns, x: whole, n: n)
      let b = unsafe multiply(
        pool, weights, type, rows: rows, columns: columns, x: whole, n: n, activations: TK_ACTIVATIONS_F32)
      let rest = distance(a, b) / distance(b, zero)
      #expect(rest < 1e-5, "\(rest)")
    }

    @Test func inputsThatAreNotFiniteAndTinyOnes() throws {
      let pool = unsafe try #require(tk_pool_create(1))
      defer { unsafe tk_pool_destroy(pool) }
      var noise = SeededGenerator(8)
      let (rows, columns) = (20, 256)
      let weights = Blocks.random(TK_Q8_0, rows: rows, columns: columns, &noise)
      for poison in [Float.nan, .infinity, -.infinity, .signalingNaN] {
        var x = noise.floats(columns)
        x[77] = poison
        onEveryPath { path in
          let y = unsafe multiply(pool, weights, TK_Q8_0, rows: rows, columns: columns, x: x, n: 1)
          #expect(y.allSatisfy { $0.isNaN }, "\(path), \(poison)")
        }
      }
      for tiny in [Float(0), -0, .leastNonzeroMagnitude, 1e-38, -1e-31] {
        let x = [Float](repeating: tiny, count: columns)
        onEveryPath { path in
          let y = unsafe multiply(pool, weights, TK_Q8_0, rows: rows, columns: columns, x: x, n: 1)
          #expect(y.allSatisfy { $0 == 0 }, "\(path), \(tiny)")
        }
      }
      let x = [Float](repeating: 1e-29, count: columns)
      let y = unsafe multiply(pool, weights, TK_Q8_0, rows: rows, columns: columns, x: x, n: 1)
      #expect(y.contains { $0 != 0 })
    }
  }
}
