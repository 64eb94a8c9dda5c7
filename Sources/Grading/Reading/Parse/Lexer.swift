import Foundation

/// Splits LaTeX and plain mathematics into lexemes.
struct Lexer {
  let bytes: [UInt8]
  var index = 0
  let budget: Budget
  let notation: Notation
  var lexemes: [Lexeme] = []
  var isSpaced = false
  /// The open brackets. A comma in `(`, `[` or `\{` separates items; in `{`, what is around it decides.
  var brackets: [UInt8] = []
  /// How deeply this lexer is nested in others, which call it for \text{…} and for characters outside ASCII.
  let depth: Int

  static func lexemes(of bytes: [UInt8], _ budget: Budget, _ notation: Notation) throws -> [Lexeme] {
    var lexer = Lexer(bytes, budget, notation, depth: 0)
    try lexer.run()
    return lexer.lexemes
  }

  init(_ bytes: [UInt8], _ budget: Budget, _ notation: Notation, depth: Int) {
    self.bytes = bytes
    self.budget = budget
    self.notation = notation
    self.depth = depth
  }

  func byte(_ offset: Int = 0) -> UInt8 {
    let place = index + offset
    return place < bytes.count ? bytes[place] : 0
  }

  mutating func emit(_ kind: Lexeme.Kind) {
    lexemes.append(Lexeme(kind: kind, isSpaced: isSpaced))
    isSpaced = false
  }

  mutating func run() throws {
    while index < bytes.count {
      try budget.spend()
      let c = bytes[index]
      switch c {
      case UInt8(ascii: " "), 9, 10, 13, UInt8(ascii: "~"):
        index += 1
        isSpaced = true
      case UInt8(ascii: "$"):
        if isMoney { emit(.currency("USD")) } else { isSpaced = true }
        index += 1
      case UInt8(ascii: "0")...UInt8(ascii: "9"): try number()
      case UInt8(ascii: ".") where byte(1).isDigit: try number()
      case UInt8(ascii: "\"") where isInchMark:
        index += 1
        emit(.sign("'"))
        emit(.sign("'"))
      case UInt8(ascii: "."), UInt8(ascii: "\""), UInt8(ascii: "`"):
        // A full stop at the end, or a quotation mark.
        if c == UInt8(ascii: "."), byte(1).isLetter, byte(1) != UInt8(ascii: " ") {
          throw GradingError.malformed("a full stop inside")
        }
        index += 1
        isSpaced = true
      case UInt8(ascii: "\\"): try command()
      case _ where c.isLetter: word()
      case _ where c >= 0x80: try nonASCII()
      default: try signOrBracket(c)
      }
    }
  }

  mutating func signOrBracket(_ c: UInt8) throws {
    switch c {
    case UInt8(ascii: "{") where byte(1) == UInt8(ascii: ":") && byte(2) == UInt8(ascii: "}"):
      // 12{:}30
      index += 3
      emit(.sign(":"))
      return
    case UInt8(ascii: "("), UInt8(ascii: "["), UInt8(ascii: "{"): brackets.append(c)
    case UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: "}"): _ = brackets.popLast()
    case UInt8(ascii: "*") where byte(1) == c:
      // 2**3, but **bold** is no mathematics.
      index += 2
      if lexemes.isEmpty || index >= bytes.count { return }
      emit(.sign("^"))
      return
    case UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "!"), UInt8(ascii: "="):
      if byte(1) == UInt8(ascii: "=") {
        index += 2
        switch c {
        case UInt8(ascii: "<"): emit(.command("le"))
        case UInt8(ascii: ">"): emit(.command("ge"))
        case UInt8(ascii: "!"): emit(.command("ne"))
        default: emit(.sign("="))
        }
        return
      }
    case UInt8(ascii: "-") where byte(1) == UInt8(ascii: ">"):
      index += 2
      emit(.command("to"))
      return
    case UInt8(ascii: "+") where byte(1) == UInt8(ascii: "-"):
      index += 2
      emit(.command("pm"))
      return
    default: break
    }
    index += 1
    emit(.sign(Unicode.Scalar(c)))
  }

  /// Whether the dollar sign here is the only one, before digits: money, and no beginning of a formula.
  private var isMoney: Bool {
    byte(1).isDigit && bytes.firstIndex(of: UInt8(ascii: "$")) == index
      && bytes.lastIndex(of: UInt8(ascii: "$")) == index
  }

  /// 5'6" and 30°15'20"
  private var isInchMark: Bool {
    guard lexemes.count >= 2, case .number = lexemes[lexemes.count - 1].kind else { return false }
    let before = lexemes[lexemes.count - 2].kind
    return before == .sign("'") || before == .command("prime")
  }

  // MARK: Words

  mutating func word() {
    let start = index
    while byte().isLetter { index += 1 }
    // p.m.
    if index == start + 1, byte() == UInt8(ascii: "."), byte(1) | 0x20 == UInt8(ascii: "m"),
      !byte(2).isLetter,
      [UInt8(ascii: "a"), UInt8(ascii: "p")].contains(bytes[start] | 0x20)
    {
      emit(.text(bytes[start] | 0x20 == UInt8(ascii: "a") ? "am" : "pm"))
      index += byte(2) == UInt8(ascii: ".") ? 3 : 2
      return
    }
    let ascii = index
    while let length = letterLength { index += length }
    let text = String(decoding: bytes[start..<index], as: UTF8.self)
    if index > ascii {
      emit(.word(text))
      return
    }
    // Python's way of naming functions: np.arcsin(x).
    if ["np", "math", "sympy", "sp"].contains(text), byte() == UInt8(ascii: "."), byte(1).isLetter {
      index += 1
      return
    }
    emit(.word(text))
  }

  mutating func nonASCII() throws {
    var length = 1
    while byte(length) & 0xC0 == 0x80 { length += 1 }
    let text = String(decoding: bytes[index..<index + length], as: UTF8.self)
    index += length
    guard let scalar = text.unicodeScalars.first else { return }
    if UnitTable.currencySigns.contains(text) {
      emit(.currency(text))
    } else if scalar == "℃" || scalar == "℉" {
      emit(.text(text))
    } else if scalar == "¢" {
      emit(.text("cents"))
    } else if let replacement = Unicode.replacements[scalar] {
      var inner = Lexer(Array(replacement.utf8), budget, notation, depth: depth + 1)
      try inner.run()
      for (position, lexeme) in inner.lexemes.enumerated() {
        lexemes.append(Lexeme(kind: lexeme.kind, isSpaced: position == 0 ? isSpaced : lexeme.isSpaced))
      }
      isSpaced = replacement == " "
    } else if scalar.properties.isWhitespace || Unicode.ignored.contains(scalar) {
      isSpaced = true
    } else if scalar.properties.isAlphabetic {
      let start = index - length
      while let length = byte().isLetter ? 1 : letterLength { index += length }
      emit(.word(String(decoding: bytes[start..<index], as: UTF8.self)))
    } else {
      throw GradingError.malformed("the character \(text)")
    }
  }
}

extension Lexer {
  /// The length of the letter outside ASCII that stands here, if it is one of a language's and no mathematical sign.
  private var letterLength: Int? {
    guard byte() >= 0x80 else { return nil }
    var length = 1
    while byte(length) & 0xC0 == 0x80 { length += 1 }
    guard let scalar = String(decoding: bytes[index..<index + length], as: UTF8.self).unicodeScalars.first,
      Unicode.replacements[scalar] == nil
    else { return nil }
    // Vowel signs of Hindi and Thai belong to words.
    return scalar.properties.isAlphabetic || scalar.properties.generalCategory == .nonspacingMark
      ? length : nil
  }
}

/// How numbers and units are written. The first reading is the default; the others are tried beside it.
struct Notation {
  /// 1,234 outside brackets is one number.
  var commaGroupsThousands = true
  /// 2,65 is 2.65.
  var commaIsDecimal = false
  /// 0.1(6) is 1/6; 0.(6) always is 2/3.
  var bracketsRepeat = false
  /// The m of "45 m" is a unit.
  var lettersAreUnits = false
}

extension UInt8 {
  var isDigit: Bool { self >= 0x30 && self <= 0x39 }
  var isLetter: Bool { (self | 0x20) >= 0x61 && (self | 0x20) <= 0x7A }
}
