import CChild
import Foundation
import Support

/// The children of this process that run. None outlives it: whoever ends the process ends them first, and on Linux the
/// system does where nobody could.
package enum RunningChildren {
  private struct State: Sendable {
    var running: Set<pid_t> = []
    var isEnding = false
  }
  private static let state = Locked(State())

  /// Starts a program. Does not return once the process is ending: nothing new may begin then.
  ///
  /// - Returns: the child, or the number of the system's error.
  static func start(_ program: String, _ arguments: [String]) -> (child: ch_child, code: Int32) {
    while true {
      let started: (ch_child, Int32)? = state.withLock { state in
        guard !state.isEnding else { return nil }
        var child = ch_child()
        let code = unsafe withPointers(arguments) { pointers in
          unsafe ch_start(program, pointers, &child)
        }
        if code == 0 { state.running.insert(child.process) }
        return (child, code)
      }
      if let started { return started }
      sleep(1)
    }
  }

  /// Kills a child and its group, if it still runs. Its owner waits for it.
  static func kill(_ process: pid_t) {
    state.withLock { state in
      if state.running.contains(process) { _ = Foundation.kill(-process, SIGKILL) }
    }
  }

  /// Kills what is left of a child and its group, and waits for it.
  ///
  /// - Returns: as `ch_end`.
  static func end(_ process: pid_t) -> Int32 {
    // Within the lock: afterwards the number may be another process's.
    state.withLock { state in
      state.running.remove(process)
      return ch_end(process)
    }
  }

  /// Kills all children, shortly before the process ends.
  package static func killAll() {
    state.withLock { state in
      state.isEnding = true
      for process in state.running { _ = Foundation.kill(-process, SIGKILL) }
    }
  }

  /// Lends texts to C, with a null behind them.
  private static func withPointers(
    _ texts: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Int32
  ) -> Int32 {
    var pointers = unsafe texts.map { unsafe strdup($0) }
    unsafe pointers.append(nil)
    defer { for i in 0..<texts.count { unsafe free(pointers[i]) } }
    return unsafe pointers.withUnsafeBufferPointer { buffer in
      guard let start = buffer.baseAddress else { return ENOMEM }
      return unsafe body(start)
    }
  }
}
