/// Finds the final answer in a completion. The priorities are those of lighteval's extractive match: `\boxed{}` and
/// "final answer is X. I hope" first, then "final answer … is", "answer:", "answer", then the last piece of
/// mathematics; within a priority the last one in the text.
struct Extraction {
  struct Candidate {
    enum Kind { case boxed, hashes, anchored, whole, bare }
    var text: String
    var kind: Kind
    /// Whether it is a formula and not a sentence: if it cannot be read, nothing in it is the answer.
    var isFormula: Bool { !Prose.isLikely(text) }
  }

  private let bytes: [UInt8]
  /// Where the part after the thinking begins.
  private let answerStart: Int
  private let thinkingIsOpen: Bool
  private let options: GradingOptions

  init(_ text: String, _ options: GradingOptions) {
    self.options = options
    bytes = Array(text.utf8)
    if let end = bytes.lastRange(of: "</think>") {
      answerStart = end.upperBound
      thinkingIsOpen = false
    } else {
      answerStart = 0
      thinkingIsOpen = bytes.firstRange(of: "<think>", from: 0) != nil
    }
  }

  /// The letter of a multiple-choice answer in prose without a box; nil when there is a box.
  var chosenLetter: Character? {
    if Self.boxed(bytes, from: answerStart) != nil { return nil }
    let part = Self.string(bytes[answerStart...])
    return Prose.isLikely(String(part.suffix(8000))) ? TextAnswers.chosen(in: part) : nil
  }

  /// The places where the answer may stand, best first; `try` them until one can be read.
  func forEachCandidate(isGold: Bool, _ body: (Candidate) throws -> Bool) rethrows {
    if thinkingIsOpen, options.unfinishedThinking == .noAnswer { return }
    var start = answerStart
    if let tag = bytes.lastRange(of: "<answer>"), tag.upperBound >= start,
      let end = bytes.firstRange(of: "</answer>", from: tag.upperBound)
    {
      let inner = Array(bytes[tag.upperBound..<end.lowerBound])
      if let box = Self.boxed(inner, from: 0) {
        if try body(Candidate(text: box.text, kind: .boxed)) { return }
      } else if Self.isShort(inner), try body(Candidate(text: Self.string(inner[...]), kind: .whole)) {
        return
      }
    }
    let box = Self.boxed(bytes, from: start)
    // "The final answer is X. I hope it is correct" counts like a box: the last one is taken.
    if let hope = hopeful(from: start), hope.place > (box?.place ?? -1) {
      if try body(Candidate(text: hope.text, kind: .anchored)) { return }
    }
    if let box, try body(Candidate(text: box.text, kind: .boxed)) { return }
    if thinkingIsOpen, options.unfinishedThinking == .onlyBoxed { return }
    if let hashes = bytes.lastRange(of: "####"), hashes.upperBound > start {
      let end = bytes[hashes.upperBound...].firstIndex(of: 10) ?? bytes.count
      if try body(Candidate(text: Self.string(bytes[hashes.upperBound..<end]), kind: .hashes)) { return }
    }
    // A long text is prose; its end is enough for what follows.
    // (A formula that is too long to read is tried, and found too long.)
    if Self.isShort(bytes[start...]) || !Prose.isLikely(Self.string(bytes.suffix(4000))) {
      if try body(Candidate(text: Self.string(bytes[start...]), kind: .whole)) { return }
    }
    start = max(start, bytes.count - 20_000)
    for text in anchored(from: start) where try body(Candidate(text: text, kind: .anchored)) { return }
    // The answer was boxed while thinking, and what followed was cut off.
    if answerStart > 0, let box = Self.boxed(bytes, from: 0),
      try body(Candidate(text: box.text, kind: .boxed))
    {
      return
    }
    // A gold answer in prose with several pieces of mathematics does not say which one it is.
    let pieces = MathSpans.last(in: bytes, from: start)
    if isGold, MathSpans.count(in: bytes) > 1 { return }
    for text in pieces where try body(Candidate(text: text, kind: .bare)) { return }
  }

  private static func isShort(_ part: some Collection<UInt8>) -> Bool { part.count <= 8000 }

  static func string(_ part: ArraySlice<UInt8>) -> String {
    String(decoding: part, as: UTF8.self).trimmed(\.isWhitespace)
  }

  // MARK: Boxes

  /// The content of the last `\boxed{}`, with those that are joined to it by "and", "or" or a comma.
  static func boxed(_ bytes: [UInt8], from start: Int) -> (text: String, place: Int)? {
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
        // A box around the last one ends behind it.
        guard box.end <= previous.place, previous.place - box.end <= 60,
          joins(bytes[box.end..<previous.place])
        else { break }
        found = (string(bytes[box.range]) + ", " + previous.text, command.lowerBound)
      } else {
        var text = string(bytes[box.range])
        // \boxed{28} percent
        let after = string(bytes[box.end..<min(bytes.count, box.end + 24)]).drop { "$ \\)".contains($0) }
        if after.hasPrefix("%") || Units.percentWords.contains(where: { after.hasPrefix($0) }) {
          text += "\\%"
        }
        found = (text, command.lowerBound)
      }
      end = command.lowerBound
    }
    guard var found else { return nil }
    // A list inside is one answer; nested boxes are read by the lexer, which drops their braces' command.
    if found.text.isEmpty { return nil }
    if found.text.hasPrefix("\\boxed"), let inner = boxed(Array(found.text.utf8), from: 0) {
      found.text = inner.text
    }
    return found
  }

  private static func lastBox(_ bytes: [UInt8], _ start: Int, _ end: Int) -> Range<Int>? {
    let a = bytes.lastRange(of: "\\boxed", from: start, before: end)
    let b = bytes.lastRange(of: "\\fbox", from: start, before: end)
    guard let a else { return b }
    guard let b else { return a }
    return a.lowerBound > b.lowerBound ? a : b
  }

  /// What stands in the braces after `\boxed`, or the next piece without braces.
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
        // \{ and \} are no braces of the box, but "\\" is a whole.
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

  /// Whether what stands between two boxes joins their contents to one answer.
  private static func joins(_ gap: ArraySlice<UInt8>) -> Bool {
    if gap.allSatisfy({ " \n\t$,;".utf8.contains($0) }) { return true }
    var text = string(gap)
    for piece in [
      "\\quad", "\\qquad", "\\text{and}", "\\text{ and }", "\\text{or}", "\\text{ or }", "\\text{, }", "\\(",
      "\\)",
      "\\[", "\\]", "\\,", "\\;", "\\ ", "$", "&",
    ] { text = text.replacingAll(piece, with: " ") }
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

  // MARK: Anchors

  /// "final answer is X. I hope"
  private func hopeful(from start: Int) -> (text: String, place: Int)? {
    guard let hope = bytes.lastRange(of: "I hope", from: start) else { return nil }
    let begin = max(start, hope.lowerBound - 400)
    guard let anchor = bytes.lastRange(of: "inal answer is", from: begin, before: hope.lowerBound) else {
      return nil
    }
    let text = Self.string(bytes[anchor.upperBound..<hope.lowerBound])
    return (Self.cleaned(text), anchor.lowerBound)
  }

  private static func cleaned(_ text: String) -> String {
    text.trimmed { $0.isWhitespace || ":.*_".contains($0) }
  }

  private func anchored(from start: Int) -> [String] {
    var texts: [String] = []
    if let anchor = last("final answer", from: start, thenIs: 100) { texts += sentence(anchor) }
    if let anchor = lastAnswerColon(from: start) { texts += sentence(anchor) }
    if let anchor = last("answer", from: start, thenIs: 50) ?? last("answer", from: start, thenIs: nil) {
      texts += sentence(anchor)
    }
    return texts
  }

  /// Where the text after the last `word` (and " is" within some bytes of it) begins.
  private func last(_ word: String, from start: Int, thenIs distance: Int?) -> Int? {
    var end = bytes.count
    while let found = bytes.lastRange(of: word, from: start, before: end, ignoresCase: true) {
      guard let distance else { return found.upperBound }
      let limit = min(bytes.count, found.upperBound + distance)
      if let verb = bytes.firstRange(of: " is", from: found.upperBound, before: limit),
        verb.upperBound == bytes.count || !bytes[verb.upperBound].isLetter
      {
        return verb.upperBound
      }
      end = found.lowerBound
    }
    return nil
  }

  private func lastAnswerColon(from start: Int) -> Int? {
    var end = bytes.count
    while let found = bytes.lastRange(of: "answer", from: start, before: end, ignoresCase: true) {
      var index = found.upperBound
      while index < bytes.count, bytes[index] == UInt8(ascii: "*") || bytes[index] == UInt8(ascii: " ") {
        index += 1
      }
      if index < bytes.count, bytes[index] == UInt8(ascii: ":") { return index + 1 }
      end = found.lowerBound
    }
    return nil
  }

  /// What may be the answer in the sentence that begins here.
  private func sentence(_ begin: Int) -> [String] {
    var start = begin
    while start < bytes.count, " \t\n:*_".utf8.contains(bytes[start]) { start += 1 }
    guard start < bytes.count else { return [] }
    var texts: [String] = []
    // Mathematics at once: with what is joined to it.
    if let group = MathSpans.group(in: bytes, at: start) { texts.append(group) }
    var end = start
    while end < min(bytes.count, start + 600) {
      if bytes[end] == 10, end + 1 >= bytes.count || bytes[end + 1] == 10 || end > start + 200 { break }
      if bytes[end] == UInt8(ascii: "."), end + 1 >= bytes.count || bytes[end + 1] <= 32, end > start {
        break
      }
      end += 1
    }
    if let hope = bytes.firstRange(of: "I hope", from: start), hope.lowerBound < end { end = hope.lowerBound }
    let line = Self.cleaned(Self.string(bytes[start..<end]))
    if !line.isEmpty { texts.append(line) }
    if let number = MathSpans.leadingNumber(in: bytes, at: start, before: end) { texts.append(number) }
    texts += MathSpans.last(in: bytes, from: start, before: end).prefix(2)
    return texts
  }
}

extension String {
  func replacingAll(_ piece: String, with other: String) -> String {
    var result = ""
    var rest = Substring(self)
    while let range = rest.firstRange(of: piece) {
      result += rest[..<range.lowerBound] + other
      rest = rest[range.upperBound...]
    }
    return result + rest
  }
}

extension [UInt8] {
  func lastRange(
    of text: String, from start: Int = 0, before end: Int? = nil, ignoresCase: Bool = false
  ) -> Range<Int>? {
    let wanted = Array(text.utf8)
    let bytes = span
    // Letters differ from their capitals in one bit, which is masked out on both sides.
    let mask: UInt8 = ignoresCase ? 0xDF : 0xFF
    let first = wanted[0] & mask
    var index = Swift.min(end ?? count, count) - wanted.count
    while index >= start {
      if bytes[index] & mask == first, matches(wanted, at: index, mask) {
        return index..<(index + wanted.count)
      }
      index -= 1
    }
    return nil
  }

  func firstRange(of text: String, from start: Int, before end: Int? = nil) -> Range<Int>? {
    let wanted = Array(text.utf8)
    let bytes = span
    let last = Swift.min(end ?? count, count) - wanted.count
    var index = start
    while index <= last {
      if bytes[index] == wanted[0], matches(wanted, at: index, 0xFF) { return index..<(index + wanted.count) }
      index += 1
    }
    return nil
  }

  private func matches(_ wanted: [UInt8], at index: Int, _ mask: UInt8) -> Bool {
    for offset in wanted.indices {
      // Blanks in the wanted text are letters of no case.
      let mask = wanted[offset].isLetter ? mask : 0xFF
      if self[index + offset] & mask != wanted[offset] & mask { return false }
    }
    return true
  }
}
