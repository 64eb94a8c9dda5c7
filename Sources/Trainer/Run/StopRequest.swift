import Synchronization

/// A request to end a run after the step that it is in; a signal's handler may make it.
public final class StopRequest: Sendable {
  private let flag = Atomic<Bool>(false)
  /// A request that nobody has made yet.
  public init() {}
  /// Makes it.
  public func stop() { flag.store(true, ordering: .relaxed) }
  /// Whether it was made.
  public var isMade: Bool { flag.load(ordering: .relaxed) }
}
