import Foundation

/// Reads LaTeX commands: those that draw nothing, those that change the type face, environments.
extension Lexer {
  mutating func command() throws {
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
    case UInt8(ascii: "$"): dollar()
    case 0: break
    case _ where " ,!;:>()[]'/-".utf8.contains(next) || next <= 32: isSpaced = true
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
        // "\quadx": a blank is missing behind the command.
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
    if name == "operatorname" || (isWords && !UnitTable.currencySigns.contains(trimmed))
      || Self.isUnit(trimmed)
    {
      emitWords(trimmed)
      return
    }
    guard depth < 8 else { throw GradingError.tooDeep }
    // Mathematics in another type face: \text{(C)}, \textbf{12}, \text{5 cm}.
    var inner = Lexer(Array(content), budget, notation, depth: depth + 1)
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

  /// "hours and" joins two quantities.
  private mutating func emitWords(_ text: String) {
    for connective in [" and", ",", " et", " und"] where text.hasSuffix(connective) && text.utf8.count < 60 {
      let words = String(text.dropLast(connective.count)).trimmed(\.properties.isWhitespace)
      guard !words.isEmpty, !Parser.isConnective(words) else { break }
      emit(.text(words))
      emit(connective == "," ? .sign(",") : .text("and"))
      return
    }
    emit(.text(text))
  }

  /// m/s, g/cm^3, kg·m/s²: signs between names that are all known.
  private static func isUnit(_ text: String) -> Bool {
    guard text.utf8.count <= 40, text.utf8.first?.isDigit == false else { return false }
    let words = text.split { " /·*.()".contains($0) }
    return !words.isEmpty
      && words.allSatisfy { word in
        let name = word.prefix { $0 != "^" && $0 != "²" && $0 != "³" }
        return word == "per"
          || Units.isKnown(String(name))
            && word.dropFirst(name.count).allSatisfy { "^{}-123456²³".contains($0) }
      }
  }

  /// \$, also in US\$ and HK\$.
  private mutating func dollar() {
    if !isSpaced, case .word(let country) = lexemes.last?.kind,
      UnitTable.currencySigns.contains(country + "$")
    {
      lexemes[lexemes.count - 1].kind = .currency(country + "$")
    } else {
      emit(.currency("USD"))
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
