import Foundation
import Synchronization

/// Turns Ctrl-C into a call. A second Ctrl-C before `disarm` ends the program.
final class InterruptHandler: Sendable {
  private struct State {
    var action: (@Sendable () -> Void)?
    var wasCalled = false
  }
  private let state = Mutex(State())
  private let idle: (@Sendable () -> Void)?

  /// - Parameter idle: called at Ctrl-C while no action is armed; the program ends when nil.
  init(idle: (@Sendable () -> Void)? = nil) {
    self.idle = idle
    EndingSignals.handle(SIGINT) { [weak self] in self?.interrupted() }
  }

  deinit { EndingSignals.handle(SIGINT, nil) }

  func arm(_ action: @escaping @Sendable () -> Void) {
    state.withLock { $0 = State(action: action) }
  }

  func disarm() { state.withLock { $0 = State() } }

  private func interrupted() {
    let action = state.withLock { state -> (@Sendable () -> Void)? in
      defer { state.wasCalled = true }
      return state.wasCalled ? nil : state.action
    }
    if let action {
      action()
    } else if let idle, state.withLock({ $0.action == nil }) {
      idle()
    } else {
      Terminal.note("")
      Ending.end(130)
    }
  }
}
