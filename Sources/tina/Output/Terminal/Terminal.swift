import Foundation
import Support

/// Writes to the terminal, or to pipes in its place.
///
/// Results go to standard output, and a failure to write them is an error. Messages go to standard error, and never
/// stop or hold up the command.
enum Terminal {
  static let inputIsTerminal = isatty(STDIN_FILENO) == 1
  static let outputIsTerminal = isatty(STDOUT_FILENO) == 1
  static let errorIsTerminal = isatty(STDERR_FILENO) == 1

  /// Whether the terminal understands no sequences, or says nothing of itself.
  static let isDumb = ["dumb", "", nil].contains(ProcessInfo.processInfo.environment["TERM"])

  /// Whether output has colours: on a terminal, unless its user switched them off (https://no-color.org).
  static let usesColour =
    outputIsTerminal && (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty
    && !isDumb

  enum Style {
    case plain, dimmed, bold
  }

  private static let hasWritten = Locked(false)

  /// Whether this process has written results.
  static var hasResults: Bool { hasWritten.withLock { $0 } }

  /// Writes text at once: exactly as it is into files and pipes, and so that it can't steer a terminal.
  static func write(_ text: String, _ style: Style = .plain) throws {
    hasWritten.withLock { $0 = true }
    let shown = outputIsTerminal ? visible(text, keepsDirections: true) : text
    try StandardFiles.write(styled(shown, style))
  }

  /// Writes a line of data, such as JSON.
  static func writeData(_ line: String) throws { try write(line + "\n") }

  /// Writes a line for people, in which names from files can't steer a terminal, even one behind a pipe.
  static func writeLine(_ text: String) throws { try write(visible(text) + "\n") }

  private static func styled(_ text: String, _ style: Style) -> String {
    guard usesColour else { return text }
    return switch style {
    case .plain: text
    case .dimmed: "\u{1B}[2m\(text)\u{1B}[22m"
    case .bold: "\u{1B}[1m\(text)\u{1B}[22m"
    }
  }

  /// Writes a line to standard error.
  static func note(_ text: String, _ style: Style = .plain) {
    MessageLog.standardError.write(styled(visible(text), style) + "\n")
  }

  /// Writes a line of a log to standard error, and returns before it is there.
  static func record(_ line: String) { MessageLog.standardError.write(visible(line) + "\n", .record) }

  /// Shows progress in place on a terminal; nothing elsewhere. An empty text wipes it.
  static func progress(_ text: String) {
    guard errorIsTerminal else { return }
    MessageLog.standardError.write("\r\u{1B}[2K" + visible(text), text.isEmpty ? .note : .progress)
  }
}
