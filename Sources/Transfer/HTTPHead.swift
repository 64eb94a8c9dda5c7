import Foundation
import Support

/// The beginning of an answer: its status and the lines of its header.
package struct HTTPHead: Sendable {
  /// The status; 0 before the first line.
  package var status = 0
  /// The fields in their order, names in lower case.
  package var fields: [(name: String, value: String)] = []

  /// A header; an answer of which nothing has come yet unless given.
  package init(status: Int = 0, fields: [(name: String, value: String)] = []) {
    self.status = status
    self.fields = fields
  }

  /// The first value of a field; names are compared without case.
  package subscript(name: String) -> String? {
    let name = name.lowercased()
    return fields.first { $0.name == name }?.value
  }

  /// Whether it names another address.
  package var isRedirect: Bool { [301, 302, 303, 307, 308].contains(status) && self["location"] != nil }

  /// The body's length; nil if the server tells none, or a malformed one.
  package var contentLength: Int? {
    self["content-length"].flatMap { Int($0) }.flatMap { $0 >= 0 ? $0 : nil }
  }

  /// Where the part of a 206 answer begins, and how long the whole is.
  package var contentRange: (start: Int, total: Int?)? {
    guard let text = self["content-range"], text.lowercased().hasPrefix("bytes "),
      let dash = text.firstIndex(of: "-"), let slash = text.lastIndex(of: "/"),
      let start = Int(text[text.index(text.startIndex, offsetBy: 6)..<dash]), start >= 0
    else { return nil }
    return (start, Int(text[text.index(after: slash)...]))
  }

  /// Seconds that the server asks to wait: `Retry-After` in seconds or as a date; nil if it asks for nothing.
  package var retryAfter: Double? {
    guard let text = self["retry-after"] else { return nil }
    if let seconds = Double(text), seconds.isFinite { return max(seconds, 0) }
    let format = DateFormatter()
    format.locale = Locale(identifier: "en_US_POSIX")
    format.timeZone = TimeZone(identifier: "GMT")
    format.dateFormat = "EEE, dd MMM yyyy HH:mm:ss zzz"
    return format.date(from: text).map { max($0.timeIntervalSinceNow, 0) }
  }

  /// Takes the next line of a header; returns true for the last line of the answer's header.
  package mutating func take(_ line: String) -> Bool {
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
