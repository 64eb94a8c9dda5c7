import Foundation

/// Turns texts into token ids and back, as `tokenizer.json` or a GGUF file says: byte-level BPE, or SentencePiece's.
public struct Tokenizer: Sendable {
  private let rules: TokenizerFile
  private let rawMatcher: AddedTokenMatcher  // on the text as given
  private let normalizedMatcher: AddedTokenMatcher  // on the normalised text
  /// As they are decoded: a token that is compared in the normal form is written in it too.
  private let addedByID: [Int: AddedToken]
  /// Tokens of the vocabulary that no text may spell.
  private let marks: Set<Int>

  /// Highest known id + 1.
  public let idCount: Int

  /// Reads `tokenizer.json` in a model's directory, or the tokenizer in a GGUF file.
  ///
  /// - Throws: `TokenizationError` for a file that is missing, damaged or not supported.
  public init(directory: String) throws(TokenizationError) {
    if let file = try ggufFile(directory) {
      try self.init(TokenizerFile(gguf: file))
    } else {
      try self.init(path: directory + "/tokenizer.json")
    }
  }

  /// Reads a `tokenizer.json`.
  ///
  /// - Throws: `TokenizationError` as above.
  public init(path: String) throws(TokenizationError) {
    try self.init(TokenizerFile(path: path))
  }

  private init(_ file: TokenizerFile) {
    rules = file
    rawMatcher = AddedTokenMatcher(file.added.filter { !$0.isNormalized })
    let added = file.added.map { $0.isNormalized ? $0.spelled(file.normalizer.form($0.content)) : $0 }
    normalizedMatcher = AddedTokenMatcher(added.filter(\.isNormalized))
    addedByID = Dictionary(added.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    marks = Set(file.added.filter { $0.isUnspellable && file.vocabulary.token($0.id) != nil }.map(\.id))
    idCount = max(file.vocabulary.idCount, (file.added.map(\.id).max() ?? -1) + 1)
  }

  /// Whether some token has this id.
  public func isKnown(_ id: Int) -> Bool { addedByID[id] != nil || rules.vocabulary.token(id) != nil }

  /// The id of a token given by its text; nil when no single token is that text.
  public func id(of token: String) -> Int? {
    let bytes = Array(token.utf8)
    let spelled = rules.spelling == .byteLevel ? bytes : Metaspace.marked(bytes[...])
    let added = rules.added.first { $0.content == bytes } ?? rules.added.first { $0.content == spelled }
    return added?.id ?? rules.vocabulary.id(spelled[...])
  }

  /// The text of one token, its damaged UTF-8 repaired; nil for an unknown id.
  public func token(_ id: Int) -> String? { bytes(of: id).map { String(decoding: $0, as: UTF8.self) } }

  /// The bytes of one token; nil for an unknown id. They need not be UTF-8, because a character may extend over
  /// several tokens.
  public func utf8(of id: Int) -> [UInt8]? { bytes(of: id).map { Array($0) } }

  // MARK: Encoding

  /// The ids of `text`, with the post-processor's special tokens (a BOS) unless told otherwise. A text that begins
  /// with the BOS gets no second one.
  public func encode(_ text: String, addSpecialTokens: Bool = true) -> [Int] {
    whole(JoinedText(Array(text.utf8)), addSpecialTokens)
  }

  /// The ids of a text given as bytes. Malformed UTF-8 becomes U+FFFD, as Python's `errors="replace"` does.
  public func encode(utf8: [UInt8], addSpecialTokens: Bool = true) -> [Int] {
    whole(JoinedText(Array(String(decoding: utf8, as: UTF8.self).utf8)), addSpecialTokens)
  }

  /// The ids of parts that are read as one text, each with the added tokens that it may hold.
  ///
  /// - Parameter continues: whether a text comes before it, so that SentencePiece's tokenizers write no space.
  public func encode(_ parts: [TextPart], addSpecialTokens: Bool = false, continues: Bool = false) -> [Int] {
    (try? encode(JoinedText(parts), addSpecialTokens, continues: continues) { false }) ?? []
  }

  /// The same, given up soon after `isCancelled` says so.
  ///
  /// - Throws: `CancellationError` then.
  public func encode(
    _ parts: [TextPart], addSpecialTokens: Bool = false, isCancelled: () -> Bool
  ) throws(CancellationError) -> [Int] {
    try encode(JoinedText(parts), addSpecialTokens, isCancelled)
  }

  /// The ids of a text, given up soon after `isCancelled` says so.
  ///
  /// - Throws: `CancellationError` then.
  public func encode(
    _ text: String, addSpecialTokens: Bool = true, isCancelled: () -> Bool
  ) throws(CancellationError) -> [Int] {
    try encode(JoinedText(Array(text.utf8)), addSpecialTokens, isCancelled)
  }

  private func whole(_ text: JoinedText, _ addSpecialTokens: Bool) -> [Int] {
    (try? encode(text, addSpecialTokens) { false }) ?? []
  }

  private func encode(
    _ text: JoinedText, _ addSpecialTokens: Bool, continues: Bool = false, _ isCancelled: () -> Bool
  ) throws(CancellationError) -> [Int] {
    var ids: [Int] = []
    ids.reserveCapacity(text.bytes.count / 3 + 8)
    var stop = CancellationCheck()
    rawMatcher.split(text.bytes, 0..<text.bytes.count, parts: text.parts) { range in
      let place = range.lowerBound > 0 ? Metaspace.Place.within : continues ? .continued : .start
      if let normalized = normalized(text, range, place, &stop, isCancelled) {
        encodePlain(normalized, 0..<normalized.bytes.count, place, into: &ids, &stop, isCancelled)
      } else {
        encodePlain(text, range, place, into: &ids, &stop, isCancelled)
      }
    } token: { id in
      ids.append(id)
    }
    if stop.isStopped { throw CancellationError() }
    guard addSpecialTokens else { return ids }
    return (ids.starts(with: rules.prefix) ? [] : rules.prefix) + ids + rules.suffix
  }

  private func encodePlain(
    _ text: JoinedText, _ range: Range<Int>, _ place: Metaspace.Place, into ids: inout [Int],
    _ stop: inout CancellationCheck, _ isCancelled: () -> Bool
  ) {
    var pieces: [(range: Range<Int>, token: Int?)] = []
    if normalizedMatcher.isEmpty {
      pieces.append((range, nil))
    } else {
      normalizedMatcher.split(text.bytes, range, parts: text.parts) {
        pieces.append(($0, nil))
      } token: {
        pieces.append((0..<0, $0))
      }
    }
    var symbols: [Int32] = []
    for piece in pieces {
      if let token = piece.token {
        ids.append(token)
        continue
      }
      var (bytes, plain) = (text.bytes, piece.range)
      if let prefix = rules.marking {
        let isFirst = plain.lowerBound == range.lowerBound
        bytes = Metaspace.spelled(text, plain, prefix, isFirst ? place : .within).bytes
        plain = 0..<bytes.count
      }
      rules.splitting.split(bytes, plain) { [bytes] word in
        guard !stop.after(word.count, isCancelled) else { return }
        if rules.ignoresMerges, let id = rules.vocabulary.id(bytes[word]), !marks.contains(id) {
          ids.append(id)
          return
        }
        rules.first.write(bytes[word], rules.vocabulary, into: &symbols)
        if !rules.encoder.encode(symbols, into: &ids, isCancelled) { stop.isStopped = true }
      }
    }
  }

  /// The normal form of a piece, part by part; nil when it has that form already.
  private func normalized(
    _ text: JoinedText, _ range: Range<Int>, _ place: Metaspace.Place, _ stop: inout CancellationCheck,
    _ isCancelled: () -> Bool
  ) -> JoinedText? {
    if case .metaspace(let prefix) = rules.normalizer {
      return Metaspace.spelled(text, range, prefix, place)
    }
    // Below U+0300 nothing composes: lead bytes up to 0xCB.
    guard rules.normalizer == .nfc, text.bytes[range].contains(where: { $0 >= 0xCC }) else { return nil }
    var result = JoinedText()
    for (piece, use) in text.pieces(range) {
      var form: [UInt8] = []
      var start = piece.lowerBound
      while start < piece.upperBound, !stop.isStopped {
        var end = min(start + 1 << 16, piece.upperBound)
        while end < piece.upperBound,
          text.bytes[end] & 0xC0 == 0x80 || !decodeScalar(text.bytes, end).scalar.beginsSegment
        { end += 1 }
        _ = stop.after(end - start, isCancelled)
        form += NormalForm.composed(text.bytes[start..<end])
        start = end
      }
      result.append(form, use)
    }
    return result
  }

  // MARK: Decoding

  /// The text of `ids`. Bytes that are not UTF-8 become U+FFFD; unknown ids are skipped.
  ///
  /// - Parameter continues: whether a text comes before it. SentencePiece's tokenizers write a space before every text,
  ///   which is left out at the beginning of a text, and only there.
  public func decode(_ ids: [Int], skipSpecialTokens: Bool = false, continues: Bool = false) -> String {
    guard rules.spelling == .byteLevel else {
      var decoder = streamingDecoder(skipSpecialTokens: skipSpecialTokens, continues: continues)
      var text = ""
      for id in ids { text += decoder.append(id) }
      return text + decoder.finish()
    }
    var result: [UInt8] = []
    for id in ids { append(id, to: &result, skipSpecialTokens) }
    return String(decoding: result, as: UTF8.self)
  }

  /// A decoder for ids that come one by one. The parameters are those of ``decode(_:skipSpecialTokens:continues:)``.
  public func streamingDecoder(skipSpecialTokens: Bool = false, continues: Bool = false) -> StreamingDecoder {
    StreamingDecoder(
      tokenizer: self, skipSpecialTokens: skipSpecialTokens,
      dropsSpace: rules.spelling == .metaspace(dropsFirstSpace: true) && !continues)
  }

  func append(_ id: Int, to bytes: inout [UInt8], _ skipSpecialTokens: Bool) {
    if skipSpecialTokens, addedByID[id]?.isSpecial == true { return }
    if let token = self.bytes(of: id) { bytes += token }
  }

  private func bytes(of id: Int) -> ArraySlice<UInt8>? {
    guard rules.spelling == .byteLevel else {
      guard let text = addedByID[id]?.content[...] ?? rules.vocabulary.token(id) else { return nil }
      return (Metaspace.byte(text).map { [$0] } ?? Metaspace.spaced(text))[...]
    }
    guard let added = addedByID[id] else { return rules.vocabulary.token(id) }
    var spelled: [UInt8] = []
    // The byte-level decoder decodes an added token too, where all its characters are of the byte alphabet.
    return ByteAlphabet.decode(added.content[...], into: &spelled) ? spelled[...] : added.content[...]
  }

  /// Whether a token spells a byte, as SentencePiece's do for characters that are no token.
  func spellsByte(_ id: Int) -> Bool {
    guard rules.spelling != .byteLevel, let text = addedByID[id]?.content[...] ?? rules.vocabulary.token(id)
    else {
      return false
    }
    return Metaspace.byte(text) != nil
  }

  var isByteLevel: Bool { rules.spelling == .byteLevel }
}

/// Asks now and then whether work is still wanted.
private struct CancellationCheck {
  var isStopped = false
  private var work = 0

  /// Whether to stop, after some more bytes.
  mutating func after(_ bytes: Int, _ isCancelled: () -> Bool) -> Bool {
    work += bytes + 1
    if work > 1 << 16, !isStopped {
      work = 0
      isStopped = isCancelled()
    }
    return isStopped
  }
}
