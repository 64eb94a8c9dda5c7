import Foundation

/// Splits LaTeX and plain mathematics into lexemes.
struct Lexer {
  private let bytes: [UInt8]
  private var index = 0
  private let budget: Budget
  private let commaGroupsThousands: Bool
  private var lexemes: [Lexeme] = []
  private var isSpaced = false
  /// The open brackets; in `(` `[` `\{` a comma separates items, in `{` that depends on what is around it.
  private var brackets: [UInt8] = []
  private let depth: Int

  /// - Parameter commaGroupsThousands: whether 1,234 outside brackets is one number.
  static func lexemes(of bytes: [UInt8], _ budget: Budget, commaGroupsThousands: Bool) throws -> [Lexeme] {
    var lexer = Lexer(bytes, budget, commaGroupsThousands, depth: 0)
    try lexer.run()
    return lexer.lexemes
  }

  private init(_ bytes: [UInt8], _ budget: Budget, _ commaGroupsThousands: Bool, depth: Int) {
    self.bytes = bytes
    self.budget = budget
    self.commaGroupsThousands = commaGroupsThousands
    self.depth = depth
  }

  private func byte(_ offset: Int = 0) -> UInt8 {
    let place = index + offset
    return place < bytes.count ? bytes[place] : 0
  }

  private mutating func emit(_ kind: Lexeme.Kind) {
    lexemes.append(Lexeme(kind: kind, isSpaced: isSpaced))
    isSpaced = false
  }

  private mutating func run() throws {
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
        // The end of a sentence, or quotation marks around the answer.
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

  private mutating func signOrBracket(_ c: UInt8) throws {
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

  private mutating func word() {
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

  private mutating func nonASCII() throws {
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

  // MARK: Numbers

  private mutating func digits() -> String {
    let start = index
    while byte().isDigit { index += 1 }
    return String(decoding: bytes[start..<index], as: UTF8.self)
  }

  private mutating func number() throws {
    let spaced = isSpaced
    var literal = NumberLiteral(integer: digits(), fraction: nil)
    try budget.spend(literal.integer.utf8.count / 8)
    if !literal.integer.isEmpty, literal.integer.utf8.count <= 3 {
      while let length = separatorLength(), groupOfThree(after: length) {
        index += length
        literal.integer += digits()
      }
    }
    if byte() == UInt8(ascii: "."), byte(1).isDigit {
      index += 1
      literal.fraction = digits()
      try budget.spend((literal.fraction ?? "").utf8.count / 8)
    } else if byte() == UInt8(ascii: "."),
      followsPoint("/") || followsPoint("\\overline") || followsPoint("\\bar")
    {
      index += 1
      literal.fraction = ""
    }
    if let fraction = literal.fraction {
      for name in ["\\overline{", "\\bar{", "\\overline ", "\\dot{"] where starts(with: name) {
        index += name.utf8.count
        literal.repeating = digits()
        if byte() == UInt8(ascii: "}") { index += 1 }
        if literal.repeating?.isEmpty != false { throw GradingError.malformed("a line over no digits") }
        break
      }
      if fraction.isEmpty, literal.repeating == nil { literal.fraction = nil }
    }
    exponent(&literal)
    if literal.integer.isEmpty { literal.integer = "0" }
    isSpaced = spaced
    emit(.number(literal))
  }

  private func followsPoint(_ text: String) -> Bool { starts(with: text, offset: 1) }

  private func starts(with text: String, offset: Int = 0) -> Bool {
    let wanted = text.utf8
    guard index + offset + wanted.count <= bytes.count else { return false }
    return bytes[(index + offset)..<(index + offset + wanted.count)].elementsEqual(wanted)
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

  /// How long the separator of thousands is that stands here, if one does.
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
      return isList || !commaGroupsThousands ? nil : length
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

  // MARK: Commands

  private mutating func command() throws {
    let next = byte(1)
    if next.isLetter {
      let start = index + 1
      index += 1
      while byte().isLetter { index += 1 }
      try named(String(decoding: bytes[start..<index], as: UTF8.self))
      return
    }
    index += 2
    switch next {
    case UInt8(ascii: "\\"):
      // "\\frac": a backslash too many, unless a row of a matrix ends here.
      let start = index
      while byte().isLetter { index += 1 }
      let name = String(decoding: bytes[start..<index], as: UTF8.self)
      if Commands.isUnmistakable(name) {
        try named(name)
      } else {
        index = start
        // An optional length: \\[2pt]
        if byte() == UInt8(ascii: "["),
          let end = bytes[index...].prefix(16).firstIndex(of: UInt8(ascii: "]")),
          bytes[index..<end].contains(where: \.isLetter)
        {
          index = end + 1
        }
        emit(.rowBreak)
      }
    case UInt8(ascii: "{"):
      brackets.append(UInt8(ascii: "s"))
      emit(.setOpen)
    case UInt8(ascii: "}"):
      _ = brackets.popLast()
      emit(.setClose)
    case UInt8(ascii: "%"): emit(.sign("%"))
    case UInt8(ascii: "|"): emit(.command("Vert"))
    case UInt8(ascii: "&"), UInt8(ascii: "#"), UInt8(ascii: "_"): emit(.sign(Unicode.Scalar(next)))
    case 0: break
    case _ where " ,!;:>$()[]'/-".utf8.contains(next) || next <= 32: isSpaced = true
    default: index -= 1  // a stray backslash must not hide what follows
    }
  }

  private mutating func named(_ name: String) throws {
    switch name {
    case "left", "right", "bigl", "bigr", "Bigl", "Bigr", "biggl", "biggr", "Biggl", "Biggr", "big", "Big",
      "bigg", "Bigg", "middle":
      // "\left." draws nothing.
      if byte() == UInt8(ascii: ".") { index += 1 }
      if byte() == UInt8(ascii: "|") {
        index += 1
        let closes = name == "right" || name.hasSuffix("r")
        emit(.command(name == "left" || name.hasSuffix("l") ? "lvert" : closes ? "rvert" : "vert"))
      }
    case "text", "textbf", "textit", "textrm", "textnormal", "textsf", "texttt", "mbox", "hbox", "mathrm",
      "mathbf", "mathit", "mathsf", "mathtt", "operatorname", "rm", "bf", "bm", "boldsymbol", "emph",
      "mathcal", "pmb", "textup":
      try styled(name)
    case "begin", "end":
      if let content = braced() { try environment(name, content) }
    case "boxed", "fbox", "displaystyle", "textstyle", "scriptstyle", "limits", "nolimits", "nonumber",
      "notag",
      "large", "Large", "small", "normalsize", "phantom", "mathstrut", "strut", "hfill", "newline",
      "thinspace", "enspace", "space", "quad", "qquad", "par", "relax", "hline", "cline", "it":
      isSpaced = true
    case "hspace", "vspace", "label", "tag", "color", "textcolor", "kern", "mskip":
      _ = braced()
      isSpaced = true
    default:
      if Commands.known.contains(name) {
        emit(.command(name))
      } else if let prefix = Commands.gluedPrefix(of: name) {
        // "\quadx": a command that lost its blank.
        index -= name.utf8.count - prefix.utf8.count
        try named(prefix)
      } else {
        emit(.command(name))
      }
    }
  }

  /// The content of the braces that open here; nil when none do.
  private mutating func braced() -> ArraySlice<UInt8>? {
    var start = index
    while start < bytes.count, bytes[start] == UInt8(ascii: " ") || bytes[start] == UInt8(ascii: "*") {
      start += 1
    }
    guard start < bytes.count, bytes[start] == UInt8(ascii: "{") else { return nil }
    var level = 0
    var end = start
    while end < bytes.count {
      if bytes[end] == UInt8(ascii: "\\") {
        end += 2
        continue
      }
      if bytes[end] == UInt8(ascii: "{") { level += 1 }
      if bytes[end] == UInt8(ascii: "}") {
        level -= 1
        if level == 0 {
          index = end + 1
          return bytes[(start + 1)..<end]
        }
      }
      end += 1
    }
    return nil
  }

  private mutating func styled(_ name: String) throws {
    guard let content = braced() else {
      isSpaced = true
      return
    }
    try budget.spend(content.count / 4)
    let trimmed = String(decoding: content, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    if trimmed.isEmpty {
      isSpaced = true
      return
    }
    let isWords = trimmed.utf8.allSatisfy {
      $0.isLetter || $0 >= 0x80 || " .'-,:;!?".utf8.contains($0)
    }
    if isWords || name == "operatorname" {
      emit(.text(trimmed))
      return
    }
    guard depth < 8 else { throw GradingError.tooDeep }
    // Mathematics in another type face: \text{(C)}, \textbf{12}, \text{5 cm}.
    var inner = Lexer(Array(content), budget, commaGroupsThousands, depth: depth + 1)
    try inner.run()
    isSpaced = false
    for lexeme in inner.lexemes {
      if case .word(let word) = lexeme.kind, word.utf8.count > 1 {
        lexemes.append(Lexeme(kind: .text(word), isSpaced: lexeme.isSpaced))
      } else {
        lexemes.append(lexeme)
      }
    }
  }

  private mutating func environment(_ name: String, _ content: ArraySlice<UInt8>) throws {
    let kind = String(decoding: content, as: UTF8.self).replacingOccurrences(of: "*", with: "")
    // The columns of an array, and a matrix's alignment.
    if name == "begin" {
      brackets.append(UInt8(ascii: "m"))
      if kind == "array" || kind == "tabular" { _ = braced() }
    } else {
      _ = brackets.popLast()
    }
    emit(.command("\(name) \(kind)"))
  }
}

extension UInt8 {
  var isDigit: Bool { self >= 0x30 && self <= 0x39 }
  var isLetter: Bool { (self | 0x20) >= 0x61 && (self | 0x20) <= 0x7A }
}
