import Foundation
import Synchronization

/// Runs `body` for 0..<count on all cores; `body` may be called from several threads at once.
///
/// A worker takes the next index when it has finished one, so uneven pieces do no harm. The first error (by
/// index) is thrown when all have stopped.
func inParallel<Context: ~Copyable>(
  _ count: Int, context: @Sendable () -> Context,
  _ body: @Sendable (Int, borrowing Context) throws -> Void
) throws {
  let workers = max(1, min(count, ProcessInfo.processInfo.activeProcessorCount))
  let next = Atomic<Int>(0)
  let failure = Mutex<(index: Int, error: any Error)?>(nil)
  DispatchQueue.concurrentPerform(iterations: workers) { _ in
    let context = context()
    while true {
      let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
      if index >= count { return }
      do {
        try body(index, context)
      } catch {
        failure.withLock { if $0 == nil || index < $0!.index { $0 = (index, error) } }
        next.store(count, ordering: .relaxed)
      }
    }
  }
  if let failure = failure.withLock({ $0 }) { throw failure.error }
}
