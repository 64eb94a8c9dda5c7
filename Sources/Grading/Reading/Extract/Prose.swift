/// Tells sentences from formulas.
enum Prose {
  private static let takingWords: Set<String> = [
    "begin", "end", "text", "textbf", "mathrm", "operatorname", "mbox", "textit",
  ]

  /// Whether the text has words that are neither commands, functions nor units.
  static func isLikely(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    var index = 0
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "\\") {
        index += 1
        let start = index
        while index < bytes.count, bytes[index].isLetter { index += 1 }
        // Skips the names of environments and the words inside a formula.
        if index < bytes.count, bytes[index] == UInt8(ascii: "{"),
          takingWords.contains(String(decoding: bytes[start..<index], as: UTF8.self)),
          let end = bytes[index...].prefix(200).firstIndex(of: UInt8(ascii: "}"))
        {
          index = end
        }
        continue
      }
      guard bytes[index].isLetter || beginsLetter(bytes[index]) else {
        index += 1
        continue
      }
      let start = index
      while index < bytes.count, bytes[index].isLetter || bytes[index] >= 0x80 { index += 1 }
      let word = String(decoding: bytes[start..<index], as: UTF8.self)
      if Parser.isCommonWord(word) { return true }
      // Two letters outside ASCII are a word, and so is one Chinese character.
      let isChinese = word.unicodeScalars.first.map { $0.value > 0x2E80 } == true
      if bytes[start] >= 0xC3, isChinese || word.unicodeScalars.count >= 2, !Units.isKnown(word) {
        return true
      }
      if word.unicodeScalars.count >= 4, Commands.functions[word] == nil, !Commands.known.contains(word),
        !Units.isKnown(word), !Units.percentWords.contains(word), !Units.degreeWords.contains(word)
      {
        return true
      }
    }
    return false
  }

  /// Whether a letter outside ASCII may begin with this byte. Those of mathematics (Greek, E2, F0) do not count.
  private static func beginsLetter(_ byte: UInt8) -> Bool {
    byte >= 0xC3 && byte < 0xCE || byte >= 0xD0 && byte < 0xEE && byte != 0xE2
  }
}
