import Foundation
import Sweeping

/// Ends the program with the one that started it, where that asked for it: a run of a sweep must not outlive the sweep.
enum ParentWatch {
  /// Begins to watch standard input, whose other end the parent holds.
  static func begin() {
    guard ProcessInfo.processInfo.environment[ChildProgram.variable] == "1" else { return }
    Thread.detachNewThread {
      var byte: UInt8 = 0
      while true {
        let count = unsafe read(STDIN_FILENO, &byte, 1)
        if count == 0 || count < 0 && errno != EINTR { EndingSignals.end(by: SIGTERM) }
      }
    }
  }
}
