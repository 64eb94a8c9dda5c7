/// How a text is cut into words; no token crosses a word's border.
enum PreTokenizer: Sendable, Equatable {
  /// Qwen2's and Llama 3's expression, with that many numbers in a word at most. Alternatives tried in this order at
  /// each place:
  /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
  case words(numbers: Int)
  /// GPT-2's expression: `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
  case gpt2
  /// SmolLM's: each number is a word, and what is left is cut as by GPT-2.
  case numbersThenGPT2
  /// Not cut at all, as SentencePiece does.
  case whole
  /// A word begins at each `▁`.
  case marks

  /// The expressions as `tokenizer.json` spells them.
  static let expressions: [(text: String, splitting: PreTokenizer)] = [
    (expression(numbers: #"\p{N}"#), .words(numbers: 1)),
    (expression(numbers: #"\p{N}{1,3}"#), .words(numbers: 3)),
  ]

  private static func expression(numbers: String) -> String {
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"# + numbers
      + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  }

  /// Calls `body` for each word of the valid UTF-8 `bytes[range]`; the words cover it without gaps.
  func split(_ bytes: [UInt8], _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
    var start = range.lowerBound
    while start < range.upperBound {
      let end =
        switch self {
        case .words(let numbers): WordBorders.end(bytes, start, range.upperBound, numbers: numbers)
        case .gpt2: GPT2Borders.end(bytes, start, range.upperBound)
        case .numbersThenGPT2: GPT2Borders.endBesideNumbers(bytes, start, range.upperBound)
        case .whole: range.upperBound
        case .marks: Self.nextMark(bytes, start, range.upperBound)
        }
      body(start..<end)
      start = end
    }
  }

  private static func nextMark(_ bytes: [UInt8], _ start: Int, _ limit: Int) -> Int {
    var end = start + 1
    while end < limit {
      if bytes[end] == Metaspace.mark[0], bytes[end..<limit].starts(with: Metaspace.mark) { break }
      end += 1
    }
    return end
  }
}

/// The words of Qwen2 and Llama 3.
private enum WordBorders {
  static func end(_ bytes: [UInt8], _ start: Int, _ limit: Int, numbers: Int) -> Int {
    if bytes[start] == UInt8(ascii: "'"), let end = contraction(bytes, start, limit) { return end }
    let (scalar, length) = decodeScalar(bytes, start)
    let first = ScalarClass(scalar)
    let next = start + length
    if first.isLetter { return run(bytes, next, limit) { $0.isLetter } }
    let second = next < limit ? ScalarClass(decodeScalar(bytes, next).scalar) : nil
    // [^\r\n\p{L}\p{N}]?\p{L}+ with its optional first character
    if let second, second.isLetter, !first.isNumber, !first.isNewline {
      return run(bytes, next, limit) { $0.isLetter }
    }
    if first.isNumber { return numbers == 1 ? next : run(bytes, next, limit, numbers - 1) { $0.isNumber } }
    if first.isOther { return punctuation(bytes, next, limit) }
    if scalar == " ", let second, second.isOther { return punctuation(bytes, next, limit) }
    return whitespace(bytes, start, limit, keepsNewlines: true)
  }

  /// `[^\s\p{L}\p{N}]+[\r\n]*`, its first character (and space) already taken.
  private static func punctuation(_ bytes: [UInt8], _ start: Int, _ limit: Int) -> Int {
    let end = run(bytes, start, limit) { $0.isOther }
    return run(bytes, end, limit) { $0.isNewline }
  }

  /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)`; ſ (U+017F) folds to s.
  private static func contraction(_ bytes: [UInt8], _ start: Int, _ limit: Int) -> Int? {
    guard start + 1 < limit else { return nil }
    let first = bytes[start + 1] | 0x20
    switch first {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
      return bytes[start + 1] < 0x80 ? start + 2 : nil
    default: break
    }
    if start + 2 < limit, bytes[start + 1] == 0xC5, bytes[start + 2] == 0xBF { return start + 3 }
    guard start + 2 < limit, bytes[start + 1] < 0x80, bytes[start + 2] < 0x80 else { return nil }
    let pair = (first, bytes[start + 2] | 0x20)
    let (r, v, e, l) = (UInt8(ascii: "r"), UInt8(ascii: "v"), UInt8(ascii: "e"), UInt8(ascii: "l"))
    return pair == (r, e) || pair == (v, e) || pair == (l, l) ? start + 3 : nil
  }
}

/// The words of GPT-2.
private enum GPT2Borders {
  static func end(_ bytes: [UInt8], _ start: Int, _ limit: Int) -> Int {
    if bytes[start] == UInt8(ascii: "'"), let end = contraction(bytes, start, limit) { return end }
    let (scalar, length) = decodeScalar(bytes, start)
    var first = ScalarClass(scalar)
    var next = start + length
    if scalar == " ", next < limit {
      let second = decodeScalar(bytes, next)
      let kind = ScalarClass(second.scalar)
      if !kind.isSpace {
        first = kind
        next += second.length
      }
    }
    if first.isLetter { return run(bytes, next, limit) { $0.isLetter } }
    if first.isNumber { return run(bytes, next, limit) { $0.isNumber } }
    if first.isOther { return run(bytes, next, limit) { $0.isOther } }
    return whitespace(bytes, start, limit, keepsNewlines: false)
  }

  /// The end of a number, which is a word of its own, or of a word between numbers.
  ///
  /// Where a number begins the text counts as ended, so that white space before it stays together.
  static func endBesideNumbers(_ bytes: [UInt8], _ start: Int, _ limit: Int) -> Int {
    let (scalar, length) = decodeScalar(bytes, start)
    let first = ScalarClass(scalar)
    if first.isNumber { return start + length }
    if first.isSpace {
      let next = run(bytes, start, limit) { $0.isSpace }
      if next < limit, ScalarClass(decodeScalar(bytes, next).scalar).isNumber { return next }
    }
    return end(bytes, start, limit)
  }

  /// `'s|'t|'re|'ve|'m|'ll|'d`
  private static func contraction(_ bytes: [UInt8], _ start: Int, _ limit: Int) -> Int? {
    let rest = bytes[(start + 1)..<limit]
    return contractions.first { rest.starts(with: $0) }.map { start + 1 + $0.count }
  }

  private static let contractions = ["s", "t", "re", "ve", "m", "ll", "d"].map { Array($0.utf8) }
}

/// `\s+(?!\S)|\s+` on a run of white space that begins at `start`; before them `\s*[\r\n]+` if newlines are kept.
private func whitespace(_ bytes: [UInt8], _ start: Int, _ limit: Int, keepsNewlines: Bool) -> Int {
  var end = start
  var lastNewlineEnd: Int?
  var lastStart = start
  while end < limit {
    let (scalar, length) = decodeScalar(bytes, end)
    let kind = ScalarClass(scalar)
    guard kind.isSpace else { break }
    lastStart = end
    end += length
    if kind.isNewline { lastNewlineEnd = end }
  }
  if keepsNewlines, let lastNewlineEnd { return lastNewlineEnd }
  // The last space before a word stays with the word.
  return end == limit || lastStart == start ? end : lastStart
}

/// The end of a run of at most `count` scalars of a class.
private func run(
  _ bytes: [UInt8], _ start: Int, _ limit: Int, _ count: Int = .max, while condition: (ScalarClass) -> Bool
) -> Int {
  var end = start
  var left = count
  while end < limit, left > 0 {
    let (scalar, length) = decodeScalar(bytes, end)
    guard condition(ScalarClass(scalar)) else { break }
    end += length
    left -= 1
  }
  return end
}
