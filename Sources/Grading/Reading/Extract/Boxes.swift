import Support

/// Finds `\boxed{}` and `\fbox{}`.
enum Boxes {
  /// The content of the last box, and of the boxes that "and", "or" or a comma join to it.
  static func last(_ bytes: [UInt8], from start: Int) -> (text: String, place: Int)? {
    var end = bytes.count
    var found: (text: String, place: Int)?
    var attempts = 0
    while attempts < 40, let command = lastBox(bytes, start, end) {
      attempts += 1
      guard let box = content(bytes, command) else {
        if found != nil { break }
        end = command.lowerBound
        continue
      }
      if let previous = found {
        // A box that ends behind the last one encloses it: it is not joined.
        guard box.end <= previous.place, previous.place - box.end <= 60,
          joins(bytes[box.end..<previous.place])
        else { break }
        found = (Extraction.string(bytes[box.range]) + ", " + previous.text, command.lowerBound)
      } else {
        var text = Extraction.string(bytes[box.range])
        // \boxed{28} percent
        let after = Extraction.string(bytes[box.end..<min(bytes.count, box.end + 24)]).drop {
          "$ \\)".contains($0)
        }
        if after.hasPrefix("%") || Units.percentWords.contains(where: { after.hasPrefix($0) }) {
          text += "\\%"
        } else {
          text += Self.multiplier(after)
        }
        found = (text, command.lowerBound)
      }
      end = command.lowerBound
    }
    guard var found else { return nil }
    // Of nested boxes the inner one counts; inside a formula, the lexer drops the command.
    if found.text.isEmpty { return nil }
    if found.text.hasPrefix("\\boxed"), let inner = last(Array(found.text.utf8), from: 0) {
      found.text = inner.text
    }
    return found
  }

  /// \boxed{2} million
  private static func multiplier(_ after: Substring) -> String {
    var rest = after
    if rest.hasPrefix("text{") { rest = rest.dropFirst(5) }
    let word = rest.drop { $0 == " " }.prefix { $0.isLetter }
    guard word.utf8.count > 3 || word.utf8.first.map({ $0 >= 0x80 }) == true,
      NumberWords.multiplier(String(word)) != nil
    else { return "" }
    return " \\text{" + word + "}"
  }

  private static func lastBox(_ bytes: [UInt8], _ start: Int, _ end: Int) -> Range<Int>? {
    let a = bytes.lastRange(of: "\\boxed", from: start, before: end)
    let b = bytes.lastRange(of: "\\fbox", from: start, before: end)
    guard let a else { return b }
    guard let b else { return a }
    return a.lowerBound > b.lowerBound ? a : b
  }

  /// The braces after `\boxed`, or the next piece where there are none.
  private static func content(_ bytes: [UInt8], _ command: Range<Int>) -> (range: Range<Int>, end: Int)? {
    var index = command.upperBound
    while index < bytes.count, bytes[index] == UInt8(ascii: " ") { index += 1 }
    guard index < bytes.count else { return nil }
    guard bytes[index] == UInt8(ascii: "{") else {
      guard index > command.upperBound || !bytes[index].isLetter else { return nil }
      let first = index
      while index < bytes.count,
        !" \n$.,}\\".utf8.contains(bytes[index]) || (index == first && bytes[index] == UInt8(ascii: "\\"))
      {
        index += 1
      }
      return index > first ? (first..<index, index) : nil
    }
    var level = 0
    let first = index + 1
    let limit = min(bytes.count, index + 20_000)
    while index < limit {
      switch bytes[index] {
      case UInt8(ascii: "\\"):
        // \{ and \} do not nest, and the second backslash of "\\" escapes nothing.
        if index + 1 < bytes.count,
          bytes[index + 1] == UInt8(ascii: "{") || bytes[index + 1] == UInt8(ascii: "}")
            || bytes[index + 1] == UInt8(ascii: "\\")
        {
          index += 1
        }
      case UInt8(ascii: "{"): level += 1
      case UInt8(ascii: "}"):
        level -= 1
        if level == 0 { return (first..<index, index + 1) }
      default: break
      }
      index += 1
    }
    return nil
  }

  /// Whether the text between two boxes joins their contents to one answer.
  private static func joins(_ gap: ArraySlice<UInt8>) -> Bool {
    if gap.allSatisfy({ " \n\t$,;".utf8.contains($0) }) { return true }
    var text = Extraction.string(gap)
    for piece in [
      "\\quad", "\\qquad", "\\text{and}", "\\text{ and }", "\\text{or}", "\\text{ or }", "\\text{, }", "\\(",
      "\\)",
      "\\[", "\\]", "\\,", "\\;", "\\ ", "$", "&",
    ] { text = text.replacing(bytesOf: piece, with: " ") }
    let words = text.split { $0.isWhitespace || $0 == "," || $0 == ";" }
    // "and y_2 ="
    if words.last == "=" || words.last?.hasSuffix("=") == true {
      return words.count <= 4
        && words.allSatisfy { $0.utf8.count <= 8 || Parser.isConnective(String($0)) }
    }
    // "\boxed{3} apples and \boxed{4} pears"
    if words.count <= 3, let last = words.last, Parser.isConnective(String(last)) { return true }
    return words.allSatisfy { Parser.isConnective(String($0)) }
  }
}
