import Foundation

/// The messages that were typed, one a line, in a file that only its owner reads.
///
/// A line holds `\n` and `\\` for line ends and backslashes. Programs that run at the same time share the file.
package struct HistoryFile: Sendable {
  package let path: String
  /// So many messages, and bytes of them, are kept.
  static let entryLimit = 1000
  static let byteLimit = 1 << 20

  package init(path: String) { self.path = path }

  /// `tina/history` in the user's folder for such files; nil where there is no home.
  package init?(environment: [String: String] = ProcessInfo.processInfo.environment) {
    if let state = environment["XDG_STATE_HOME"], state.hasPrefix("/") {
      self.init(path: state + "/tina/history")
    } else if let home = environment["HOME"], home.hasPrefix("/") {
      self.init(path: home + "/.local/state/tina/history")
    } else {
      return nil
    }
  }

  /// The messages, the oldest first; none if the file can't be read. A file that has grown is cut to the newest.
  package func load() -> [String] {
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: path)) else { return [] }
    let lines = data.split(separator: UInt8(ascii: "\n"))
    var kept: [Data] = []
    var bytes = 0
    for line in lines.reversed() {
      bytes += line.count + 1
      if kept.count == Self.entryLimit || bytes > Self.byteLimit { break }
      kept.append(line)
    }
    kept.reverse()
    // Twice the limit before a file is written anew, so that this is rare.
    if lines.count > 2 * Self.entryLimit || data.count > 2 * Self.byteLimit { rewrite(kept) }
    return kept.map { Self.unescaped(String(decoding: $0, as: UTF8.self)) }
  }

  /// Appends a message. A history that can't be written is no reason to stop a conversation.
  package func append(_ message: String) {
    let line = Self.escaped(message) + "\n"
    guard line.utf8.count <= Self.byteLimit else { return }
    makeFolder()
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    fchmod(descriptor, 0o600)
    // In one write, so that lines of two programs do not mix.
    let bytes = Array(line.utf8)
    _ = unsafe bytes.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
  }

  private func makeFolder() {
    try? FileManager.default.createDirectory(
      atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true,
      attributes: [.posixPermissions: 0o700])
  }

  private func rewrite(_ lines: [Data]) {
    let new = "\(path).\(getpid()).tmp"
    let descriptor = unsafe open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { return }
    let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    do {
      try handle.write(contentsOf: Data(lines.flatMap { $0 + [UInt8(ascii: "\n")] }))
      try handle.close()
      guard unsafe rename(new, path) == 0 else { throw CocoaError(.fileWriteUnknown) }
    } catch {
      unsafe unlink(new)
    }
  }

  static func escaped(_ text: String) -> String {
    text.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\n", with: "\\n")
      .replacingOccurrences(of: "\r", with: "")
  }

  static func unescaped(_ line: String) -> String {
    var result = ""
    var isEscaped = false
    for scalar in line.unicodeScalars {
      if isEscaped {
        result.unicodeScalars.append(scalar == "n" ? "\n" : scalar)
        isEscaped = false
      } else if scalar == "\\" {
        isEscaped = true
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
