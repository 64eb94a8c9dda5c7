import Foundation

/// Turns texts into token ids and back, as `tokenizer.json` says: byte-level BPE with Qwen2's rules.
public struct Tokenizer: Sendable {
  private let vocabulary: Vocabulary
  private let encoder: BytePairEncoder
  private let normalizesNFC: Bool
  private let ignoresMerges: Bool
  private let prefix: [Int]
  private let suffix: [Int]
  private let rawMatcher: AddedTokenMatcher  // on the text as given
  private let normalizedMatcher: AddedTokenMatcher  // on the normalised text
  private let addedByID: [Int: AddedToken]

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
    vocabulary = file.vocabulary
    encoder = file.encoder
    normalizesNFC = file.normalizesNFC
    ignoresMerges = file.ignoresMerges
    prefix = file.prefix
    suffix = file.suffix
    rawMatcher = AddedTokenMatcher(file.added.filter { !$0.isNormalized })
    normalizedMatcher = AddedTokenMatcher(file.added.filter(\.isNormalized))
    addedByID = Dictionary(file.added.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    idCount = max(file.vocabulary.idCount, (file.added.map(\.id).max() ?? -1) + 1)
  }

  /// Whether some token has this id.
  public func isKnown(_ id: Int) -> Bool { addedByID[id] != nil || vocabulary.token(id) != nil }

  /// The id of a token given by its text; nil when no single token is that text.
  public func id(of token: String) -> Int? {
    let bytes = Array(token.utf8)
    return addedByID.values.first { $0.content == bytes }?.id ?? vocabulary.id(bytes[...])
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
  public func encode(_ parts: [TextPart], addSpecialTokens: Bool = false) -> [Int] {
    whole(JoinedText(parts), addSpecialTokens)
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
    _ text: JoinedText, _ addSpecialTokens: Bool, _ isCancelled: () -> Bool
  ) throws(CancellationError) -> [Int] {
    var ids: [Int] = []
    ids.reserveCapacity(text.bytes.count / 3 + 8)
    var stop = CancellationCheck()
    rawMatcher.split(text.bytes, 0..<text.bytes.count, parts: text.parts) { range in
      if let normalized = normalized(text, range, &stop, isCancelled) {
        encodePlain(normalized, 0..<normalized.bytes.count, into: &ids, &stop, isCancelled)
      } else {
        encodePlain(text, range, into: &ids, &stop, isCancelled)
      }
    } token: { id in
      ids.append(id)
    }
    if stop.isStopped { throw CancellationError() }
    guard addSpecialTokens else { return ids }
    return (ids.starts(with: prefix) ? [] : prefix) + ids + suffix
  }

  private func encodePlain(
    _ text: JoinedText, _ range: Range<Int>, into ids: inout [Int], _ stop: inout CancellationCheck,
    _ isCancelled: () -> Bool
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
    let bytes = text.bytes
    for piece in pieces {
      if let token = piece.token {
        ids.append(token)
        continue
      }
      PreTokenizer.split(bytes, piece.range) { word in
        guard !stop.after(word.count, isCancelled) else { return }
        if ignoresMerges, let id = vocabulary.id(bytes[word]) {
          ids.append(id)
        } else if !encoder.encode(bytes[word], into: &ids, isCancelled) {
          stop.isStopped = true
        }
      }
    }
  }

  /// The NFC form of a piece, part by part; nil when it has that form already.
  private func normalized(
    _ text: JoinedText, _ range: Range<Int>, _ stop: inout CancellationCheck, _ isCancelled: () -> Bool
  ) -> JoinedText? {
    // Below U+0300 nothing composes: lead bytes up to 0xCB.
    guard normalizesNFC, text.bytes[range].contains(where: { $0 >= 0xCC }) else { return nil }
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
  public func decode(_ ids: [Int], skipSpecialTokens: Bool = false) -> String {
    var result: [UInt8] = []
    for id in ids { append(id, to: &result, skipSpecialTokens) }
    return String(decoding: result, as: UTF8.self)
  }

  /// A decoder for ids that come one by one.
  public func streamingDecoder(skipSpecialTokens: Bool = false) -> StreamingDecoder {
    StreamingDecoder(tokenizer: self, skipSpecialTokens: skipSpecialTokens)
  }

  func append(_ id: Int, to bytes: inout [UInt8], _ skipSpecialTokens: Bool) {
    if skipSpecialTokens, addedByID[id]?.isSpecial == true { return }
    if let token = self.bytes(of: id) { bytes += token }
  }

  private func bytes(of id: Int) -> ArraySlice<UInt8>? {
    guard let added = addedByID[id] else { return vocabulary.token(id) }
    var spelled: [UInt8] = []
    // The byte-level decoder decodes an added token too, where all its characters are of the byte alphabet.
    return ByteAlphabet.decode(added.content[...], into: &spelled) ? spelled[...] : added.content[...]
  }
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

/// Decodes ids one by one. Its results together equal what `decode` returns for all ids; none ends within a
/// character.
public struct StreamingDecoder: Sendable {
  private let tokenizer: Tokenizer
  private let skipSpecialTokens: Bool
  private var held: [UInt8] = []  // the bytes of an incomplete character

  init(tokenizer: Tokenizer, skipSpecialTokens: Bool) {
    self.tokenizer = tokenizer
    self.skipSpecialTokens = skipSpecialTokens
  }

  /// The text that this id completes; may be empty.
  public mutating func append(_ id: Int) -> String {
    tokenizer.append(id, to: &held, skipSpecialTokens)
    let complete = held.count - incompleteTail()
    let text = String(decoding: held[..<complete], as: UTF8.self)
    held.removeFirst(complete)
    return text
  }

  /// The rest: an incomplete character, as U+FFFD.
  public mutating func finish() -> String {
    defer { held = [] }
    return String(decoding: held, as: UTF8.self)
  }

  /// How many bytes at the end begin a character that more bytes could complete.
  private func incompleteTail() -> Int {
    for back in 1...3 where back <= held.count {
      let byte = held[held.count - back]
      if byte & 0xC0 == 0x80 { continue }
      let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
      return length > back ? back : 0
    }
    return 0
  }
}
