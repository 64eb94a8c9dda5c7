/// A token that is matched in the text itself, before the model sees it.
struct AddedToken: Sendable {
  let id: Int
  let content: [UInt8]
  let isSpecial: Bool
  let isSingleWord: Bool
  let stripsLeft: Bool
  let stripsRight: Bool
  let isNormalized: Bool
}

/// Finds added tokens in a text, leftmost and then longest.
struct AddedTokenMatcher: Sendable {
  private let tokens: [AddedToken]  // longest first
  private var byFirstByte: [[Int]]  // indices into `tokens`

  init(_ tokens: [AddedToken]) {
    self.tokens = tokens.filter { !$0.content.isEmpty }.sorted { $0.content.count > $1.content.count }
    byFirstByte = Array(repeating: [], count: 256)
    for (index, token) in self.tokens.enumerated() { byFirstByte[Int(token.content[0])].append(index) }
  }

  var isEmpty: Bool { tokens.isEmpty }

  /// Splits `bytes[range]`: pieces of text, and tokens with their ids, in order.
  func split(_ bytes: [UInt8], _ range: Range<Int>, text: (Range<Int>) -> Void, token: (Int) -> Void) {
    var plain = range.lowerBound
    var i = range.lowerBound
    while i < range.upperBound {
      guard !byFirstByte[Int(bytes[i])].isEmpty, let found = match(bytes, i, range) else {
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

  private func match(_ bytes: [UInt8], _ i: Int, _ range: Range<Int>) -> AddedToken? {
    for index in byFirstByte[Int(bytes[i])] {
      let content = tokens[index].content
      guard i + content.count <= range.upperBound else { continue }
      var same = true
      for (offset, byte) in content.enumerated() where bytes[i + offset] != byte {
        same = false
        break
      }
      if same { return tokens[index] }
    }
    return nil
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
