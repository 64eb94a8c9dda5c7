import CKernels
import Foundation
import TestSupport
import Testing

extension KernelTests {
  /// Pools of as many threads as large machines have, on whatever runs the tests.
  @Suite struct OversubscriptionTests {
    /// The bits do not depend on how many threads there are, however finely they cut the work.
    @Test(arguments: [8, 16, 64, 96])
    func manyThreadsGiveTheSameBits(threads: Int) throws {
      var noise = SeededGenerator(3)
      for (type, activations) in [
        (TK_BF16, TK_ACTIVATIONS_F32), (TK_BF16, TK_ACTIVATIONS_BF16), (TK_Q4_K, TK_ACTIVATIONS_INT8),
      ] {
        for (rows, columns, n) in [(1536, 512, 1), (24, 256, 1), (3000, 256, 3), (520, 512, 67)] {
          let floats = noise.floats(rows * columns)
          var weights = [UInt8](repeating: 0, count: rows * tk_row_bytes(type, columns))
          _ = unsafe tk_quantise(floats, floats.count, &weights, type)
          let x = noise.floats(n * columns)
          let term = Term(
            a: noise.floats(9 * columns), b: noise.floats(9 * rows), rank: 9, inputs: 0..<n)
          func run(_ threads: Int) throws -> [UInt32] {
            let pool = unsafe try #require(tk_pool_create(threads))
            defer { unsafe tk_pool_destroy(pool) }
            return bits(
              unsafe multiply(
                pool, weights, type, rows: rows, columns: columns, x: x, n: n, term: term,
                activations: activations))
          }
          #expect(try run(threads) == run(1), "\(type) \(rows) \(columns) \(n)")
        }
      }
    }

    /// Threads that have no processor let those work that have one: a step takes about as long as with few threads.
    @Test func idleThreadsDoNotStarveOthers() {
      let parts = UnsafeMutablePointer<UInt64>.allocate(capacity: 512)
      defer { unsafe parts.deallocate() }
      func seconds(_ threads: Int) -> Double {
        guard let pool = unsafe tk_pool_create(threads) else { return .infinity }
        defer { unsafe tk_pool_destroy(pool) }
        func step() {
          unsafe tk_pool_run(
            pool, 200,
            { context, chunk in
              var state = UInt64(chunk)
              for _ in 0..<2000 { state = state &* 6_364_136_223_846_793_005 &+ 1 }
              unsafe context?.assumingMemoryBound(to: UInt64.self)[chunk] = state
            }, parts)
        }
        step()
        var best = Double.infinity
        for _ in 0..<5 {
          let began = ContinuousClock.now
          for _ in 0..<40 { step() }
          let time = ContinuousClock.now - began
          best = min(best, Double(time.components.attoseconds) * 1e-18 + Double(time.components.seconds))
        }
        return best
      }
      let few = seconds(min(4, max(ProcessInfo.processInfo.activeProcessorCount, 1)))
      for threads in [16, 64, 96] {
        let many = seconds(threads)
        // On a machine with as many processors it is faster; on a loaded one everything waits now and then.
        #expect(many < 4 * few + 0.05, "\(threads) threads: \(many) s instead of \(few) s")
      }
    }

    /// Pools come and go, however many threads sleep in them or have just begun.
    @Test func poolsEndWithTheirThreads() throws {
      for threads in [2, 3, 16, 96] {
        for rounds in [0, 1, 30] {
          let pool = unsafe try #require(tk_pool_create(threads))
          for _ in 0..<rounds { unsafe tk_pool_run(pool, 50, { _, _ in }, nil) }
          if rounds == 1 { usleep(2000) }
          unsafe tk_pool_destroy(pool)
        }
      }
    }
  }
}
