import Foundation
import Synchronization

/// Waits for SIGTERM or Ctrl-C. The second one ends the program at once.
final class StopSignals: Sendable {
  private let signals: AsyncStream<Void>
  private nonisolated(unsafe) let sources: [any DispatchSourceSignal]

  /// - Parameter onFirst: called at the first signal.
  init(onFirst: @escaping @Sendable () -> Void = {}) {
    let (signals, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    self.signals = signals
    let count = Counter()
    let queue = DispatchQueue(label: "tina signals")
    unsafe sources = [SIGTERM, SIGINT].map { number in
      EndingSignals.leave(number)
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler {
        if count.next() > 1 { EndingSignals.end(by: number) }
        onFirst()
        continuation.yield()
      }
      source.resume()
      return source
    }
  }

  /// Waits for the first signal.
  func wait() async { for await _ in signals { return } }

  /// Stops listening.
  func cancel() { for source in unsafe sources { source.cancel() } }

  private final class Counter: Sendable {
    private let value = Atomic(0)

    func next() -> Int { value.add(1, ordering: .relaxed).newValue }
  }
}
