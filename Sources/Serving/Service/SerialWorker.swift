import Dispatch

/// A thread for work that takes long and blocks, one piece after another: it must not hold up Swift's own threads,
/// on which everybody's tokens travel.
struct SerialWorker: Sendable {
  private let queue: DispatchQueue

  init(_ name: String) { queue = DispatchQueue(label: name) }

  func run<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
    try await withCheckedThrowingContinuation { continuation in
      queue.async { continuation.resume(with: Result { try body() }) }
    }
  }
}
