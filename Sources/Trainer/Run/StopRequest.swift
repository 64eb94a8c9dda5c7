import Synchronization

/// Asks a run to end after its current step. A signal handler may call it.
public final class StopRequest: Sendable {
  private let flag = Atomic<Bool>(false)
  /// A request that is not made yet.
  public init() {}
  /// Makes the request.
  public func stop() { flag.store(true, ordering: .relaxed) }
  /// Whether the request was made.
  public var isMade: Bool { flag.load(ordering: .relaxed) }
}
