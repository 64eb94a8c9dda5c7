import Foundation

/// Writes to the terminal, or to pipes in its place.
enum Terminal {
  static let inputIsTerminal = isatty(STDIN_FILENO) == 1
  static let outputIsTerminal = isatty(STDOUT_FILENO) == 1
  static let errorIsTerminal = isatty(STDERR_FILENO) == 1

  /// Whether output has colours: on a terminal, unless its user switched them off (https://no-color.org).
  static let usesColour =
    outputIsTerminal && (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty
    && ProcessInfo.processInfo.environment["TERM"] != "dumb"

  static func dimmed(_ text: String) -> String { usesColour ? "\u{1B}[2m\(text)\u{1B}[22m" : text }
  static func bold(_ text: String) -> String { usesColour ? "\u{1B}[1m\(text)\u{1B}[22m" : text }

  /// Writes text to standard output at once.
  static func write(_ text: String) { writeAll(text, to: STDOUT_FILENO) }

  static func writeLine(_ text: String) { write(text + "\n") }

  /// Writes a line to standard error.
  static func note(_ text: String) { writeAll(text + "\n", to: STDERR_FILENO) }

  /// Shows progress in place on a terminal; nothing elsewhere. An empty text wipes it.
  static func progress(_ text: String) {
    if errorIsTerminal { writeAll("\r\u{1B}[2K" + text, to: STDERR_FILENO) }
  }

  private static func writeAll(_ text: String, to file: Int32) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let written = unsafe bytes.withUnsafeBytes { unsafe Foundation.write(file, $0.baseAddress, $0.count) }
      if written < 0 {
        if errno == EINTR { continue }
        // The reader has closed the pipe.
        exit(file == STDOUT_FILENO ? 1 : 0)
      }
      bytes = bytes.dropFirst(written)
    }
  }
}
