/// An http or https address. Ambiguous ones are refused, so that no other program reads another host in it.
package struct WebAddress: Sendable, Equatable {
  /// Whether it begins with https.
  package let isSecure: Bool
  /// In lower case; an IPv6 address with its brackets.
  package let host: String
  /// The port, the scheme's own included.
  package let port: Int
  /// Path and query, beginning with a slash.
  package let path: String

  package var scheme: String { isSecure ? "https" : "http" }
  /// Scheme, host and port, to which a credential belongs.
  package var origin: String { "\(scheme)://\(host):\(port)" }
  package var text: String {
    scheme + "://" + host + (port == (isSecure ? 443 : 80) ? "" : ":\(port)") + path
  }

  /// Reads an absolute address; nil for other schemes, and for addresses with a user's name or a blank.
  package init?(_ text: String) {
    let lower = text.prefix(8).lowercased()
    let rest: Substring
    if lower.hasPrefix("https://") {
      isSecure = true
      rest = text.dropFirst(8)
    } else if lower.hasPrefix("http://") {
      isSecure = false
      rest = text.dropFirst(7)
    } else {
      return nil
    }
    guard text.utf8.count <= 8192,
      text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") })
    else { return nil }
    let end = rest.firstIndex { "/?#".contains($0) } ?? rest.endIndex
    var authority = rest[..<end].lowercased()
    var port: Int?
    let afterBracket = authority.lastIndex(of: "]") ?? authority.startIndex
    if let colon = authority[afterBracket...].lastIndex(of: ":") {
      guard let number = UInt16(authority[authority.index(after: colon)...]), number > 0 else { return nil }
      port = Int(number)
      authority = String(authority[..<colon])
    }
    guard Self.isHost(authority) else { return nil }
    host = authority
    self.port = port ?? (isSecure ? 443 : 80)
    let tail = rest[end...].prefix { $0 != "#" }
    path = tail.hasPrefix("/") ? String(tail) : "/" + tail
  }

  private init(isSecure: Bool, host: String, port: Int, path: String) {
    self.isSecure = isSecure
    self.host = host
    self.port = port
    self.path = path
  }

  private static func isHost(_ text: String) -> Bool {
    if text.hasPrefix("[") {
      return text.hasSuffix("]") && text.count > 3
        && text.dropFirst().dropLast().allSatisfy { $0.isHexDigit || $0 == ":" || $0 == "." }
    }
    return !text.isEmpty && text.utf8.count <= 253 && !text.hasPrefix("-") && !text.hasPrefix(".")
      && text.utf8.allSatisfy {
        switch $0 {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
          UInt8(ascii: "."), UInt8(ascii: "_"):
          true
        default: false
        }
      }
  }

  /// The address that a `Location` in an answer from here names; nil if that is no http or https address.
  package func resolving(_ location: String) -> WebAddress? {
    if location.hasPrefix("//") { return WebAddress(scheme + ":" + location) }
    if location.hasPrefix("/") { return WebAddress(scheme + "://" + authority + location) }
    // A colon before any slash ends a scheme.
    let head = location.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    if head.contains(":") { return WebAddress(location) }
    let folder = path.prefix { $0 != "?" }.split(separator: "/", omittingEmptySubsequences: false).dropLast()
    return WebAddress(scheme + "://" + authority + folder.joined(separator: "/") + "/" + location)
  }

  private var authority: String { host + ":\(port)" }

  /// The same address with more path behind it; the parts are percent-encoded, a slash in them too.
  package func appending(_ parts: [String], query: String = "") -> WebAddress {
    var base = path
    while base.hasSuffix("/") { base.removeLast() }
    for part in parts { base += "/" + Self.encoded(part) }
    return WebAddress(isSecure: isSecure, host: host, port: port, path: base + query)
  }

  /// Percent-encodes everything but RFC 3986's unreserved characters.
  package static func encoded(_ text: String) -> String {
    var out = ""
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"):
        out.unicodeScalars.append(UnicodeScalar(byte))
      default: out += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
      }
    }
    return out
  }
}
