import Support

/// The beginning of an answer: its status and the lines of its header.
struct HTTPHead: Sendable {
  var status = 0
  var fields: [(name: String, value: String)] = []

  /// The first value of a field; names are compared without case.
  subscript(name: String) -> String? {
    let name = name.lowercased()
    return fields.first { $0.name == name }?.value
  }

  var isRedirect: Bool { [301, 302, 303, 307, 308].contains(status) && self["location"] != nil }

  /// The body's length; nil if the server tells none, or a malformed one.
  var contentLength: Int? { self["content-length"].flatMap { Int($0) }.flatMap { $0 >= 0 ? $0 : nil } }

  /// Where the part of a 206 answer begins, and how long the whole is.
  var contentRange: (start: Int, total: Int?)? {
    guard let text = self["content-range"], text.lowercased().hasPrefix("bytes "),
      let dash = text.firstIndex(of: "-"), let slash = text.lastIndex(of: "/"),
      let start = Int(text[text.index(text.startIndex, offsetBy: 6)..<dash]), start >= 0
    else { return nil }
    return (start, Int(text[text.index(after: slash)...]))
  }

  /// Takes the next line of a header; returns true for the last line of the answer's header.
  mutating func take(_ line: String) -> Bool {
    // No field that is read has such a value.
    guard line.longMarkRun == nil else { return false }
    let text = line.trimmingASCIIBlanks()
    if text.hasPrefix("HTTP/") {
      // A new answer begins; an interim one, such as 100, may have come before it.
      self = HTTPHead()
      status = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    } else if text.isEmpty {
      return status >= 200
    } else if let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")) {
      let value = String(text[text.utf8.index(after: colon)...]).trimmingASCIIBlanks()
      fields.append((text[..<colon].lowercased(), value))
    }
    return false
  }
}

extension String {
  /// Without blanks and line ends around it.
  func trimmingASCIIBlanks() -> String {
    let isBlank = { (byte: UInt8) in byte == 0x20 || byte == 0x09 || byte == 0x0D || byte == 0x0A }
    guard let first = utf8.firstIndex(where: { !isBlank($0) }),
      let last = utf8.lastIndex(where: { !isBlank($0) })
    else { return "" }
    return String(self[first...last])
  }
}
