/// Reads numbers: digits, separators of thousands, points, repeating digits, exponents.
extension Lexer {
  private mutating func digits() -> String {
    let start = index
    while byte().isDigit { index += 1 }
    return String(decoding: bytes[start..<index], as: UTF8.self)
  }

  mutating func number() throws {
    let spaced = isSpaced
    var literal = NumberLiteral(integer: digits(), fraction: nil)
    try budget.spend(literal.integer.utf8.count / 8)
    // In 2^6 345 the exponent is 6.
    let isExponent = lexemes.last?.kind == .sign("^")
    if !literal.integer.isEmpty, literal.integer.utf8.count <= 3, !isExponent {
      while let length = separatorLength(), groupOfThree(after: length) {
        index += length
        literal.integer += digits()
      }
    }
    let isDecimalComma =
      notation.commaIsDecimal && brackets.allSatisfy { $0 == UInt8(ascii: "{") }
      && byte() == UInt8(ascii: ",")
    if byte() == UInt8(ascii: ".") || isDecimalComma, byte(1).isDigit {
      index += 1
      literal.fraction = digits()
      try budget.spend((literal.fraction ?? "").utf8.count / 8)
    } else if byte() == UInt8(ascii: "."),
      followsPoint("/") || followsPoint("(")
        || ["\\overline", "\\bar", "\\dot"].contains(where: followsPoint)
    {
      index += 1
      literal.fraction = ""
    }
    if let fraction = literal.fraction {
      try repeatingDigits(&literal)
      if literal.fraction?.isEmpty != false, fraction.isEmpty, literal.repeating == nil {
        literal.fraction = nil
      }
    }
    exponent(&literal)
    if literal.integer.isEmpty { literal.integer = "0" }
    isSpaced = spaced
    emit(.number(literal))
  }

  /// 4.5e33, but not 2e^x.
  private mutating func exponent(_ literal: inout NumberLiteral) {
    guard byte() == UInt8(ascii: "e") || byte() == UInt8(ascii: "E") else { return }
    var offset = 1
    var sign = ""
    if byte(1) == UInt8(ascii: "-") || byte(1) == UInt8(ascii: "+") {
      offset = 2
      sign = byte(1) == UInt8(ascii: "-") ? "-" : ""
    } else if byte(1) == 0xE2, byte(2) == 0x88, byte(3) == 0x92 {  // the typographic minus
      offset = 4
      sign = "-"
    }
    let first = offset
    while byte(offset).isDigit { offset += 1 }
    guard offset > first, offset - first <= 9, !byte(offset).isLetter, byte(offset) != UInt8(ascii: "^")
    else {
      return
    }
    guard let value = Int(sign + String(decoding: bytes[(index + first)..<(index + offset)], as: UTF8.self))
    else {
      return
    }
    literal.exponent = value
    index += offset
  }

  /// The length of the separator of thousands that stands here; nil when there is none.
  private func separatorLength() -> Int? {
    let isList = (brackets.last { $0 != UInt8(ascii: "{") }) != nil
    if byte() == UInt8(ascii: ",") {
      // ",\!" is typeset thousands.
      var length = 1
      while byte(length) == UInt8(ascii: " "), length < 4 { length += 1 }
      if byte(length) == UInt8(ascii: "\\"), byte(length + 1) == UInt8(ascii: "!") {
        length += 2
        while byte(length) == UInt8(ascii: " ") { length += 1 }
        return length
      }
      length = 1
      if byte(1) == UInt8(ascii: "\\"), byte(2) == UInt8(ascii: "!") {
        length = 3
        while byte(length) == UInt8(ascii: " ") { length += 1 }
        return length
      }
      if byte(1) == UInt8(ascii: "\\"), byte(2) == UInt8(ascii: ","), byte(3).isDigit { return 3 }
      length = 1
      return isList || !notation.commaGroupsThousands ? nil : length
    }
    var length = 0
    while byte(length) == UInt8(ascii: " ") { length += 1 }
    if byte(length) == UInt8(ascii: "{") {
      var inner = length + 1
      while byte(inner) == UInt8(ascii: " ") { inner += 1 }
      if byte(inner) == UInt8(ascii: ",") {
        inner += 1
        while byte(inner) == UInt8(ascii: " ") { inner += 1 }
        if byte(inner) == UInt8(ascii: "}") { return inner + 1 }
      }
    }
    if length == 1 { return 1 }
    if byte() == UInt8(ascii: "\\"), byte(1) == UInt8(ascii: ",") || byte(1) == UInt8(ascii: " ") {
      return 2
    }
    if byte() == 0xC2, byte(1) == 0xA0 { return 2 }
    if byte() == 0xE2, byte(1) == 0x80, byte(2) == 0xAF || byte(2) == 0x89 { return 3 }
    return nil
  }

  private func groupOfThree(after length: Int) -> Bool {
    byte(length).isDigit && byte(length + 1).isDigit && byte(length + 2).isDigit && !byte(length + 3).isDigit
  }
}
