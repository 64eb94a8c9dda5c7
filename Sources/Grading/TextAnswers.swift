/// Answers that are words or letters.
enum TextAnswers {
  /// Letters and digits without type faces, quotation marks, blanks at the ends; words in lower case.
  static func plain(_ text: String) -> String {
    var result = ""
    var rest = Substring(text)
    while let first = rest.first {
      if first == "\\" {
        let name = rest.dropFirst().prefix { $0.isLetter && $0.isASCII }
        let after = rest.dropFirst(1 + name.count)
        if ["text", "textbf", "textit", "textrm", "mathrm", "mathbf", "mbox", "textnormal", "rm", "bf", "boxed"]
          .contains(String(name))
        {
          rest = after
        } else if name.isEmpty {
          rest = rest.dropFirst(2)
          result += " "
        } else if ["quad", "qquad", "left", "right"].contains(String(name)) {
          rest = after
          result += " "
        } else {
          result += "\\" + name
          rest = after
        }
        continue
      }
      if !"{}$*\"“”`".contains(first) { result.append(first) }
      rest = rest.dropFirst()
    }
    let words = result.split { $0.isWhitespace || $0 == "~" }
    let joined = words.joined(separator: " ")
    let trimmed = joined.trimmed { ".,;:!?' ".contains($0) }
    return trimmed.count > 2 ? trimmed.lowercased() : trimmed
  }

  static func areSame(_ a: String, _ b: String) -> Bool {
    let (a, b) = (plain(a), plain(b))
    return !a.isEmpty && (a == b || a.lowercased() == b.lowercased() && a.count > 1)
  }

  /// The letter of a choice: C, (C), \text{(C)}.
  static func choice(_ text: String) -> Character? {
    var text = plain(text)
    if text.hasPrefix("("), text.hasSuffix(")") { text = String(text.dropFirst().dropLast()) }
    text = text.trimmed { " .:)(".contains($0) }
    guard text.count == 1, let letter = text.first, ("A"..."J").contains(letter.uppercased()) , letter.isASCII, letter.isUppercase else {
      return nil
    }
    return letter
  }

  /// The letter that an answer begins with, when more follows: "(C) 12", "C. twelve", "C: because".
  static func leadingChoice(_ text: String) -> Character? {
    if let letter = choice(text) { return letter }
    let text = plainKeepingCase(text)
    let isBracketed = text.hasPrefix("(")
    let rest = isBracketed ? text.dropFirst() : Substring(text)
    guard let letter = rest.first, letter.isASCII, letter.isUppercase, ("A"..."J").contains(String(letter)) else {
      return nil
    }
    let next = rest.dropFirst().first
    return isBracketed ? (next == ")" ? letter : nil) : next.map { ")".contains($0) || (".:".contains($0) && rest.dropFirst(2).first == " ") } == true ? letter : nil
  }

  private static func plainKeepingCase(_ text: String) -> String {
    String(text.filter { !"{}$*\\\"".contains($0) }.trimmed { $0.isWhitespace })
      .replacing("text", with: "", maxReplacements: 1)
  }
}

extension String {
  func trimmed(_ isBlank: (Character) -> Bool) -> String {
    var rest = Substring(self)
    while let first = rest.first, isBlank(first) { rest.removeFirst() }
    while let last = rest.last, isBlank(last) { rest.removeLast() }
    return String(rest)
  }

  fileprivate func replacing(_ word: String, with other: String, maxReplacements: Int) -> String {
    guard hasPrefix(word) else { return self }
    return other + dropFirst(word.count)
  }
}
