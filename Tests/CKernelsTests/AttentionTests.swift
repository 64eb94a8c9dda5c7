import CKernels
import Foundation
import TestSupport
import Testing

extension KernelTests {
  @Suite struct AttentionTests {
    struct Case: Sendable {
      let heads: Int, kvHeads: Int, headDim: Int, keys: Int, first: Int
    }
    static let cases: [Case] = [
      .init(heads: 4, kvHeads: 2, headDim: 16, keys: 1, first: 0),
      .init(heads: 6, kvHeads: 1, headDim: 12, keys: 33, first: 0),
      .init(heads: 4, kvHeads: 4, headDim: 128, keys: 100, first: 40),
      .init(heads: 12, kvHeads: 2, headDim: 64, keys: 31, first: 30),
      .init(heads: 2, kvHeads: 2, headDim: 6, keys: 70, first: 3),
    ]
    static let pageTokens = 8

    /// Runs one row over pages of the given type; returns the output and the keys and values as stored.
    private func run(_ c: Case, _ type: tk_type, threads: Int) throws -> (
      output: [Float], keys: [Float], values: [Float], query: [Float]
    ) {
      let pool = unsafe try #require(tk_pool_create(threads))
      defer { unsafe tk_pool_destroy(pool) }
      var noise = SeededGenerator(UInt64(c.keys * 31 + c.headDim))
      let width = c.kvHeads * c.headDim
      let query = noise.floats(c.heads * c.headDim).map { $0 * 3 }
      let pageCount = (c.keys + Self.pageTokens - 1) / Self.pageTokens
      let size = type == TK_F32 ? 4 : 2
      let plane = Self.pageTokens * width * size
      var pages: [UnsafePointer<UInt8>] = unsafe []
      defer { unsafe pages.forEach { unsafe $0.deallocate() } }
      var keys: [Float] = []
      var values: [Float] = []
      for _ in 0..<pageCount {
        let page = UnsafeMutablePointer<UInt8>.allocate(capacity: 2 * plane)
        for (part, offset) in [(0, 0), (1, plane)] {
          let source = noise.floats(Self.pageTokens * width)
          var stored = source
          unsafe tk_from_f32(source, page + offset, type, source.count)
          unsafe tk_to_f32(page + offset, type, &stored, source.count)
          if part == 0 { keys += stored } else { values += stored }
        }
        unsafe pages.append(UnsafePointer(page))
      }
      var output = [Float](repeating: .nan, count: query.count)
      var shape = tk_attention_shape(
        heads: c.heads, kv_heads: c.kvHeads, head_dim: c.headDim, page_tokens: Self.pageTokens, key_offset: 0,
        value_offset: plane, type: type, scale: 1 / Float(c.headDim).squareRoot())
      unsafe query.withUnsafeBufferPointer { q in
        unsafe output.withUnsafeMutableBufferPointer { o in
          unsafe pages.withUnsafeBufferPointer { p in
            guard let q = q.baseAddress, let o = o.baseAddress, let p = p.baseAddress else { return }
            var row = unsafe tk_attention_row(query: q, output: o, pages: p, keys: c.keys, first: c.first)
            unsafe tk_attention(pool, &shape, &row, 1, c.keys)
          }
        }
      }
      return (output, keys, values, query)
    }

    @Test(arguments: cases)
    func matchesDoublePrecision(c: Case) throws {
      for type in [TK_F32, TK_F16, TK_BF16] {
        let (output, keys, values, query) = try run(c, type, threads: 2)
        let width = c.kvHeads * c.headDim
        for head in 0..<c.heads {
          let kv = head / (c.heads / c.kvHeads)
          let scores = (c.first..<c.keys).map { t in
            (0..<c.headDim).reduce(0.0) {
              $0 + Double(query[head * c.headDim + $1]) * Double(keys[t * width + kv * c.headDim + $1])
            } / Double(c.headDim).squareRoot()
          }
          let peak = scores.max() ?? 0
          let weights = scores.map { Foundation.exp($0 - peak) }
          let total = weights.reduce(0, +)
          for d in 0..<c.headDim {
            let expected = zip(c.first..<c.keys, weights).reduce(0.0) {
              $0 + $1.1 / total * Double(values[$1.0 * width + kv * c.headDim + d])
            }
            #expect(abs(Double(output[head * c.headDim + d]) - expected) < 3e-6)
          }
        }
      }
    }

    @Test(arguments: cases)
    func pathsAndThreadsAgree(c: Case) throws {
      for type in [TK_F32, TK_F16, TK_BF16] {
        let one = try run(c, type, threads: 1).output
        try onEveryPath { path in
          for threads in [1, 3] {
            let output = try run(c, type, threads: threads).output
            #expect(bits(output) == bits(one), "\(path), \(threads) threads")
          }
        }
      }
    }

    /// The last `n` positions of one sequence and the only one of another in one call, then each alone.
    @Test(arguments: [1, 2, 9, 40], [nil, 7] as [Int?])
    func queriesTogetherEqualQueriesAlone(n: Int, window: Int?) throws {
      let (heads, kvHeads, headDim, keys) = (6, 2, 20, 53)
      let width = kvHeads * headDim
      let plane = Self.pageTokens * width
      var noise = SeededGenerator(31)
      var pages: [UnsafePointer<UInt8>] = unsafe []
      defer { for i in unsafe pages.indices { unsafe pages[i].deallocate() } }
      for _ in 0..<(keys + Self.pageTokens - 1) / Self.pageTokens {
        let page = UnsafeMutablePointer<UInt8>.allocate(capacity: 4 * plane)
        unsafe tk_from_f32(noise.floats(2 * plane), page, TK_F16, 2 * plane)
        unsafe pages.append(UnsafePointer(page))
      }
      let query = noise.floats((n + 1) * heads * headDim)
      let size = heads * headDim
      var shape = tk_attention_shape(
        heads: heads, kv_heads: kvHeads, head_dim: headDim, page_tokens: Self.pageTokens, key_offset: 0,
        value_offset: 2 * plane, type: TK_F16, scale: 1 / Float(headDim).squareRoot())
      try onEveryPath { path in
        for threads in 1...3 {
          let pool = unsafe try #require(tk_pool_create(threads))
          defer { unsafe tk_pool_destroy(pool) }
          var together = [Float](repeating: .nan, count: (n + 1) * size)
          var alone = together
          unsafe query.withUnsafeBufferPointer { q in
            unsafe pages.withUnsafeBufferPointer { table in
              guard let q = q.baseAddress, let table = table.baseAddress else { return }
              func rows(_ output: UnsafeMutablePointer<Float>) -> [tk_attention_row] {
                unsafe (0...n).map { i in
                  // The last row reads the same pages through another table, from another place.
                  let visible = i < n ? keys - n + 1 + i : keys - Self.pageTokens
                  return unsafe tk_attention_row(
                    query: q + i * size, output: output + i * size, pages: i < n ? table : table + 1,
                    keys: visible, first: window.map { max(0, visible - $0) } ?? 0)
                }
              }
              unsafe together.withUnsafeMutableBufferPointer { output in
                guard let output = output.baseAddress else { return }
                unsafe tk_attention(pool, &shape, rows(output), n + 1, keys)
              }
              unsafe alone.withUnsafeMutableBufferPointer { output in
                guard let output = output.baseAddress else { return }
                for i in 0...n {
                  var row = unsafe rows(output)[i]
                  unsafe tk_attention(pool, &shape, &row, 1, row.keys)
                }
              }
            }
          }
          #expect(!together.contains { $0.isNaN })
          #expect(bits(together) == bits(alone), "\(path), \(threads) threads")
        }
      }
    }
  }
}
