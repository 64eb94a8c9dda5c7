import Foundation

/// Splits LaTeX and plain mathematics into lexemes.
struct Lexer {
  let bytes: [UInt8]
  var index = 0
  let budget: Budget
  let commaGroupsThousands: Bool
  var lexemes: [Lexeme] = []
  var isSpaced = false
  /// The open brackets. A comma in `(`, `[` or `\{` separates items; in `{`, what is around it decides.
  var brackets: [UInt8] = []
  /// How deeply this lexer is nested in others, which call it for \text{…} and for characters outside ASCII.
  let depth: Int

  /// - Parameter commaGroupsThousands: whether 1,234 outside brackets is one number.
  static func lexemes(of bytes: [UInt8], _ budget: Budget, commaGroupsThousands: Bool) throws -> [Lexeme] {
    var lexer = Lexer(bytes, budget, commaGroupsThousands, depth: 0)
    try lexer.run()
    return lexer.lexemes
  }

  init(_ bytes: [UInt8], _ budget: Budget, _ commaGroupsThousands: Bool, depth: Int) {
    self.bytes = bytes
    self.budget = budget
    self.commaGroupsThousands = commaGroupsThousands
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
        index += 1
        isSpaced = true
      case UInt8(ascii: "0")...UInt8(ascii: "9"): try number()
      case UInt8(ascii: ".") where byte(1).isDigit: try number()
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

  // MARK: Words

  mutating func word() {
    let start = index
    while byte().isLetter { index += 1 }
    let text = String(decoding: bytes[start..<index], as: UTF8.self)
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
    if let replacement = Unicode.replacements[scalar] {
      var inner = Lexer(Array(replacement.utf8), budget, commaGroupsThousands, depth: depth + 1)
      try inner.run()
      for (position, lexeme) in inner.lexemes.enumerated() {
        lexemes.append(Lexeme(kind: lexeme.kind, isSpaced: position == 0 ? isSpaced : lexeme.isSpaced))
      }
      isSpaced = replacement == " "
    } else if scalar.properties.isWhitespace || Unicode.ignored.contains(scalar) {
      isSpaced = true
    } else if scalar.properties.isAlphabetic {
      var word = text
      while byte() >= 0x80 || byte().isLetter {
        var next = 1
        if byte() >= 0x80 { while byte(next) & 0xC0 == 0x80 { next += 1 } }
        let piece = String(decoding: bytes[index..<index + next], as: UTF8.self)
        guard let first = piece.unicodeScalars.first, first.properties.isAlphabetic else { break }
        word += piece
        index += next
      }
      emit(.word(word))
    } else {
      throw GradingError.malformed("the character \(text)")
    }
  }
}

extension UInt8 {
  var isDigit: Bool { self >= 0x30 && self <= 0x39 }
  var isLetter: Bool { (self | 0x20) >= 0x61 && (self | 0x20) <= 0x7A }
}
