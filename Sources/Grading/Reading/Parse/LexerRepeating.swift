/// Reads decimals without end: 0.1\overline{6}, 0.\dot{1}2\dot{3}, 0.(60), 0.3̅, 0.1666…
extension Lexer {
  /// What repeats behind the digits of a fraction.
  mutating func repeatingDigits(_ literal: inout NumberLiteral) throws {
    for name in ["\\overline", "\\bar"] where starts(with: name) {
      index += name.utf8.count
      literal.repeating = bracedDigits()
      if literal.repeating?.isEmpty != false { throw GradingError.malformed("a line over no digits") }
      return
    }
    if starts(with: "\\dot"), !byte(4).isLetter {
      literal.repeating = dottedDigits()
      if literal.repeating?.isEmpty != false { throw GradingError.malformed("a dot over no digit") }
      return
    }
    if byte() == UInt8(ascii: "("), notation.bracketsRepeat || literal.fraction?.isEmpty == true {
      var end = 1
      while byte(end).isDigit { end += 1 }
      guard end > 1, end <= 40, byte(end) == UInt8(ascii: ")") else { return }
      literal.repeating = String(decoding: bytes[(index + 1)..<(index + end)], as: UTF8.self)
      index += end + 1
      return
    }
    if byte() == 0xCC { return markedDigits(&literal) }
    if let length = ellipsisLength {
      index += length
      if let start = Self.cycle(Array((literal.fraction ?? "").utf8)) {
        let fraction = literal.fraction ?? ""
        literal.repeating = String(fraction.dropFirst(start.prefix).prefix(start.length))
        literal.fraction = String(fraction.prefix(start.prefix))
      } else {
        literal.isTruncated = literal.fraction?.isEmpty == false
      }
    }
  }

  func starts(with text: String, offset: Int = 0) -> Bool {
    let wanted = text.utf8
    guard index + offset + wanted.count <= bytes.count else { return false }
    return bytes[(index + offset)..<(index + offset + wanted.count)].elementsEqual(wanted)
  }

  func followsPoint(_ text: String) -> Bool { starts(with: text, offset: 1) }

  /// The digits in braces, or the next one.
  private mutating func bracedDigits() -> String {
    while byte() == UInt8(ascii: " ") { index += 1 }
    let isBraced = byte() == UInt8(ascii: "{")
    if isBraced { index += 1 }
    let start = index
    while byte().isDigit, isBraced || index == start { index += 1 }
    let digits = String(decoding: bytes[start..<index], as: UTF8.self)
    if isBraced {
      guard byte() == UInt8(ascii: "}") else { return "" }
      index += 1
    }
    return digits
  }

  /// Dots stand over the only repeating digit, over each of them, or over the first and the last.
  private mutating func dottedDigits() -> String {
    var digits = ""
    while starts(with: "\\dot") {
      index += 4
      digits += bracedDigits()
      var end = 0
      while byte(end).isDigit { end += 1 }
      guard end > 0 else { continue }
      guard starts(with: "\\dot", offset: end) else { break }
      digits += String(decoding: bytes[index..<(index + end)], as: UTF8.self)
      index += end
    }
    return digits
  }

  /// Lines or dots that are characters of their own stand behind their digits.
  private mutating func markedDigits(_ literal: inout NumberLiteral) {
    guard [0x84, 0x85, 0x87].contains(byte(1)), var fraction = literal.fraction, !fraction.isEmpty else {
      return
    }
    var repeating = String(fraction.removeLast())
    var plain = ""
    let isDot = byte(1) == 0x87
    index += 2
    while byte().isDigit, repeating.utf8.count < 40 {
      let digit = String(UnicodeScalar(byte()))
      if byte(1) == 0xCC, [0x84, 0x85, 0x87].contains(byte(2)) {
        repeating += plain + digit
        plain = ""
        index += 3
      } else if isDot {
        plain += digit
        index += 1
      } else {
        return
      }
    }
    guard plain.isEmpty else { return }
    literal.fraction = fraction
    literal.repeating = repeating
  }

  private var ellipsisLength: Int? {
    var blanks = 0
    while byte(blanks) == UInt8(ascii: " ") { blanks += 1 }
    if byte(blanks) == UInt8(ascii: "\\"), byte(blanks + 1) == UInt8(ascii: ",") { blanks += 2 }
    for name in ["...", "…", "\\ldots", "\\dots", "\\cdots"] where starts(with: name, offset: blanks) {
      return blanks + name.utf8.count
    }
    return nil
  }

  /// Where the digits of 0.1666… begin to repeat. Two rounds are enough where nothing or one digit stands before
  /// them: the 18281828 of e is no cycle.
  private static func cycle(_ digits: [UInt8]) -> (prefix: Int, length: Int)? {
    guard digits.count >= 2, digits.count <= 100 else { return nil }
    for length in 1...max(1, digits.count / 2) {
      var matching = 0
      while matching < digits.count - length,
        digits[digits.count - 1 - matching] == digits[digits.count - 1 - matching - length]
      {
        matching += 1
      }
      let total = matching + length
      let prefix = digits.count - total
      let rounds = total / length
      let isEnough = rounds >= 3 || rounds == 2 && (prefix == 0 || prefix == 1 && length <= 2)
      if isEnough { return (prefix, length) }
    }
    return nil
  }
}
