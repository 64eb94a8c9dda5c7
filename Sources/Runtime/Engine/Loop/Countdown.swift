import Support

/// Counts steps from any thread and tells which is the last.
final class Countdown: Sendable {
  private let left: Locked<Int>

  init(_ count: Int) { left = Locked(count) }

  /// Counts a step; true for the last.
  func step() -> Bool {
    left.withLock { left in
      left -= 1
      return left == 0
    }
  }
}
