import Dispatch
import Synchronization

/// Work that takes long, on a queue of its own: the few threads that serve all tasks are busy merging, so that a task
/// would begin late.
final class Background<Value: Sendable>: Sendable {
  private let result = Mutex<Result<Value, any Error>?>(nil)
  private let done = DispatchGroup()

  /// Begins the work as soon as the queue comes to it.
  init(on queue: DispatchQueue, _ work: @escaping @Sendable () throws -> Value) {
    queue.async(group: done) { [self] in
      let found = Result { try work() }
      result.withLock { $0 = found }
    }
  }

  /// What comes of it, once it is done.
  var value: Value {
    get async throws {
      await withCheckedContinuation { continuation in
        done.notify(queue: .global()) { continuation.resume() }
      }
      guard let found = result.withLock({ $0 }) else { preconditionFailure("work that is done has a result") }
      return try found.get()
    }
  }
}
