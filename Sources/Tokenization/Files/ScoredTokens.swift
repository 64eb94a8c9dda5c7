import ModelFiles
import Support

/// A SentencePiece-style `tokenizer.json` as GGUF files tell it: tokens with scores instead of merges.
struct ScoredTokens {
  private(set) var types: [Int32]
  private(set) var texts: [[UInt8]]
  private(set) var scores: [Float]
  /// The pairs that merge, in order; nil where scores tell it.
  private(set) var order: [Int32]?

  /// Where a file tells merges whose order its scores don't tell: ids in pairs. A key of Tina's own; llama.cpp merges
  /// the leftmost of pairs that make one token.
  static let orderKey = "tina.merges"

  private let path: String

  /// - Parameter idCount: rows of the embedding; ids without a token become unused ones.
  /// - Throws: `TokenizationError` for rules that a GGUF file can't tell.
  init(_ file: TokenizerFile, path: String, idCount: Int) throws(TokenizationError) {
    self.path = path
    texts = (0..<idCount).map { Array("[PAD\($0)]".utf8) }
    types = Array(repeating: 5, count: idCount)  // unused
    scores = Array(repeating: 0, count: idCount)
    let count = max(file.vocabulary.idCount, (file.added.map(\.id).max() ?? -1) + 1)
    guard count <= idCount else {
      throw refuse("model: vocab", "the id \(count - 1)", "ids below \(idCount), the rows of the embedding")
    }
    try check(file)
    for id in 0..<file.vocabulary.idCount {
      guard let text = file.vocabulary.token(id) else { continue }
      texts[id] = Array(text)
      types[id] = Metaspace.byte(text) == nil ? 1 : 6  // normal, byte
    }
    for token in file.added {
      let isRun = Self.isRun(token)
      // Like llama.cpp's converter: a run of spaces is written with spaces.
      texts[token.id] = isRun ? Metaspace.spaced(token.content[...]) : token.content
      // Unknown, control, the user's.
      types[token.id] = token.id == file.first.unknownID ? 2 : token.isSpecial ? 3 : 4
    }
    try checkRuns(file)
    try score(file)
  }

  private func refuse(_ place: String, _ found: String, _ expected: String) -> TokenizationError {
    .unsupported(file: path, place: place, found: found, expected: expected + ", for a GGUF file")
  }

  /// Refuses what a reader of scores would do otherwise.
  private func check(_ file: TokenizerFile) throws(TokenizationError) {
    let addsSpace = file.normalizer == .metaspace(.always)
    guard addsSpace || file.normalizer == .metaspace(.never), file.splitting == .whole, !file.ignoresMerges,
      file.spelling == .metaspace(dropsFirstSpace: addsSpace)
    else {
      throw refuse(
        "normalizer, pre_tokenizer and decoder", "steps of another kind",
        "the normalizer Replace without Strip in the decoder, or Prepend and Replace with it")
    }
    let first = FirstTokens(.scalars, file.vocabulary, unknown: file.first.unknownID, fusesUnknown: true)
    guard file.first.spellsEveryByte ? first.spellsEveryByte : file.first == first else {
      throw refuse(
        "model: byte_fallback and fuse_unk", "tokens of bytes that are not used, or unknown ones apiece",
        "both true")
    }
    for token in file.added {
      let isRun = Self.isRun(token)
      let isPlain = !token.isSingleWord && !token.stripsLeft && !token.stripsRight && !token.isNormalized
      guard isPlain, !(isRun && addsSpace) else {
        throw refuse(
          "added_tokens", quoted(String(decoding: token.content, as: UTF8.self)),
          "tokens that are matched in the text as it is, alone: single_word, lstrip, rstrip and normalized false"
        )
      }
    }
  }

  private static func isRun(_ token: AddedToken) -> Bool {
    !token.isSpecial && Metaspace.spaced(token.content[...]).allSatisfy { $0 == UInt8(ascii: " ") }
  }

  /// Refuses runs of spaces that don't come first: readers match them before anything merges.
  private func checkRuns(_ file: TokenizerFile) throws(TokenizationError) {
    let runs = Set(file.added.filter(Self.isRun).map(\.id))
    guard !runs.isEmpty else { return }
    let merges = file.encoder.merges
    let others = merges.firstIndex { types[$0.token] == 1 } ?? merges.count
    var isFirst = !merges.dropFirst(others).contains { runs.contains($0.token) }
    let mark = file.vocabulary.id(Metaspace.mark[...])
    for id in runs {
      var found: [Int] = []
      let word = [Int32](repeating: Int32(mark ?? 0), count: texts[id].count)
      isFirst = isFirst && mark != nil && file.encoder.encode(word, into: &found) { false } && found == [id]
    }
    guard isFirst else {
      throw refuse("model: merges", "runs of spaces that merge after other tokens", "their merges first")
    }
  }

  /// Gives tokens the scores by which they merge as the file says.
  private mutating func score(_ file: TokenizerFile) throws(TokenizationError) {
    // Added tokens are matched before anything merges: what makes one, or goes on from one, never happens. Runs of
    // spaces are the exception, since spaces become marks first.
    let added = Set(file.added.filter { !Self.isRun($0) }.map(\.id))
    let merges = file.encoder.merges.filter {
      types[$0.token] == 1 && !added.contains($0.left) && !added.contains($0.right)
    }
    let isInTurn = giveScores(merges)
    let found = try scoredMerges()
    let (inFile, inScores) = (Set(merges), Set(found))
    if let other = found.first(where: { !inFile.contains($0) }) {
      throw refuse(
        "model: merges", "no merge of \(name(other.left)) and \(name(other.right))",
        "every pair of tokens that makes a third")
    }
    if let other = merges.first(where: { !inScores.contains($0) }) {
      throw refuse(
        "model: merges", "\(name(other.left)) and \(name(other.right)), one of them a run of spaces",
        "pairs of other tokens")
    }
    if merges == found { return }
    guard isInTurn else {
      throw refuse(
        "model: merges", "merges of one token between those of another",
        "the order of their tokens' scores, as SentencePiece's have it")
    }
    order = merges.flatMap { [Int32($0.left), Int32($0.right)] }
  }

  /// Gives tokens falling scores in the order of their merges. Those whose merges mingle get the same one.
  ///
  /// - Returns: whether none mingle.
  private mutating func giveScores(_ merges: [BytePairEncoder.Merge]) -> Bool {
    var last = [Int](repeating: -1, count: types.count)
    for (rank, merge) in merges.enumerated() { last[merge.token] = rank }
    var isInTurn = true
    var score: Float = 0
    var (end, first) = (-1, -1)  // where the merges of a score end, and whose begins them
    for (rank, merge) in merges.enumerated() {
      if rank > end {
        if rank > 0 { score -= 1 }
        first = merge.token
      }
      isInTurn = isInTurn && merge.token == first
      end = max(end, last[merge.token])
      scores[merge.token] = score
    }
    for id in types.indices where types[id] == 1 && last[id] < 0 { scores[id] = score - 1 }
    return isInTurn
  }

  /// The merges that a reader of the file makes.
  private func scoredMerges() throws(TokenizationError) -> [BytePairEncoder.Merge] {
    var scored = ScoredMerges()
    let vocabulary = try readBack()
    let limit = ScoredMerges.maximumTokenByteCount
    for id in types.indices where types[id] == 1 {
      guard texts[id].count <= limit, scored.add(texts[id][...], id: id, score: scores[id], vocabulary) else {
        throw refuse("model: vocab", name(id), "tokens of at most \(limit) bytes, and 2 million merges")
      }
    }
    return scored.encoder().merges
  }

  /// The vocabulary as a reader of the file has it.
  private func readBack() throws(TokenizationError) -> Vocabulary {
    var vocabulary = Vocabulary(capacity: texts.count)
    for id in types.indices where types[id] == 1 || types[id] == 6 {
      guard vocabulary.add(texts[id][...], id: id) else {
        throw refuse("model: vocab", name(id), "every token once")
      }
    }
    return vocabulary
  }

  private func name(_ id: Int) -> String { quoted(String(decoding: texts[id], as: UTF8.self)) }
}
