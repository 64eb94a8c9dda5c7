import Dispatch
import Synchronization

/// Work that takes long, on a thread of its own: the few threads that serve all tasks are busy merging.
final class Background<Value: Sendable>: Sendable {
  private let work: @Sendable () throws -> Value
  private let result = Mutex<Result<Value, any Error>?>(nil)
  private let isBegun = Atomic(false)
  private let done = DispatchGroup()

  init(_ work: @escaping @Sendable () throws -> Value) { self.work = work }

  /// Begins it, unless it is begun.
  func begin() {
    guard !isBegun.exchange(true, ordering: .relaxed) else { return }
    DispatchQueue(label: "tina merge background").async(group: done) { [self] in
      let found = Result { try work() }
      result.withLock { $0 = found }
    }
  }

  /// What comes of it, once it is done; begins it at the latest.
  var value: Value {
    get async throws {
      begin()
      await withCheckedContinuation { continuation in
        done.notify(queue: DispatchQueue(label: "tina merge done")) { continuation.resume() }
      }
      guard let found = result.withLock({ $0 }) else { throw CancellationError() }
      return try found.get()
    }
  }
}
