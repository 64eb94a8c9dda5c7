/// Answers that are words or letters.
enum TextAnswers {
  /// The text without type faces, quotation marks, and blanks at the ends.
  static func plain(_ text: String) -> String {
    var result = ""
    var rest = Substring(text).unicodeScalars
    while let first = rest.first {
      if first == "\\" {
        let name = rest.dropFirst().prefix { $0.isASCII && $0.properties.isAlphabetic }
        let after = rest.dropFirst(1 + name.count)
        if [
          "text", "textbf", "textit", "textrm", "mathrm", "mathbf", "mbox", "textnormal", "rm", "bf", "boxed",
        ]
        .contains(String(name)) {
          rest = after
        } else if name.isEmpty {
          rest = rest.dropFirst(2)
          result += " "
        } else if ["quad", "qquad", "left", "right"].contains(String(name)) {
          rest = after
          result += " "
        } else {
          result += "\\" + String(name)
          rest = after
        }
        continue
      }
      if !"{}$*\"“”`".unicodeScalars.contains(first) { result.unicodeScalars.append(first) }
      rest = rest.dropFirst()
    }
    let words = result.unicodeScalars.split { $0.properties.isWhitespace || $0 == "~" }
    let joined = words.map { String($0) }.joined(separator: " ")
    return joined.trimmed { ".,;:!?' ".unicodeScalars.contains($0) }
  }

  /// Whether two answers are the same words. Formulas are not words: \frac{1}{23} and \frac{12}{3} have the same
  /// letters.
  static func areSame(_ a: String, _ b: String) -> Bool {
    if a.utf8.elementsEqual(b.utf8) { return true }
    guard a.utf8.count <= 8000, b.utf8.count <= 8000 else { return false }
    let (a, b) = (plain(a), plain(b))
    guard !a.isEmpty, isWords(a), isWords(b) else { return false }
    if a == b { return true }
    // YES is yes, but the product XY is not xy.
    guard a.count >= 3, a.lowercased() == b.lowercased() else { return false }
    return a.count >= 5 || [a, b].allSatisfy { $0.dropFirst() == $0.dropFirst().lowercased() }
  }

  private static func isWords(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy {
      $0.properties.isAlphabetic || $0.properties.generalCategory == .nonspacingMark
        || " .,'-()".unicodeScalars.contains($0)
    }
  }

  /// The letter of a choice: C, (C), \text{(C)}.
  static func choice(_ text: String) -> Character? {
    guard text.utf8.count <= 200 else { return nil }
    var text = plain(text)
    if text.hasPrefix("("), text.hasSuffix(")") { text = String(text.dropFirst().dropLast()) }
    text = text.trimmed { " .:)(".unicodeScalars.contains($0) }
    guard text.count == 1, let letter = text.first, ("A"..."J").contains(letter.uppercased()), letter.isASCII,
      letter.isUppercase
    else {
      return nil
    }
    return letter
  }

  /// The letter that an answer begins with, when more follows: "(C) 12", "C. twelve", "C: because".
  static func leadingChoice(_ text: String) -> Character? {
    if let letter = choice(text) { return letter }
    let text = plain(String(text.unicodeScalars.prefix(400)))
    let isBracketed = text.hasPrefix("(")
    let rest = isBracketed ? text.dropFirst() : Substring(text)
    guard let letter = rest.first, letter.isASCII, letter.isUppercase, ("A"..."J").contains(String(letter))
    else {
      return nil
    }
    let next = rest.dropFirst().first
    // "B不是 A" chooses B.
    if !isBracketed, let next = next?.unicodeScalars.first, (0x3000..<0xD800).contains(next.value) {
      return letter
    }
    return isBracketed
      ? (next == ")" ? letter : nil)
      : next.map { ")".contains($0) || (".:".contains($0) && rest.dropFirst(2).first == " ") } == true
        ? letter : nil
  }

  /// The letter that a sentence chooses: the last one after "answer", "option" or "choice", else the last one in
  /// parentheses, else the last one alone.
  static func chosen(in text: String) -> Character? {
    if let letter = leadingChoice(String(text.unicodeScalars.prefix(200))) { return letter }
    let bytes = Array(text.utf8.suffix(8000))
    var best: (rank: Int, letter: UInt8)?
    var anchor = -1000
    for index in bytes.indices {
      let c = bytes[index]
      if c.isLetter, index == 0 || !bytes[index - 1].isLetter {
        for word in ["answer", "option", "choice"] where starts(bytes, index, with: word) { anchor = index }
      }
      if c >= 0x80 || c.isLetter, Anchors.begins(bytes, index) { anchor = index }
      guard c >= 0x41, c <= 0x4A, index == 0 || isEdge(bytes[index - 1]) || isChinese(bytes, endingAt: index),
        index + 1 == bytes.count || isEdge(bytes[index + 1]) || isChinese(bytes[index + 1])
      else { continue }
      let isBracketed =
        index > 0 && index + 1 < bytes.count && bytes[index - 1] == 0x28 && bytes[index + 1] == 0x29
      // "A" and "I" are also words.
      let isWord = c == 0x41 || c == 0x49
      let follows = index - anchor < 40 && (!isWord || isBracketed || endsThere(bytes, index + 1))
      let rank = follows ? 3 : isBracketed ? 2 : isWord ? 0 : 1
      if rank > 0, rank >= best?.rank ?? 0 {
        best = (rank, c)
        if follows { anchor = -1000 }
      }
    }
    return best.map { Character(Unicode.Scalar($0.letter)) }
  }

  /// Whether a character of Chinese, Japanese or Korean begins with this byte: no blank stands beside them.
  private static func isChinese(_ first: UInt8) -> Bool { first >= 0xE3 && first <= 0xED }
  private static func isChinese(_ bytes: [UInt8], endingAt index: Int) -> Bool {
    index >= 3 && bytes[index - 1] >= 0x80 && isChinese(bytes[index - 3])
  }

  private static func isEdge(_ c: UInt8) -> Bool { " \n\t*().,:;$\"'{}".utf8.contains(c) }
  private static func endsThere(_ bytes: [UInt8], _ index: Int) -> Bool {
    index >= bytes.count || ".*\n),:".utf8.contains(bytes[index])
  }
  private static func starts(_ bytes: [UInt8], _ index: Int, with word: String) -> Bool {
    let wanted = word.utf8
    return index + wanted.count <= bytes.count
      && zip(bytes[index...], wanted).allSatisfy { $0 | 0x20 == $1 }
  }
}

extension String {
  func trimmed(_ isBlank: (Unicode.Scalar) -> Bool) -> String {
    var rest = Substring(self).unicodeScalars
    while let first = rest.first, isBlank(first) { rest.removeFirst() }
    while let last = rest.last, isBlank(last) { rest.removeLast() }
    return String(rest)
  }
}
