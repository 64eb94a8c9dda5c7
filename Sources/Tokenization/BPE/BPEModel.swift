import ModelFiles

/// The `model` of a `tokenizer.json`: vocabulary and merges.
struct BPEModel {
  let vocabulary: Vocabulary
  let encoder: BytePairEncoder
  let first: FirstTokens
  private(set) var ignoresMerges = false

  /// The most tokens, and the most merges: several times what the largest vocabularies have.
  private static let maximumCount = 1 << 21

  /// Reads the next object of `reader`. The vocabulary may come after the merges.
  ///
  /// - Parameters:
  ///   - unit: bytes for vocabularies in GPT-2's alphabet, scalars for SentencePiece's.
  ///   - marks: ids of added tokens that no merge may make, or a text could spell them.
  init(_ reader: inout JSONReader, _ unit: FirstTokens.Unit, marks: Set<Int>) throws {
    var unknown: String?
    var (fusesUnknown, fallsBack) = (false, false)
    var entries: [(text: JSONReader.Text, id: Int)] = []
    var merges: [(left: JSONReader.Text, right: JSONReader.Text?)] = []
    let file = reader.file
    func refuse(_ place: String, _ found: String, _ expected: String) -> TokenizationError {
      .unsupported(file: file, place: "model: " + place, found: found, expected: expected)
    }
    try reader.beginObject()
    while let key = try reader.nextKey() {
      let name = try reader.name(key)
      switch name {
      case "vocab":
        try reader.beginObject()
        while let key = try reader.nextKey() {
          let id = try reader.integer()
          guard (0..<(1 << 24)).contains(id) else {
            throw refuse("vocab", "the id \(id)", "0 to 16777215")
          }
          entries.append((key, id))
          guard entries.count <= Self.maximumCount else {
            throw refuse("vocab", "more than \(Self.maximumCount) tokens", "at most as many")
          }
        }
      case "merges":
        try reader.beginArray()
        while try reader.nextElement() {
          guard merges.count < Self.maximumCount else {
            throw refuse("merges", "more than \(Self.maximumCount) pairs", "at most as many")
          }
          if try reader.peek() == .string {
            merges.append((try reader.text(), nil))
          } else {
            try reader.beginArray()
            guard try reader.nextElement() else { throw refuse("merges", "an empty pair", "2 tokens") }
            let left = try reader.text()
            guard try reader.nextElement() else { throw refuse("merges", "1 token", "2 tokens") }
            merges.append((left, try reader.text()))
            guard try !reader.nextElement() else { throw refuse("merges", "3 or more tokens", "2 tokens") }
          }
        }
      default:
        let value = try JSON.value(&reader)
        switch name {
        case "type":
          guard value.word == "BPE" else { throw refuse("type", value.summary, "BPE") }
        case "byte_fallback":
          fallsBack = value.bool ?? false
          guard !fallsBack || unit == .scalars else {
            throw refuse(name, value.summary, "false beside ByteLevel")
          }
        case "fuse_unk": fusesUnknown = value.bool ?? false
        case "unk_token":
          guard value.isNull || value.string != nil else { throw refuse(name, value.summary, "a token") }
          unknown = value.string
        case "dropout":
          guard value.isNull else { throw refuse(name, value.summary, "null") }
        case "continuing_subword_prefix", "end_of_word_suffix":
          guard value.isNull || value.word == "" else { throw refuse(name, value.summary, "empty") }
        case "ignore_merges": ignoresMerges = value.bool ?? false
        default: throw refuse(name, value.summary, "no such key")
        }
      }
    }
    var vocabulary = Vocabulary(capacity: entries.count)
    var scratch: [UInt8] = []
    for entry in entries {
      // An added token may be outside the byte alphabet; it stands for its own UTF-8 bytes.
      let text = Self.bytes(reader, entry.text)
      let isSpelled = unit == .bytes && ByteAlphabet.decode(text, into: &scratch)
      guard vocabulary.add(isSpelled ? scratch[...] : text, id: entry.id) else {
        throw refuse(
          "vocab", "\(quoted(reader.decoded(entry.text))) or its id \(entry.id) twice", "each once")
      }
    }
    let unknownID = try unknown.map { token in
      guard let id = vocabulary.id(Array(token.utf8)[...]) else {
        throw refuse("unk_token", quoted(token), "a token of the vocabulary")
      }
      return id
    }
    first = FirstTokens(
      unit, vocabulary,
      byteTokens: unit == .scalars && !fallsBack ? [Int32](repeating: -1, count: 256) : nil,
      unknown: unknownID, fusesUnknown: fusesUnknown)
    encoder = try Self.encoder(reader, merges, vocabulary, unit, marks)
    self.vocabulary = vocabulary
  }

  private static func encoder(
    _ reader: JSONReader, _ merges: [(left: JSONReader.Text, right: JSONReader.Text?)],
    _ vocabulary: Vocabulary, _ unit: FirstTokens.Unit, _ marks: Set<Int>
  ) throws -> BytePairEncoder {
    var encoder = BytePairEncoder(mergeCount: merges.count)
    var left: [UInt8] = []
    var right: [UInt8] = []
    func spell(_ text: ArraySlice<UInt8>, into bytes: inout [UInt8]) -> Bool {
      if unit == .bytes { return ByteAlphabet.decode(text, into: &bytes) }
      bytes = Array(text)
      return true
    }
    for (rank, merge) in merges.enumerated() {
      func refuse(_ found: String, _ expected: String) -> TokenizationError {
        .unsupported(file: reader.file, place: "model: merges[\(rank)]", found: found, expected: expected)
      }
      let first = bytes(reader, merge.left)
      let (leftText, rightText): (ArraySlice<UInt8>, ArraySlice<UInt8>)
      if let second = merge.right {
        (leftText, rightText) = (first, bytes(reader, second))
      } else {
        guard let space = first.firstIndex(of: UInt8(ascii: " ")) else {
          throw refuse(quoted(reader.decoded(merge.left)), "two tokens with a space between")
        }
        (leftText, rightText) = (first[..<space], first[(space + 1)...])
      }
      guard spell(leftText, into: &left), spell(rightText, into: &right),
        let leftID = vocabulary.id(left[...]), let rightID = vocabulary.id(right[...]),
        let merged = vocabulary.id((left + right)[...])
      else {
        throw refuse(
          quoted(String(decoding: first, as: UTF8.self)), "tokens of the vocabulary that make another of them"
        )
      }
      if !marks.contains(merged) { encoder.add(leftID, rightID, rank: rank, token: merged) }
    }
    return encoder
  }

  private static func bytes(_ reader: JSONReader, _ text: JSONReader.Text) -> ArraySlice<UInt8> {
    text.hasEscapes ? reader.decodedBytes(text)[...] : reader.bytes[text.range]
  }
}
