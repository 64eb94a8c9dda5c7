/// Finds formulas in prose that no delimiters mark: F_{n+2}, \frac{2}{5}, 2x + 1. A digit in them is no answer.
enum BareFormulas {
  private enum Kind { case formula, name, number, sign, other }

  private struct Word {
    var range: Range<Int>
    var kind: Kind
  }

  /// The places of formulas with digits in them; where the last side of an equation is a number, that side is free.
  static func find(_ bytes: [UInt8], _ start: Int, _ end: Int) -> [Range<Int>] {
    var results: [Range<Int>] = []
    var group: [Word] = []
    func close() {
      defer { group = [] }
      while group.last?.kind == .sign { group.removeLast() }
      while group.first?.kind == .sign { group.removeFirst() }
      guard let first = group.first, let last = group.last else { return }
      guard
        group.contains(where: { $0.kind == .formula })
          || group.count > 2 && group.contains(where: { $0.kind == .name })
      else { return }
      var range = first.range.lowerBound..<last.range.upperBound
      if let equals = bytes[range].lastIndex(of: UInt8(ascii: "=")) {
        let before = bytes[range.lowerBound..<equals].lastIndex(of: UInt8(ascii: "=")) ?? range.lowerBound
        if isNumeric(bytes[(equals + 1)..<range.upperBound]) {
          range = range.lowerBound..<equals
        } else if last.kind == .name, last.range.lowerBound <= equals + 2, isNumeric(bytes[before..<equals]) {
          // 160 = x
          range = range.lowerBound..<before
        }
      }
      if bytes[range].contains(where: \.isDigit) { results.append(range) }
    }
    var index = start
    while index < end {
      guard bytes[index] > 32, bytes[index] < 0x80 else {
        if bytes[index] == 10 || bytes[index] >= 0x80 { close() }
        index += 1
        continue
      }
      let first = index
      while index < end, bytes[index] > 32, bytes[index] < 0x80 { index += 1 }
      var last = index
      while last > first, ".,;:!?*`".utf8.contains(bytes[last - 1]) { last -= 1 }
      let word = Word(range: first..<max(last, first + 1), kind: kind(bytes, first..<max(last, first + 1)))
      if word.kind == .other {
        close()
        continue
      }
      if let before = group.last, before.kind != .sign, word.kind != .sign,
        before.kind != .formula || word.kind != .formula
      {
        close()
      }
      group.append(word)
      if last < index, bytes[last] != UInt8(ascii: "*") { close() }
    }
    close()
    return results
  }

  private static func isNumeric(_ part: ArraySlice<UInt8>) -> Bool {
    part.allSatisfy { $0.isDigit || " .,+-*/$<>=".utf8.contains($0) }
  }

  private static func kind(_ bytes: [UInt8], _ range: Range<Int>) -> Kind {
    let word = bytes[range]
    if word.count > 400 { return .other }
    if word.allSatisfy({ "+-*/=<>".utf8.contains($0) }) { return .sign }
    if word.allSatisfy({ $0.isDigit || ".,+-*/()=^".utf8.contains($0) }) {
      return word.contains(where: \.isDigit) ? .number : .other
    }
    if word.count == 1, let letter = word.first, letter.isLetter {
      return "aAI".utf8.contains(letter) ? .other : .name
    }
    var index = range.lowerBound
    var hasCommand = false
    while index < range.upperBound {
      let byte = bytes[index]
      if byte == UInt8(ascii: "\\") {
        var end = index + 1
        while end < range.upperBound, bytes[end].isLetter { end += 1 }
        let name = String(decoding: bytes[(index + 1)..<end], as: UTF8.self)
        if ["boxed", "fbox", "text", "textbf", "mathrm", "mathbf"].contains(name) { return .other }
        if Commands.known.contains(name) { hasCommand = true }
        index = max(end, index + 2)
      } else if byte.isLetter {
        var end = index
        while end < range.upperBound, bytes[end].isLetter { end += 1 }
        if !hasCommand, end - index > 1 {
          return word.contains(UInt8(ascii: "_")) && word.contains(UInt8(ascii: "{")) ? .formula : .other
        }
        if end - index == 1, isVariable(bytes, index, range) { return .formula }
        index = end
      } else {
        index += 1
      }
    }
    return hasCommand ? .formula : .other
  }

  /// Whether the letter at `index` stands beside a digit, sign or bracket as a variable does: 2x, n+2, F_{n}, f(3).
  private static func isVariable(_ bytes: [UInt8], _ index: Int, _ range: Range<Int>) -> Bool {
    let before = index > range.lowerBound ? bytes[index - 1] : 32
    let after = index + 1 < range.upperBound ? bytes[index + 1] : 32
    if "eE".utf8.contains(bytes[index]), before.isDigit, after.isDigit || after == UInt8(ascii: "-") {
      return false
    }
    if "_^(+*=".utf8.contains(after) || "+*^".utf8.contains(before) {
      return !(before.isDigit && isUnit(bytes[index]))
    }
    if "-/".utf8.contains(after), index + 2 < range.upperBound, bytes[index + 2].isDigit { return true }
    return before.isDigit && !isUnit(bytes[index])
  }

  private static func isUnit(_ letter: UInt8) -> Bool { "mgshlLNJWVAKdkMBDGtF".utf8.contains(letter) }
}
