/// Finds mathematics inside prose: `$…$`, `\(…\)`, `\[…\]`, fractions and numbers.
enum MathSpans {
  private struct Span {
    /// With the delimiters.
    var range: Range<Int>
    var content: Range<Int>
    var isNumber = false
  }

  /// The last pieces, the very last one first. Neighbours that "and", "or" or a comma joins are one piece.
  static func last(in bytes: [UInt8], from start: Int, before end: Int? = nil) -> [String] {
    let end = end ?? bytes.count
    var spans = delimited(bytes, start, end)
    // All of these are in order and apart, so that one look finds the neighbour.
    let delimitedRanges = spans.map(\.range)
    let formulas = BareFormulas.find(bytes, start, end).filter { formula in
      Self.last(of: delimitedRanges, beginningBefore: formula.upperBound).map { !$0.overlaps(formula) }
        ?? true
    }
    let numbers = lastNumbers(bytes, start, end).filter { number in
      Self.last(of: formulas, beginningBefore: number.range.lowerBound + 1)
        .map { !$0.contains(number.range.lowerBound) } ?? true
    }
    spans += numbers.filter { number in
      Self.last(of: delimitedRanges, beginningBefore: number.range.lowerBound + 1).map {
        !($0.contains(number.range.lowerBound) && $0.upperBound > number.range.upperBound)
      } ?? true
    }
    spans += formulas.map { Span(range: $0, content: $0) }
    spans.sort { $0.range.upperBound > $1.range.upperBound }
    var texts = spans.prefix(8).map { span in
      span.isNumber ? string(bytes, span.content) : joined(bytes, span, spans)
    }
    // Dollar signs that mean money may enclose the last number.
    if let number = numbers.last,
      let span = spans.first(where: { $0.range.contains(number.range.lowerBound) }),
      bytes[span.range.lowerBound] == UInt8(ascii: "$"), Prose.isLikely(string(bytes, span.content))
    {
      texts.append(string(bytes, number.content))
    }
    return texts
  }

  /// The last of sorted ranges that begins before `place`.
  private static func last(of ranges: [Range<Int>], beginningBefore place: Int) -> Range<Int>? {
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].lowerBound < place { low = middle + 1 } else { high = middle }
    }
    return low > 0 ? ranges[low - 1] : nil
  }

  /// The first piece.
  static func first(in bytes: [UInt8], from start: Int, before end: Int) -> String? {
    let spans =
      delimited(bytes, start, end) + numbers(bytes, start, end)
      + BareFormulas.find(bytes, start, end).map { Span(range: $0, content: $0) }
    // Of those that begin at one place, the longest.
    return spans.min { ($0.range.lowerBound, -$0.range.count) < ($1.range.lowerBound, -$1.range.count) }
      .map { string(bytes, $0.content) + ($0.isNumber ? "" : suffix(bytes, $0.range.upperBound)) }
  }

  /// The one number in the last bold words, if no long text follows them: "so she has **12 eggs** left".
  static func boldNumber(in bytes: [UInt8], from start: Int) -> String? {
    let start = max(start, bytes.count - 600)
    guard let close = bytes.lastRange(of: "**", from: start),
      let open = bytes.lastRange(of: "**", from: start, before: close.lowerBound),
      bytes.count - close.upperBound <= 200, !bytes[close.upperBound...].contains(10)
    else { return nil }
    let numbers = numbers(bytes, open.upperBound, close.lowerBound)
    // "**Step 3:**" is a heading.
    guard numbers.count == 1, numbers[0].range.lowerBound <= open.upperBound + 1,
      bytes[close.lowerBound - 1] != UInt8(ascii: ":"), bytes[close.lowerBound - 1] != UInt8(ascii: "."),
      close.upperBound == bytes.count || bytes[close.upperBound] != UInt8(ascii: ":"),
      delimited(bytes, open.upperBound, close.lowerBound).isEmpty,
      BareFormulas.find(bytes, open.upperBound, close.lowerBound).isEmpty
    else { return nil }
    return string(bytes, numbers[0].content)
  }

  /// The number at `start` if words follow it, and no more mathematics: "5 because".
  static func leadingNumber(in bytes: [UInt8], at start: Int, before end: Int) -> String? {
    guard let number = numbers(bytes, start, end).first, number.range.lowerBound <= start + 2,
      bytes[start..<number.range.lowerBound].allSatisfy({ "*$-".utf8.contains($0) })
    else { return nil }
    var next = number.range.upperBound
    while next < end, " *".utf8.contains(bytes[next]) { next += 1 }
    return next >= end || bytes[next].isLetter || ",.;%".utf8.contains(bytes[next])
      ? string(bytes, number.content) : nil
  }

  /// The number of pieces between delimiters.
  static func count(in bytes: [UInt8]) -> Int { delimited(bytes, 0, bytes.count).count }

  /// The group of pieces that begins exactly at `start`.
  static func group(in bytes: [UInt8], at start: Int) -> String? {
    let end = min(bytes.count, start + 2000)
    let spans = delimited(bytes, start, end).sorted { $0.range.lowerBound < $1.range.lowerBound }
    guard var current = spans.first, current.range.lowerBound == start else { return nil }
    var text = string(bytes, current.content)
    for next in spans.dropFirst() {
      guard let joint = joint(bytes, current.range.upperBound, next.range.lowerBound) else { break }
      text += joint + string(bytes, next.content)
      current = next
    }
    return text + suffix(bytes, current.range.upperBound)
  }

  private static func string(_ bytes: [UInt8], _ range: Range<Int>) -> String {
    Extraction.string(bytes[range])
  }

  private static func joined(_ bytes: [UInt8], _ span: Span, _ spans: [Span]) -> String {
    var text = string(bytes, span.content) + suffix(bytes, span.range.upperBound)
    var first = span
    for other in spans where !other.isNumber && other.range.upperBound <= first.range.lowerBound {
      guard let joint = joint(bytes, other.range.upperBound, first.range.lowerBound) else { break }
      text = string(bytes, other.content) + joint + text
      first = other
    }
    return text
  }

  private static func joint(_ bytes: [UInt8], _ from: Int, _ to: Int) -> String? {
    guard from <= to, to - from <= 12 else { return nil }
    let words = String(decoding: bytes[from..<to], as: UTF8.self).split {
      $0.isWhitespace || $0 == "," || $0 == ";"
    }
    let hasComma =
      bytes[from..<to].contains(UInt8(ascii: ",")) || bytes[from..<to].contains(UInt8(ascii: ";"))
    guard hasComma || !words.isEmpty, words.allSatisfy({ Parser.isConnective(String($0)) }) else {
      return nil
    }
    return ", "
  }

  /// A percent sign, or the million behind $2$.
  static func suffix(_ bytes: [UInt8], _ end: Int) -> String {
    let percent = percent(bytes, end)
    if !percent.isEmpty { return percent }
    let last = ProseQuantities.multiplierEnd(bytes, end, before: bytes.count)
    return last > end ? " " + string(bytes, end..<last) : ""
  }

  private static func percent(_ bytes: [UInt8], _ end: Int) -> String {
    let after = Extraction.string(bytes[end..<min(bytes.count, end + 14)])
    return after.hasPrefix("%") || after.hasPrefix("\\%")
      || Units.percentWords.contains { after.lowercased().hasPrefix($0) } ? "\\%" : ""
  }

  private static func delimited(_ bytes: [UInt8], _ start: Int, _ end: Int) -> [Span] {
    var spans: [Span] = []
    // A closer that is missing once is missing for all later openers: no second search.
    var missing: Set<String> = []
    var index = start
    while index < end {
      let c = bytes[index]
      if c == UInt8(ascii: "\\"), index + 1 < end {
        let next = bytes[index + 1]
        if next == UInt8(ascii: "(") || next == UInt8(ascii: "[") {
          let closer = next == UInt8(ascii: "(") ? "\\)" : "\\]"
          if !missing.contains(closer), let close = bytes.firstRange(of: closer, from: index + 2, before: end)
          {
            spans.append(Span(range: index..<close.upperBound, content: (index + 2)..<close.lowerBound))
            index = close.upperBound
            continue
          }
          missing.insert(closer)
        }
        index += 2
        continue
      }
      if c == UInt8(ascii: "$") {
        if index + 1 < end, bytes[index + 1] == c {
          if !missing.contains("$$"), let close = bytes.firstRange(of: "$$", from: index + 2, before: end) {
            spans.append(Span(range: index..<close.upperBound, content: (index + 2)..<close.lowerBound))
            index = close.upperBound
            continue
          }
          missing.insert("$$")
          index += 2
          continue
        }
        // "1$" is money.
        if index == start || !bytes[index - 1].isDigit, let close = closingDollar(bytes, index + 1, end) {
          spans.append(Span(range: index..<(close + 1), content: (index + 1)..<close))
          index = close + 1
          continue
        }
      }
      index += 1
    }
    return spans
  }

  private static func closingDollar(_ bytes: [UInt8], _ start: Int, _ end: Int) -> Int? {
    var index = start
    while index < min(end, start + 2000) {
      if bytes[index] == UInt8(ascii: "\\") {
        index += 2
        continue
      }
      if bytes[index] == UInt8(ascii: "$") { return index > start ? index : nil }
      if bytes[index] == 10, index + 1 < end, bytes[index + 1] == 10 { return nil }
      index += 1
    }
    return nil
  }

  /// At least the last eight numbers, if there are so many; a long text need not be read for them as a whole.
  private static func lastNumbers(_ bytes: [UInt8], _ start: Int, _ end: Int) -> [Span] {
    if end - start > 2000, let blank = bytes[(end - 1500)..<end].firstIndex(where: { $0 <= 32 || $0 >= 0xC0 })
    {
      let last = numbers(bytes, blank, end)
      if last.count > 8 { return last }
    }
    return numbers(bytes, start, end)
  }

  /// Free-standing numbers and simple fractions: not the 2 of AZYUK2A.
  private static func numbers(_ bytes: [UInt8], _ start: Int, _ end: Int) -> [Span] {
    var spans: [Span] = []
    var index = start
    while index < end {
      guard
        bytes[index].isDigit
          || (bytes[index] == UInt8(ascii: ".") && index + 1 < end && bytes[index + 1].isDigit)
      else {
        index += 1
        continue
      }
      let before = index > start ? bytes[index - 1] : 32
      var first = index
      index = number(bytes, index, end)
      if index < end, bytes[index] == UInt8(ascii: "/"), index + 1 < end, bytes[index + 1].isDigit {
        index = number(bytes, index + 1, end)
      }
      while index + 1 < end, "^*+-".utf8.contains(bytes[index]), bytes[index + 1].isDigit {
        index = number(bytes, index + 1, end)
      }
      if before.isLetter || before == UInt8(ascii: "_") || before == UInt8(ascii: "\\")
        || before >= 0xC3 && before < 0xE0 || before == UInt8(ascii: "^")
      {
        continue
      }
      if before == UInt8(ascii: "-"), first - 1 == start || " (=[{,:$*".utf8.contains(bytes[first - 2]) {
        first -= 1
      }
      index = repeatingEnd(bytes, first, timeEnd(bytes, index, end), end)
      var last = index
      let after = percent(bytes, index)
      if !after.isEmpty { last = index }
      spans.append(Span(range: first..<last, content: first..<last, isNumber: true))
      if !after.isEmpty, let sign = bytes[index...].firstIndex(of: UInt8(ascii: "%")), sign <= index + 2 {
        spans[spans.count - 1].content = first..<(sign + 1)
      } else if after.isEmpty {
        let last = max(ProseQuantities.end(bytes, index, before: end), halfDayEnd(bytes, index, end))
        spans[spans.count - 1].content = moneyStart(bytes, first, start)..<max(last, index)
        index = max(last, index)
        spans[spans.count - 1].range = first..<index
      }
    }
    return spans
  }

  /// The end of 0.333..., 0.1(6) and 0.\overline{3}.
  private static func repeatingEnd(_ bytes: [UInt8], _ first: Int, _ index: Int, _ end: Int) -> Int {
    guard bytes[first..<index].contains(UInt8(ascii: ".")) || bytes[index..<end].first == UInt8(ascii: ".")
    else {
      return index
    }
    let rest = bytes[index..<min(end, index + 60)]
    for piece in ["...", "…", "\\ldots", "\\dots"] where rest.starts(with: piece.utf8) {
      return index + piece.utf8.count
    }
    let digits = rest.first == UInt8(ascii: ".") ? rest.dropFirst() : rest
    for opener in ["(", "\\overline{", "\\bar{", "\\dot{"] where digits.starts(with: opener.utf8) {
      let inner = digits.dropFirst(opener.utf8.count)
      let count = inner.prefix(while: \.isDigit).count
      let close = inner.dropFirst(count).first
      if count > 0, close == UInt8(ascii: ")") || close == UInt8(ascii: "}") {
        return inner.startIndex + count + 1
      }
    }
    return index
  }

  /// The end of the minutes in 4:30.
  private static func timeEnd(_ bytes: [UInt8], _ index: Int, _ end: Int) -> Int {
    guard index + 2 < end, bytes[index] == UInt8(ascii: ":"), bytes[index + 1].isDigit,
      bytes[index + 2].isDigit,
      index + 3 >= end || !bytes[index + 3].isDigit
    else { return index }
    return index + 3
  }

  /// The end of "p.m." behind a time.
  private static func halfDayEnd(_ bytes: [UInt8], _ start: Int, _ end: Int) -> Int {
    var index = start
    if index < end, bytes[index] == UInt8(ascii: " ") { index += 1 }
    guard index < end, [UInt8(ascii: "a"), UInt8(ascii: "p")].contains(bytes[index] | 0x20) else {
      return start
    }
    index += 1
    if index < end, bytes[index] == UInt8(ascii: ".") { index += 1 }
    guard index < end, bytes[index] | 0x20 == UInt8(ascii: "m"),
      index + 1 >= end || !bytes[index + 1].isLetter
    else {
      return start
    }
    return index + 1
  }

  /// Where the sign of money before a number begins.
  private static func moneyStart(_ bytes: [UInt8], _ first: Int, _ start: Int) -> Int {
    for length in [2, 3] where first - length >= start && bytes[first - length] >= 0xC2 {
      if UnitTable.currencySigns.contains(String(decoding: bytes[(first - length)..<first], as: UTF8.self)) {
        return first - length
      }
    }
    return first
  }

  private static func number(_ bytes: [UInt8], _ start: Int, _ end: Int) -> Int {
    var index = start
    func digits() -> Int {
      var count = 0
      while index + count < end, bytes[index + count].isDigit { count += 1 }
      return count
    }
    let leading = digits()
    index += leading
    // 1,234,567 and 1 234
    if leading > 0, leading <= 3 {
      while index < end, bytes[index] == UInt8(ascii: ",") || bytes[index] == UInt8(ascii: " ") {
        let separator = index
        index += 1
        if digits() != 3 {
          index = separator
          break
        }
        index += 3
      }
    }
    // 1.5 and 2,74
    if index + 1 < end, bytes[index] == UInt8(ascii: ".") || bytes[index] == UInt8(ascii: ","),
      bytes[index + 1].isDigit
    {
      index += 1
      index += digits()
    }
    return index
  }
}
