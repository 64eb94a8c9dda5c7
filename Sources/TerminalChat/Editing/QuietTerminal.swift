import Foundation
import Support

/// The terminal while a conversation has it: what is typed is not shown by itself and comes at once, and pasted texts
/// are marked.
package enum QuietTerminal {
  private struct Before: @unchecked Sendable {
    var settings: termios
    var output: Int32
  }
  private static let before = Locked<Before?>(nil)

  /// Notes how the terminal of standard input is. `output` is a descriptor to write to it.
  static func note(output: Int32) {
    var settings = termios()
    guard unsafe tcgetattr(STDIN_FILENO, &settings) == 0 else { return }
    before.withLock { $0 = Before(settings: settings, output: output) }
  }

  /// Begins.
  static func begin() {
    guard let before = before.withLock({ $0 }) else { return }
    var settings = before.settings
    settings.c_lflag &= ~tcflag_t(ICANON | ECHO | ECHONL)
    _ = unsafe tcsetattr(STDIN_FILENO, TCSANOW, &settings)
    mark(true, before.output)
  }

  /// Gives the terminal back as it was. Whoever ends the program calls this, whatever it did.
  package static func end() {
    guard var before = before.withLock({ before in (before, before = nil).0 }) else { return }
    mark(false, before.output)
    // A program in the background would be stopped here.
    signal(SIGTTOU, SIG_IGN)
    _ = unsafe tcsetattr(STDIN_FILENO, TCSANOW, &before.settings)
  }

  /// Asks for the marks again, after another program had the terminal.
  static func remind() {
    if let before = before.withLock({ $0 }) { mark(true, before.output) }
  }

  /// Switches the marks around pasted texts on or off.
  private static func mark(_ isOn: Bool, _ output: Int32) {
    let bytes = Array("\u{1B}[?2004\(isOn ? "h" : "l")".utf8)
    _ = unsafe bytes.withUnsafeBytes { unsafe write(output, $0.baseAddress, $0.count) }
  }
}
