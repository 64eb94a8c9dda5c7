import Dispatch
import Synchronization

/// A thread for long, blocking work, one piece after another: such work must not hold up Swift's own threads.
package struct SerialWorker: Sendable {
  private let queue: DispatchQueue

  /// - Parameter name: the thread's name for debuggers.
  package init(_ name: String) { queue = DispatchQueue(label: name) }

  /// Starts work and returns at once. The work starts even while Swift's own threads are all busy.
  package func start<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) -> RunningWork<Value> {
    let running = RunningWork<Value>()
    queue.async(group: running.done) {
      let result = Result { try work() }
      running.result.withLock { $0 = result }
    }
    return running
  }

  /// Does work and waits for it.
  package func run<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await start(work).value
  }
}

/// Asks work on other threads to end early.
package final class StopFlag: Sendable {
  private let flag = Atomic(false)
  private let outer: StopFlag?

  /// - Parameter outer: a request that counts for this work too.
  package init(within outer: StopFlag? = nil) { self.outer = outer }

  /// Whether the work should end.
  package var isSet: Bool { flag.load(ordering: .relaxed) || outer?.isSet == true }
  package func set() { flag.store(true, ordering: .relaxed) }
}

/// Work that a ``SerialWorker`` does.
package final class RunningWork<Value: Sendable>: Sendable {
  fileprivate let result = Mutex<Result<Value, any Error>?>(nil)
  fileprivate let done = DispatchGroup()

  /// What the work returns or throws, once it is done.
  package var value: Value {
    get async throws {
      await withCheckedContinuation { continuation in
        done.notify(queue: .global()) { continuation.resume() }
      }
      guard let result = result.withLock({ $0 }) else { preconditionFailure("work ended without a result") }
      return try result.get()
    }
  }

  /// Waits for the end, whatever comes of it: no thread may outlive an error.
  package func join() async { _ = try? await value }
}
