import Foundation
import Synchronization

/// Waits for SIGTERM or Ctrl-C. The second one ends the program at once.
final class StopSignals: Sendable {
  private let signals: AsyncStream<Void>

  /// - Parameter onFirst: called at the first signal.
  init(onFirst: @escaping @Sendable () -> Void = {}) {
    let (signals, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    self.signals = signals
    let count = Counter()
    for number in [SIGTERM, SIGINT] {
      EndingSignals.handle(number) {
        if count.next() > 1 { EndingSignals.end(by: number) }
        onFirst()
        continuation.yield()
      }
    }
  }

  /// Waits for the first signal.
  func wait() async { for await _ in signals { return } }

  /// Stops listening: signals end the program again.
  func cancel() { for number in [SIGTERM, SIGINT] { EndingSignals.handle(number, nil) } }

  private final class Counter: Sendable {
    private let value = Atomic(0)

    func next() -> Int { value.add(1, ordering: .relaxed).newValue }
  }
}
