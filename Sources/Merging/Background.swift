import Dispatch

/// Begins work that takes long, on a thread of its own: the few that serve all tasks would otherwise wait for it.
func inBackground<T: Sendable>(_ work: @escaping @Sendable () throws -> T) -> Task<T, any Error> {
  Task {
    try await withCheckedThrowingContinuation { continuation in
      DispatchQueue(label: "tina merge").async { continuation.resume(with: Result { try work() }) }
    }
  }
}
