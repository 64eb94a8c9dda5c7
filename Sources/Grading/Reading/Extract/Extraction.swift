/// Finds the final answer in a completion, by the priorities of lighteval's extractive match: `\boxed{}` and "final
/// answer is X. I hope", then "final answer … is", "answer:", "answer", then the last piece of mathematics. Within a
/// priority, the last one in the text counts.
struct Extraction {
  struct Candidate {
    enum Kind { case boxed, hashes, anchored, whole, bare }
    var text: String
    var kind: Kind
    /// Whether it is a formula and no sentence. Nothing in an unreadable formula is an answer.
    var isFormula: Bool { !Prose.isLikely(text) }
  }

  private let bytes: [UInt8]
  /// Where the part after the thinking begins.
  private let answerStart: Int
  private let thinkingIsOpen: Bool
  private let options: GradingOptions

  init(_ text: String, _ options: GradingOptions) {
    self.options = options
    bytes = TextFolding.folded(text)
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
    if Boxes.last(bytes, from: answerStart) != nil { return nil }
    return Prose.isLikely(Self.string(bytes[answerStart...].suffix(8000)))
      ? TextAnswers.chosen(in: Self.string(bytes[answerStart...])) : nil
  }

  /// Gives `body` the places where the answer may stand, best first, until it returns true.
  func forEachCandidate(isGold: Bool, _ body: (Candidate) throws -> Bool) rethrows {
    if thinkingIsOpen, options.unfinishedThinking == .noAnswer { return }
    var start = answerStart
    if let tag = bytes.lastRange(of: "<answer>"), tag.upperBound >= start,
      let end = bytes.firstRange(of: "</answer>", from: tag.upperBound)
    {
      let inner = Array(bytes[tag.upperBound..<end.lowerBound])
      if let box = Boxes.last(inner, from: 0) {
        if try body(Candidate(text: box.text, kind: .boxed)) { return }
      } else if Self.isShort(inner), try body(Candidate(text: Self.string(inner[...]), kind: .whole)) {
        return
      }
    }
    let box = Boxes.last(bytes, from: start)
    // "The final answer is X. I hope it is correct" ranks like a box: the later of the two counts.
    if let hope = hopeful(from: start), hope.place > (box?.place ?? -1) {
      if try body(Candidate(text: hope.text, kind: .anchored)) { return }
    }
    if let box, try body(Candidate(text: box.text, kind: .boxed)) { return }
    if thinkingIsOpen, options.unfinishedThinking == .onlyBoxed { return }
    if let hashes = bytes.lastRange(of: "####"), hashes.upperBound > start {
      let end = bytes[hashes.upperBound...].firstIndex(of: 10) ?? bytes.count
      if try body(Candidate(text: Self.string(bytes[hashes.upperBound..<end]), kind: .hashes)) { return }
    }
    // A long text is prose unless its end is not. A formula that is too long to read is still the candidate.
    if Self.isShort(bytes[start...]) || !Prose.isLikely(Self.string(bytes.suffix(4000))) {
      if try body(Candidate(text: Self.string(bytes[start...]), kind: .whole)) { return }
    }
    start = max(start, bytes.count - 20_000)
    for text in anchored(from: start) where try body(Candidate(text: text, kind: .anchored)) { return }
    for text in foreignAnchored(from: start) where try body(Candidate(text: text, kind: .anchored)) { return }
    // The text after the thinking was cut off; a box inside the thinking may hold the answer.
    if answerStart > 0, let box = Boxes.last(bytes, from: 0),
      try body(Candidate(text: box.text, kind: .boxed))
    {
      return
    }
    // Prose with several pieces of mathematics does not say which one is the gold answer.
    let pieces = MathSpans.last(in: bytes, from: start)
    if isGold, MathSpans.count(in: bytes) > 1 { return }
    if !isGold, let bold = MathSpans.boldNumber(in: bytes, from: start),
      try body(Candidate(text: bold, kind: .bare))
    {
      return
    }
    for text in pieces where try body(Candidate(text: text, kind: .bare)) { return }
  }

  private static func isShort(_ part: some Collection<UInt8>) -> Bool { part.count <= 8000 }

  static func string(_ part: ArraySlice<UInt8>) -> String {
    String(decoding: part, as: UTF8.self).trimmed(\.properties.isWhitespace)
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
    text.trimmed { $0.properties.isWhitespace || ":.*_".unicodeScalars.contains($0) }
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

  /// The place behind the last `word`, or behind the " is" that follows it within `distance` bytes.
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

  /// What follows "答案", "الجواب" or "réponse": what is behind the last equals sign, or else the first number.
  private func foreignAnchored(from start: Int) -> [String] {
    guard let anchor = Anchors.last(in: bytes, from: start, before: bytes.count) else { return [] }
    let (texts, range) = lines(anchor)
    guard !range.isEmpty else { return [] }
    let hasEquals = bytes[range].contains(UInt8(ascii: "="))
    let first = hasEquals ? nil : MathSpans.first(in: bytes, from: range.lowerBound, before: range.upperBound)
    return texts + (first.map { [$0] } ?? [])
      + MathSpans.last(in: bytes, from: range.lowerBound, before: range.upperBound).prefix(2)
  }

  /// Candidates in the sentence that begins at `begin`.
  private func sentence(_ begin: Int) -> [String] {
    var (texts, range) = lines(begin)
    guard !range.isEmpty else { return texts }
    let (start, end) = (range.lowerBound, range.upperBound)
    if let number = MathSpans.leadingNumber(in: bytes, at: start, before: end) { texts.append(number) }
    texts += MathSpans.last(in: bytes, from: start, before: end).prefix(2)
    return texts
  }

  /// The mathematics with which a sentence begins, the sentence, and where it is.
  private func lines(_ begin: Int) -> (texts: [String], range: Range<Int>) {
    var start = begin
    while start < bytes.count, " \t\n:*_".utf8.contains(bytes[start]) { start += 1 }
    guard start < bytes.count else { return ([], start..<start) }
    var texts: [String] = []
    // Mathematics at the very beginning, with what is joined to it.
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
    return (texts, start..<end)
  }
}
