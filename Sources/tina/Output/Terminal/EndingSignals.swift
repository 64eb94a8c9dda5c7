import Foundation
import Judging
import Support
import TerminalChat

/// Where the handler of a signal writes its number; a byte each.
private nonisolated(unsafe) var signalPipe: Int32 = -1

/// Signals that end the program: temporary files and folders go first. A command may give one another meaning.
///
/// A handler writes to a pipe, and a thread reads it. Sources of Dispatch lose a signal now and then: it is ignored
/// until the source is registered, and is pending for one thread alone while it is handed on.
enum EndingSignals {
  private static let state = Locked(State())

  private struct State: Sendable {
    var heard: Set<Int32> = []
    var handlers: [Int32: @Sendable () -> Void] = [:]
  }

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
      guard state.heard.insert(number).inserted else { return }
      if unsafe signalPipe < 0 { openPipe() }
      // Without a pipe a signal does what it does to any program.
      guard unsafe signalPipe >= 0 else { return }
      signal(number) { number in
        let before = errno
        var byte = UInt8(truncatingIfNeeded: number)
        _ = unsafe write(signalPipe, &byte, 1)
        errno = before
      }
    }
  }

  private static func openPipe() {
    var ends: [Int32] = [-1, -1]
    guard unsafe pipe(&ends) == 0 else { return }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    // A full pipe must not keep a handler: whoever reads it has enough to do.
    _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
    unsafe signalPipe = ends[1]
    let reading = ends[0]
    Thread.detachNewThread {
      var byte: UInt8 = 0
      while true {
        let count = unsafe read(reading, &byte, 1)
        if count == 1 { received(Int32(byte)) } else if count == 0 || errno != EINTR { return }
      }
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
