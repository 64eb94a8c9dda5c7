import Foundation
import Judging
import Support
import TerminalChat

/// Signals that end the program: temporary files and folders go first. A command may give one another meaning.
enum EndingSignals {
  private static let queue = DispatchQueue(label: "tina signals")
  private static let state = Locked(State())

  private struct State: Sendable {
    var sources: [Int32: Held] = [:]
    var handlers: [Int32: @Sendable () -> Void] = [:]
  }

  // One source for each signal, for ever: a second one would get nothing while the first is being cancelled.
  private struct Held: @unchecked Sendable { let source: any DispatchSourceSignal }

  /// Begins to listen.
  static func prepare() {
    // A signal that whoever started the program switched off stays so, as with nohup.
    for number in [SIGINT, SIGTERM, SIGHUP] where !isIgnored(number) { listen(number) }
  }

  /// Calls `handler` at a signal instead of ending; nil ends the program again.
  static func handle(_ number: Int32, _ handler: (@Sendable () -> Void)?) {
    state.withLock { $0.handlers[number] = handler }
    listen(number)
  }

  private static func listen(_ number: Int32) {
    state.withLock { state in
      guard state.sources[number] == nil else { return }
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler { received(number) }
      source.resume()
      state.sources[number] = Held(source: source)
    }
  }

  private static func received(_ number: Int32) {
    if let handler = state.withLock({ $0.handlers[number] }) { handler() } else { end(by: number) }
  }

  private static func isIgnored(_ number: Int32) -> Bool {
    var action = sigaction()
    guard unsafe sigaction(number, nil, &action) == 0 else { return false }
    #if canImport(Darwin)
      return unsafe unsafeBitCast(action.__sigaction_u.__sa_handler, to: Int.self) == 1
    #else
      return unsafe unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
    #endif
  }

  /// Ends as the signal would have ended the program.
  static func end(by number: Int32) -> Never {
    QuietTerminal.end()
    TemporaryPaths.removeAll()
    RunningChildren.killAll()
    _ = MessageLog.standardError.finish()
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe sigaddset(&signals, number)
    signal(number, SIG_DFL)
    unsafe pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    raise(number)
    _exit(128 + number)
  }
}
