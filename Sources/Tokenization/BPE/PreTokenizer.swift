/// Qwen2's split of a text into words; no token crosses a word's border.
///
/// The expression, alternatives tried in this order at each place:
/// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
enum PreTokenizer {
  /// The expression as `tokenizer.json` spells it.
  static let expression =
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

  /// Calls `body` for each word of the valid UTF-8 `bytes[range]`; the words cover it without gaps.
  static func split(_ bytes: [UInt8], _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
    var start = range.lowerBound
    while start < range.upperBound {
      let end = wordEnd(bytes, start, range.upperBound)
      body(start..<end)
      start = end
    }
  }

  private static func wordEnd(_ bytes: [UInt8], _ start: Int, _ limit: Int) -> Int {
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
    if first.isNumber { return next }
    if first.isOther { return punctuation(bytes, next, limit) }
    if scalar == " ", let second, second.isOther { return punctuation(bytes, next, limit) }
    return whitespace(bytes, start, limit)
  }

  /// `[^\s\p{L}\p{N}]+[\r\n]*`, its first character (and space) already taken.
  private static func punctuation(_ bytes: [UInt8], _ start: Int, _ limit: Int) -> Int {
    let end = run(bytes, start, limit) { $0.isOther }
    return run(bytes, end, limit) { $0.isNewline }
  }

  /// `\s*[\r\n]+|\s+(?!\S)|\s+` on a run of white space that begins at `start`.
  private static func whitespace(_ bytes: [UInt8], _ start: Int, _ limit: Int) -> Int {
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
    if let lastNewlineEnd { return lastNewlineEnd }
    // The last space before a word stays with the word.
    return end == limit || lastStart == start ? end : lastStart
  }

  private static func run(
    _ bytes: [UInt8], _ start: Int, _ limit: Int, while condition: (ScalarClass) -> Bool
  ) -> Int {
    var end = start
    while end < limit {
      let (scalar, length) = decodeScalar(bytes, end)
      guard condition(ScalarClass(scalar)) else { break }
      end += length
    }
    return end
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
