import Foundation
import Synchronization

/// Runs `body` for 0..<count on all cores; it may be called from several threads at once.
///
/// A worker takes the next index when it has finished one, so uneven pieces do no harm. Each worker has a
/// context of its own. The error of the lowest index that failed is thrown when all have stopped.
func inParallel<Context>(
  _ count: Int, context: @Sendable () -> Context, _ body: @Sendable (Int, Context) throws(TinaFault) -> Void
) throws(TinaFault) {
  let workers = max(1, min(count, ProcessInfo.processInfo.activeProcessorCount))
  let next = Atomic<Int>(0)
  let failure = Mutex<(index: Int, fault: TinaFault)?>(nil)
  DispatchQueue.concurrentPerform(iterations: workers) { _ in
    let context = context()
    while true {
      let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
      if index >= count { return }
      do throws(TinaFault) {
        try body(index, context)
      } catch {
        failure.withLock { first in
          if first.map({ index < $0.index }) ?? true { first = (index, error) }
        }
      }
    }
  }
  if let failure = failure.withLock({ $0 }) { throw failure.fault }
}

/// Runs `body` for 0..<count on all cores and collects what it returns, in order.
func inParallel<Context, Result: Sendable>(
  map count: Int, context: @Sendable () -> Context,
  _ body: @Sendable (Int, Context) throws(TinaFault) -> Result
) throws(TinaFault) -> [Result] {
  let results = Mutex<[Result?]>([Result?](repeating: nil, count: count))
  try inParallel(count, context: context) { (index, context) throws(TinaFault) in
    let result = try body(index, context)
    results.withLock { $0[index] = result }
  }
  return results.withLock { $0.compactMap { $0 } }
}

/// Memory for one worker, reused from block to block.
@safe final class Scratch {
  private var base: UnsafeMutableRawPointer?
  private var capacity = 0
  let decoder = Zstandard.Decoder()

  /// At least as many bytes, with 64 bytes more behind them; what was there before is lost.
  func bytes(_ count: Int) -> UnsafeMutableRawBufferPointer {
    if unsafe count > capacity || base == nil {
      unsafe base?.deallocate()
      capacity = count
      unsafe base = UnsafeMutableRawPointer.allocate(byteCount: count + 64, alignment: 64)
    }
    return unsafe UnsafeMutableRawBufferPointer(start: base, count: count)
  }

  deinit { unsafe base?.deallocate() }
}
