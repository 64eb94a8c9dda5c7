/// A token that is matched in the text itself, before the model sees it.
struct AddedToken: Sendable {
  let id: Int
  let content: [UInt8]
  let isSpecial: Bool
  let isSingleWord: Bool
  let stripsLeft: Bool
  let stripsRight: Bool
  let isNormalized: Bool
  /// Whether anybody's text may hold it: white space, and HTML's tags, which Gemma has as tokens.
  let isHarmless: Bool

  init(
    id: Int, content: [UInt8], isSpecial: Bool, isSingleWord: Bool = false, stripsLeft: Bool = false,
    stripsRight: Bool = false, isNormalized: Bool = false
  ) {
    self.id = id
    self.content = content
    self.isSpecial = isSpecial
    self.isSingleWord = isSingleWord
    self.stripsLeft = stripsLeft
    self.stripsRight = stripsRight
    self.isNormalized = isNormalized
    isHarmless = !isSpecial && (Self.isBlank(content) || Self.tags.contains(content))
  }

  /// Whether no merge may make it. Where it may be used it is matched before anything merges, and elsewhere it is text.
  var isUnspellable: Bool { !isHarmless && !isSingleWord }

  /// The same token in another spelling.
  func spelled(_ content: [UInt8]) -> AddedToken {
    AddedToken(
      id: id, content: content, isSpecial: isSpecial, isSingleWord: isSingleWord, stripsLeft: stripsLeft,
      stripsRight: stripsRight, isNormalized: isNormalized)
  }

  private static func isBlank(_ content: [UInt8]) -> Bool {
    let blanks = Metaspace.spaced(content[...])
    return !blanks.isEmpty && blanks.allSatisfy { " \t\n\r".utf8.contains($0) }
  }

  /// Tags that are no template's marks: `<s>` ends and begins texts elsewhere.
  private static let tags: Set<[UInt8]> = Set(
    """
    table caption thead tbody tfoot tr th td h1 h2 h3 h4 h5 h6 blockquote strong em b i u sub sup code a html body \
    img span bbox ul li div iframe footer
    """.split(separator: " ").flatMap { [Array("<\($0)>".utf8), Array("</\($0)>".utf8)] })
}

/// Finds added tokens in a text, leftmost and then longest.
struct AddedTokenMatcher: Sendable {
  private let tokens: [AddedToken]  // sorted by their bytes
  private var byFirstByte: [Range<Int>]  // indices into `tokens`

  init(_ tokens: [AddedToken]) {
    self.tokens = tokens.filter { !$0.content.isEmpty }
      .sorted { $0.content.lexicographicallyPrecedes($1.content) }
    byFirstByte = Array(repeating: 0..<0, count: 256)
    for (index, token) in self.tokens.enumerated() {
      let first = Int(token.content[0])
      byFirstByte[first] = (byFirstByte[first].isEmpty ? index : byFirstByte[first].lowerBound)..<index + 1
    }
  }

  var isEmpty: Bool { tokens.isEmpty }

  /// Splits `bytes[range]`: pieces of text, and tokens with their ids, in order.
  ///
  /// - Parameter parts: where the parts of `bytes` end that a token must lie in as a whole, and which tokens each may
  ///   hold.
  func split(
    _ bytes: [UInt8], _ range: Range<Int>, parts: [PartEnd], text: (Range<Int>) -> Void, token: (Int) -> Void
  ) {
    var plain = range.lowerBound
    var i = range.lowerBound
    var part = 0
    while i < range.upperBound {
      while part + 1 < parts.count, parts[part].end <= i { part += 1 }
      guard !byFirstByte[Int(bytes[i])].isEmpty,
        let found = match(bytes, i, min(range.upperBound, parts[part].end), parts[part].use)
      else {
        i += 1
        continue
      }
      var start = i
      var end = i + found.content.count
      if found.isSingleWord, isWord(bytes, before: start, range) || isWord(bytes, after: end, range) {
        i = end
        continue
      }
      if found.stripsLeft { start = skipSpaces(bytes, backFrom: start, to: plain) }
      if found.stripsRight { end = skipSpaces(bytes, from: end, to: range.upperBound) }
      if start > plain { text(plain..<start) }
      token(found.id)
      plain = end
      i = end
    }
    if plain < range.upperBound { text(plain..<range.upperBound) }
  }

  /// The longest token at `i`: the tokens that begin like the text stand together, and become fewer byte by byte.
  private func match(_ bytes: [UInt8], _ i: Int, _ limit: Int, _ use: AddedTokenUse) -> AddedToken? {
    var candidates = byFirstByte[Int(bytes[i])]
    var found: AddedToken?
    var length = 1
    while true {
      // The shortest of those that begin alike comes first.
      let shortest = tokens[candidates.lowerBound]
      if shortest.content.count == length, use.allows(shortest) { found = shortest }
      guard i + length < limit else { return found }
      let byte = bytes[i + length]
      let low = bound(candidates) { $0.count <= length || $0[length] < byte }
      let high = bound(low..<candidates.upperBound) { $0[length] == byte }
      guard low < high else { return found }
      candidates = low..<high
      length += 1
    }
  }

  /// The first index whose token does not satisfy a condition that those before it satisfy.
  private func bound(_ range: Range<Int>, _ condition: ([UInt8]) -> Bool) -> Int {
    var (low, high) = (range.lowerBound, range.upperBound)
    while low < high {
      let middle = (low + high) / 2
      if condition(tokens[middle].content) { low = middle + 1 } else { high = middle }
    }
    return low
  }

  private func isWord(_ bytes: [UInt8], before i: Int, _ range: Range<Int>) -> Bool {
    guard i > range.lowerBound else { return false }
    return isWord(decodeScalar(bytes, scalarStart(bytes, before: i)).scalar)
  }

  private func isWord(_ bytes: [UInt8], after i: Int, _ range: Range<Int>) -> Bool {
    i < range.upperBound && isWord(decodeScalar(bytes, i).scalar)
  }

  private func isWord(_ scalar: Unicode.Scalar) -> Bool {
    let kind = ScalarClass(scalar)
    return kind.isLetter || kind.isNumber || scalar == "_"
  }

  private func skipSpaces(_ bytes: [UInt8], backFrom start: Int, to limit: Int) -> Int {
    var i = start
    while i > limit {
      let previous = scalarStart(bytes, before: i)
      guard ScalarClass(decodeScalar(bytes, previous).scalar).isSpace else { break }
      i = previous
    }
    return i
  }

  private func skipSpaces(_ bytes: [UInt8], from start: Int, to limit: Int) -> Int {
    var i = start
    while i < limit {
      let (scalar, length) = decodeScalar(bytes, i)
      guard ScalarClass(scalar).isSpace else { break }
      i += length
    }
    return i
  }

  private func scalarStart(_ bytes: [UInt8], before i: Int) -> Int {
    var start = i - 1
    while start > 0, bytes[start] & 0xC0 == 0x80 { start -= 1 }
    return start
  }
}
