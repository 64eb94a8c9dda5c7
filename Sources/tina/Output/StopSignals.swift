import Foundation

/// Waits for SIGTERM or Ctrl-C. The second one ends the program at once.
final class StopSignals: Sendable {
  private let signals: AsyncStream<Void>
  private nonisolated(unsafe) let sources: [any DispatchSourceSignal]

  init() {
    let (signals, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    self.signals = signals
    let queue = DispatchQueue(label: "tina signals")
    let isSecond = Flag()
    unsafe sources = [SIGTERM, SIGINT].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler {
        if isSecond.raise() { exit(128 + number) }
        continuation.yield()
      }
      source.resume()
      return source
    }
  }

  func wait() async { for await _ in signals { return } }

  /// Whether it was raised before. One queue alone uses it.
  private final class Flag: @unchecked Sendable {
    private var isRaised = false

    func raise() -> Bool {
      defer { isRaised = true }
      return isRaised
    }
  }
}
