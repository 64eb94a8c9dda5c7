import Foundation

/// Results could not be written.
package struct OutputFailure: Error, CustomStringConvertible {
  /// What the results were written to.
  package let place: String
  /// The number of the system's error.
  package let code: Int32

  package init(place: String = "standard output", code: Int32) {
    self.place = place
    self.code = code
  }

  /// Whether the reader has enough: no failure, but a reason to end.
  package var isClosedPipe: Bool { code == EPIPE }

  package var description: String {
    let advice =
      switch code {
      case ENOSPC, EDQUOT, EFBIG: "Make room, or write to another place"
      case EBADF: "Open it, or send it to /dev/null"
      default: "Write to another place"
      }
    return
      "\(place): found \(systemErrorText(code)); expected to write results. \(advice): they are not whole."
  }
}

/// The files that every process begins with.
package enum StandardFiles {
  /// Makes a process safe to write: a file that is closed stays out of the way of others, and a closed pipe or a full
  /// disk is an error of the call instead of a signal.
  package static func prepare() {
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(descriptor, F_GETFD) < 0 {
      // Else the next file that is opened would get this number, and messages. The wrong direction keeps it useless.
      let direction = descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY
      let taken = unsafe open("/dev/null", direction)
      if taken >= 0, taken != descriptor {
        dup2(taken, descriptor)
        _ = Foundation.close(taken)
      }
    }
  }

  /// Writes results to standard output, and waits for a reader as long as it takes.
  package static func write(_ text: String) throws(OutputFailure) {
    let bytes = Array(text.utf8)
    var done = 0
    while done < bytes.count {
      let code = writeSome(bytes, &done, to: STDOUT_FILENO)
      if code == 0 { continue }
      guard code == EAGAIN, waitForRoom(STDOUT_FILENO) else { throw OutputFailure(code: code) }
    }
  }

  /// Closes standard output. Some file systems tell only now that a write failed.
  package static func close(_ hasResults: Bool) throws(OutputFailure) {
    var code: Int32 = 0
    if fflush(nil) != 0 { code = errno }
    if Foundation.close(STDOUT_FILENO) != 0, code == 0 { code = errno }
    // What was never open can't lose anything.
    if code != 0, hasResults || code != EBADF { throw OutputFailure(code: code) }
  }
}
