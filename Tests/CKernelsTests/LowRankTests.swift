import CKernels
import Foundation
import TestSupport
import Testing

/// Runs `body` once on every path of instructions that this processor has, then goes back to the best.
func onEveryPath(_ body: (String) throws -> Void) rethrows {
  let best = unsafe String(cString: tk_isa())
  defer { _ = unsafe tk_isa_select(best) }
  for name in ["portable", "avx2", "avxvnni", "avx512", "neon"] where unsafe tk_isa_select(name) {
    try body(name)
  }
}

/// One adapter's pair for some of the inputs.
struct LowRankCase {
  let a: Stored, b: Stored
  let rank: Int
  let scale: Float
  let inputs: Range<Int>
}

/// `linear` with low-rank terms; `given` hands the kernel u instead of A.
func linear(
  _ pool: OpaquePointer, _ weights: Stored, rows: Int, columns: Int, x: [Float], n: Int, cases: [LowRankCase],
  given: [[Float]]? = nil
) -> [Float] {
  var result = [Float](repeating: .nan, count: n * rows)
  var terms: [tk_low_rank] = unsafe []
  var copies: [UnsafeMutableRawPointer] = unsafe []
  func copy<T>(_ values: [T]) -> UnsafeMutableRawPointer {
    let count = max(values.count, 1) * MemoryLayout<T>.stride
    let memory = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 64)
    unsafe values.withUnsafeBytes { raw in
      if let base = raw.baseAddress { unsafe memory.copyMemory(from: base, byteCount: raw.count) }
    }
    unsafe copies.append(memory)
    return unsafe memory
  }
  defer { for i in unsafe copies.indices { unsafe copies[i].deallocate() } }
  for (i, item) in cases.enumerated() {
    let u = unsafe copy(given?[i] ?? [Float](repeating: .nan, count: item.inputs.count * item.rank))
    unsafe terms.append(
      tk_low_rank(
        a: given == nil ? UnsafeRawPointer(copy(item.a.bytes)) : nil, b: UnsafeRawPointer(copy(item.b.bytes)),
        a_type: item.a.type, b_type: item.b.type, rank: item.rank, scale: item.scale,
        first: item.inputs.lowerBound, count: item.inputs.count, u: u.assumingMemoryBound(to: Float.self)))
  }
  let w = unsafe copy(weights.bytes)
  unsafe x.withUnsafeBufferPointer { input in
    unsafe result.withUnsafeMutableBufferPointer { output in
      unsafe terms.withUnsafeBufferPointer { buffer in
        guard let xBase = input.baseAddress, let yBase = output.baseAddress else { return }
        var map = unsafe tk_linear_args(
          weights: w, type: weights.type, rows: rows, columns: columns, bias: nil, x: xBase,
          x_stride: columns,
          n: n, y: yBase, y_stride: rows, add: false, terms: buffer.baseAddress, term_count: buffer.count,
          activations: TK_ACTIVATIONS_F32)
        unsafe tk_linear(pool, &map, 1)
      }
    }
  }
  return result
}

extension KernelTests {
  @Suite struct LowRankTests {
    static let types = [TK_F32, TK_F16, TK_BF16].map(\.rawValue)

    private func padded(_ values: ArraySlice<Float>) -> [Float] {
      values + [Float](repeating: 0, count: (8 - values.count % 8) % 8)
    }

    private func inner(_ item: LowRankCase, _ x: [Float], columns: Int) -> [Float] {
      item.inputs.flatMap { i in
        (0..<item.rank).map { r in
          item.scale
            * orderedDot(
              item.a.values[r * columns..<(r + 1) * columns], x[i * columns..<(i + 1) * columns])
        }
      }
    }

    private func makeCases(_ noise: inout SeededGenerator, rows: Int, columns: Int, n: Int, type: tk_type)
      -> [LowRankCase]
    {
      // Some inputs of a batch have no adapter; ranks differ, some being no multiple of 8.
      let cuts = n == 1 ? [0..<1] : [0..<(n + 1) / 2, (n + 1) / 2..<max(n - 1, (n + 1) / 2 + 1)]
      return cuts.enumerated().filter { !$1.isEmpty && $1.upperBound <= n }.map { i, inputs in
        let rank = [5, 32, 8, 513][(columns + i) % (columns < 100 ? 4 : 3)]
        return LowRankCase(
          a: Stored(noise.floats(rank * columns), type), b: Stored(noise.floats(rows * rank), type),
          rank: rank,
          scale: 0.75, inputs: inputs)
      }
    }

    @Test(arguments: types)
    func theAdaptersColumnsContinueTheSum(type: UInt32) throws {
      let pool = unsafe try #require(tk_pool_create(2))
      defer { unsafe tk_pool_destroy(pool) }
      var noise = SeededGenerator(17)
      for (rows, columns) in [(3, 5), (16, 64), (21, 77), (40, 530)] {
        for n in [1, 2, 3, 5, 9, 16, 61, 67] {
          let weights = Stored(noise.floats(rows * columns), TK_BF16)
          let x = noise.floats(n * columns)
          let cases = makeCases(&noise, rows: rows, columns: columns, n: n, type: tk_type(type))
          var expected: [Float] = []
          for i in 0..<n {
            let owner = cases.first { $0.inputs.contains(i) }
            let u = owner.map { inner($0, x, columns: columns) } ?? []
            for row in 0..<rows {
              var left = padded(weights.values[row * columns..<(row + 1) * columns])
              var right = padded(x[i * columns..<(i + 1) * columns])
              if let owner {
                let start = (i - owner.inputs.lowerBound) * owner.rank
                left += owner.b.values[row * owner.rank..<(row + 1) * owner.rank]
                right += u[start..<start + owner.rank]
              }
              expected.append(orderedDot(left[...], right[...]))
            }
          }
          onEveryPath { path in
            let y = unsafe linear(pool, weights, rows: rows, columns: columns, x: x, n: n, cases: cases)
            #expect(bits(y) == bits(expected), "\(rows) × \(columns), \(n) inputs, \(path)")
          }
          let given = cases.map { inner($0, x, columns: columns) }
          let y = unsafe linear(
            pool, weights, rows: rows, columns: columns, x: x, n: n, cases: cases, given: given)
          #expect(bits(y) == bits(expected), "\(rows) × \(columns), \(n) inputs, u given")
        }
      }
    }

    @Test func aRowWithItsAdapterIsTheSameAloneAndForAnyThreads() throws {
      var noise = SeededGenerator(23)
      let (rows, columns, n) = (203, 777, 19)
      let weights = Stored(noise.floats(rows * columns), TK_F16)
      let x = noise.floats(n * columns)
      let cases = (0..<n).filter { $0 % 4 != 3 }.map { i in
        LowRankCase(
          a: Stored(noise.floats(8 * columns), TK_F32), b: Stored(noise.floats(rows * 8), TK_F32), rank: 8,
          scale: 1.5, inputs: i..<i + 1)
      }
      for threads in 1...3 {
        let pool = unsafe try #require(tk_pool_create(threads))
        defer { unsafe tk_pool_destroy(pool) }
        let together = unsafe linear(pool, weights, rows: rows, columns: columns, x: x, n: n, cases: cases)
        for i in 0..<n {
          let own = cases.filter { $0.inputs.contains(i) }.map {
            LowRankCase(a: $0.a, b: $0.b, rank: $0.rank, scale: $0.scale, inputs: 0..<1)
          }
          let alone = unsafe linear(
            pool, weights, rows: rows, columns: columns, x: Array(x[i * columns..<(i + 1) * columns]), n: 1,
            cases: own)
          #expect(
            bits(alone) == bits(Array(together[i * rows..<(i + 1) * rows])), "row \(i), \(threads) threads")
        }
      }
    }
  }
}
