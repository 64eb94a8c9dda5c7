import Foundation
import Synchronization

/// Runs `body` for 0..<count on all cores, from several threads at once.
///
/// A worker takes the next index when it has finished one, so that uneven pieces do no harm. Each worker has its own
/// context. When all workers have stopped, the error of the lowest failed index is thrown.
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
