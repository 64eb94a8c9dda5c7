import Support

// Escapes of JSON strings: checked while a text is read, resolved when its value is wanted.
extension JSONReader {
  /// Checks the escape at `start` (a backslash) and returns the offset after it.
  func endOfEscape(_ start: Int) throws(ModelFilesError) -> Int {
    guard start + 1 < bytes.count else {
      throw failure(at: start, found: "the end of the text inside an escape", expected: "a whole escape")
    }
    switch bytes[start + 1] {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
      UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      return start + 2
    case UInt8(ascii: "u"):
      guard let unit = hexadecimal(start + 2) else { break }
      if (0xdc00..<0xe000).contains(unit) {
        throw failure(at: start, found: "a low surrogate alone", expected: "a high surrogate before it")
      }
      guard (0xd800..<0xdc00).contains(unit) else { return start + 6 }
      guard start + 7 < bytes.count, bytes[start + 6] == UInt8(ascii: "\\"),
        bytes[start + 7] == UInt8(ascii: "u"), let low = hexadecimal(start + 8),
        (0xdc00..<0xe000).contains(low)
      else {
        throw failure(at: start, found: "a high surrogate alone", expected: "a low surrogate after it")
      }
      return start + 12
    default: break
    }
    throw failure(
      at: start, found: "an unknown escape",
      expected: "one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX")
  }

  func hexadecimal(_ start: Int) -> UInt32? {
    guard start + 4 <= bytes.count else { return nil }
    var value: UInt32 = 0
    for byte in bytes[start..<start + 4] {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt32(byte - UInt8(ascii: "0"))
      case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt32(byte - UInt8(ascii: "a") + 10)
      case UInt8(ascii: "A")...UInt8(ascii: "F"): value = value << 4 | UInt32(byte - UInt8(ascii: "A") + 10)
      default: return nil
      }
    }
    return value
  }

  /// The bytes of a string or key, escapes resolved: well-formed UTF-8.
  ///
  /// - Parameter text: a result of this reader's ``text()`` or ``nextKey()``.
  public func decodedBytes(_ text: Text) -> [UInt8] {
    guard text.hasEscapes else { return Array(bytes[text.range]) }
    var out: [UInt8] = []
    out.reserveCapacity(text.range.count)
    var i = text.range.lowerBound
    while i < text.range.upperBound {
      guard bytes[i] == UInt8(ascii: "\\") else {
        out.append(bytes[i])
        i += 1
        continue
      }
      i += 2
      switch bytes[i - 1] {
      case UInt8(ascii: "b"): out.append(0x08)
      case UInt8(ascii: "f"): out.append(0x0c)
      case UInt8(ascii: "n"): out.append(0x0a)
      case UInt8(ascii: "r"): out.append(0x0d)
      case UInt8(ascii: "t"): out.append(0x09)
      case UInt8(ascii: "u"):
        var value = hexadecimal(i) ?? 0xfffd
        i += 4
        if (0xd800..<0xdc00).contains(value), let low = hexadecimal(i + 2) {
          value = 0x10000 + (value - 0xd800) << 10 + (low - 0xdc00)
          i += 6
        }
        out.append(contentsOf: String(UnicodeScalar(value) ?? "\u{fffd}").utf8)
      default: out.append(bytes[i - 1])
      }
    }
    return out
  }

  /// A string or key, escapes resolved.
  public func decoded(_ text: Text) -> String {
    text.hasEscapes
      ? String(decoding: decodedBytes(text), as: UTF8.self)
      : String(decoding: bytes[text.range], as: UTF8.self)
  }
}
