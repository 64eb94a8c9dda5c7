import ModelFiles
import Support

extension TokenizerFile {
  /// Reads the tokenizer of a GGUF model: byte-level BPE, or SentencePiece's with scores.
  ///
  /// - Throws: `TokenizationError` naming the key that is missing or not supported.
  init(gguf file: GGUFFile) throws(TokenizationError) {
    let source = GGUFTokenizerKeys(file: file)
    switch file["tokenizer.ggml.model"]?.word {
    case "gpt2": try self.init(byteLevel: source)
    case "llama": try self.init(scored: source)
    default: throw source.refuse("model", "\"gpt2\" or \"llama\"")
    }
  }

  private init(byteLevel source: GGUFTokenizerKeys) throws(TokenizationError) {
    let split = try source.split()
    let tokens = try source.tokens()
    var vocabulary = Vocabulary(capacity: tokens.count)
    var added: [AddedToken] = []
    var scratch: [UInt8] = []
    for (id, token) in tokens.enumerated() {
      switch token.type {
      case 3, 4: added.append(AddedToken(id: id, content: token.text, isSpecial: token.type == 3))
      case 5: continue  // a row of the embedding without a token
      case 1:
        let isSpelled = ByteAlphabet.decode(token.text[...], into: &scratch)
        guard vocabulary.add(isSpelled ? scratch[...] : token.text[...], id: id) else {
          throw source.refuseSecond(token.text)
        }
      default: throw source.refuse("token_type", "types 1, 3, 4 and 5", found: "\(token.type) at \(id)")
      }
    }
    guard let merges = source.file["tokenizer.ggml.merges"]?.array else {
      throw source.refuse("merges", "an array of strings")
    }
    var encoder = BytePairEncoder(mergeCount: merges.count)
    var (left, right): ([UInt8], [UInt8]) = ([], [])
    for (rank, merge) in merges.enumerated() {
      guard case .string(let text) = merge, let space = text.firstIndex(of: UInt8(ascii: " ")),
        ByteAlphabet.decode(text[..<space], into: &left),
        ByteAlphabet.decode(text[(space + 1)...], into: &right),
        let leftID = vocabulary.id(left[...]), let rightID = vocabulary.id(right[...]),
        let merged = vocabulary.id((left + right)[...])
      else { throw source.refuse("merges", "tokens that make another of them", found: merge.summary) }
      encoder.add(leftID, rightID, rank: rank, token: merged)
    }
    self.init(
      vocabulary: vocabulary, encoder: encoder, first: FirstTokens(.bytes, vocabulary), added: added,
      normalizer: split.normalizer, splitting: split.splitting, spelling: .byteLevel,
      ignoresMerges: split.ignoresMerges, prefix: try source.prefix(tokens.count, isDefault: false))
  }

  private init(scored source: GGUFTokenizerKeys) throws(TokenizationError) {
    let tokens = try source.tokens()
    let scores = try source.scores(tokens.count)
    let unknown = try source.unknown(tokens.map(\.type))
    let addsSpace = try source.flag("add_space_prefix") ?? true
    var vocabulary = Vocabulary(capacity: tokens.count)
    var added: [AddedToken] = []
    for (id, token) in tokens.enumerated() {
      switch token.type {
      case 2 where id == unknown, 3: added.append(AddedToken(id: id, content: token.text, isSpecial: true))
      case 4:
        added += Self.userDefined(token.text, id, addsSpace: addsSpace)
      case 1, 6:
        guard token.type == 1 || Metaspace.byte(token.text[...]) != nil else {
          throw source.refuse(
            "tokens", "\"<0x…>\" for tokens of bytes",
            found: quoted(String(decoding: token.text, as: UTF8.self)))
        }
        guard token.text.count <= ScoredMerges.maximumTokenByteCount else {
          throw source.refuse(
            "tokens", "at most \(ScoredMerges.maximumTokenByteCount) bytes a token",
            found: "\(token.text.count) at \(id)")
        }
        guard vocabulary.add(token.text[...], id: id) else { throw source.refuseSecond(token.text) }
      case 2, 5: continue
      default: throw source.refuse("token_type", "types 1 to 6", found: "\(token.type) at \(id)")
      }
    }
    var merges = ScoredMerges()
    for (id, token) in tokens.enumerated() where token.type == 1 {
      guard merges.add(token.text[...], id: id, score: scores[id], vocabulary) else {
        throw source.refuse(
          "tokens", "at most \(ScoredMerges.maximumCount) pairs of tokens that make a third", found: "more")
      }
    }
    self.init(
      vocabulary: vocabulary, encoder: try source.ordered(vocabulary) ?? merges.encoder(),
      first: FirstTokens(.scalars, vocabulary, unknown: unknown, fusesUnknown: true), added: added,
      normalizer: .metaspace(addsSpace ? .always : .never), splitting: .whole,
      spelling: .metaspace(dropsFirstSpace: addsSpace),
      prefix: try source.prefix(tokens.count, isDefault: true))
  }

  /// A token that the user defined, in every spelling that a text may have of it.
  private static func userDefined(_ text: [UInt8], _ id: Int, addsSpace: Bool) -> [AddedToken] {
    let own = AddedToken(id: id, content: text, isSpecial: false)
    let (marked, spaced) = (Metaspace.marked(text[...]), Metaspace.spaced(text[...]))
    if !addsSpace, spaced.count > 1, spaced.allSatisfy({ $0 == UInt8(ascii: " ") }) {
      // `tokenizer.json` knows a run of spaces by its marks: first where a text spells them, then in what spaces and
      // other marks became.
      return [own.spelled(marked), AddedToken(id: id, content: marked, isSpecial: false, isNormalized: true)]
    }
    // Files write spaces or marks; texts may hold both.
    return [own] + [marked, spaced].filter { $0 != text }.map { own.spelled($0) }
  }
}

/// The keys of a GGUF file that describe its tokenizer.
private struct GGUFTokenizerKeys {
  let file: GGUFFile

  func refuse(_ key: String, _ expected: String, found: String? = nil) -> TokenizationError {
    .unsupported(
      file: file.path, place: "key \"tokenizer.ggml.\(key)\"",
      found: found ?? file["tokenizer.ggml." + key]?.summary ?? "nothing", expected: expected)
  }

  func refuseSecond(_ text: [UInt8]) -> TokenizationError {
    refuse(
      "tokens", "every token once", found: quoted(String(decoding: text, as: UTF8.self)) + " a second time")
  }

  /// The merges in the order that a file of Tina's tells; nil if scores tell it.
  func ordered(_ vocabulary: Vocabulary) throws(TokenizationError) -> BytePairEncoder? {
    guard let value = file[ScoredTokens.orderKey] else { return nil }
    let ids = value.array?.compactMap(\.integer) ?? []
    guard !ids.isEmpty, ids.count % 2 == 0, ids.count == value.array?.count else {
      throw .unsupported(
        file: file.path, place: "key \"\(ScoredTokens.orderKey)\"", found: value.summary,
        expected: "ids in pairs")
    }
    var encoder = BytePairEncoder(mergeCount: ids.count / 2)
    for rank in 0..<ids.count / 2 {
      let (left, right) = (ids[2 * rank], ids[2 * rank + 1])
      guard let before = vocabulary.token(left), let behind = vocabulary.token(right),
        let merged = vocabulary.id((before + behind)[...])
      else {
        throw .unsupported(
          file: file.path, place: "key \"\(ScoredTokens.orderKey)\"", found: "\(left) and \(right)",
          expected: "tokens that make another of them")
      }
      encoder.add(left, right, rank: rank, token: merged)
    }
    return encoder
  }

  func flag(_ key: String) throws(TokenizationError) -> Bool? {
    guard let value = file["tokenizer.ggml." + key] else { return nil }
    guard case .bool(let flag) = value else { throw refuse(key, "true or false") }
    return flag
  }

  func tokens() throws(TokenizationError) -> [(text: [UInt8], type: Int)] {
    guard let tokens = file["tokenizer.ggml.tokens"]?.array, tokens.count < 1 << 24 else {
      throw refuse("tokens", "an array of strings")
    }
    let types = file["tokenizer.ggml.token_type"]?.array
    guard types == nil || types?.count == tokens.count else {
      throw refuse("token_type", "\(tokens.count) numbers, one a token")
    }
    var result: [(text: [UInt8], type: Int)] = []
    result.reserveCapacity(tokens.count)
    for (id, token) in tokens.enumerated() {
      guard case .string(let text) = token else {
        throw refuse("tokens", "strings only", found: token.summary)
      }
      result.append((text, types?[id].integer ?? 1))
    }
    return result
  }

  func scores(_ count: Int) throws(TokenizationError) -> [Float] {
    guard let values = file["tokenizer.ggml.scores"]?.array, values.count == count else {
      throw refuse("scores", "\(count) numbers, one a token")
    }
    var scores: [Float] = []
    scores.reserveCapacity(count)
    for value in values {
      guard case .float32(let score) = value, score.isFinite else {
        throw refuse("scores", "finite numbers in float32", found: value.summary)
      }
      scores.append(score)
    }
    return scores
  }

  /// The token for what no token spells; nil if the file names none.
  func unknown(_ types: [Int]) throws(TokenizationError) -> Int? {
    guard let value = file["tokenizer.ggml.unknown_token_id"] else { return nil }
    guard let id = value.integer, types.indices.contains(id), types[id] != 5 else {
      throw refuse("unknown_token_id", "the id of a token")
    }
    return id
  }

  /// The id that begins every text.
  func prefix(_ count: Int, isDefault: Bool) throws(TokenizationError) -> [Int] {
    if try flag("add_eos_token") == true { throw refuse("add_eos_token", "false") }
    guard try flag("add_bos_token") ?? isDefault else { return [] }
    guard let id = file["tokenizer.ggml.bos_token_id"]?.integer, (0..<count).contains(id) else {
      throw refuse("bos_token_id", "an id below \(count)")
    }
    return [id]
  }

  /// What llama.cpp calls a way of splitting.
  func split() throws(TokenizationError) -> GGUFSplit {
    let value = file["tokenizer.ggml.pre"]
    if let name = value?.word, let split = GGUFSplit.all.first(where: { $0.names.contains(name) }) {
      return split
    }
    let found =
      switch value?.word {
      case nil where value == nil:
        "nothing, as in files from before llama.cpp named the split: its default would cut words otherwise"
      case "default"?: "\"default\", llama.cpp's default, which cuts words otherwise than the models here"
      default: value?.summary ?? "nothing"
      }
    throw refuse(
      "pre", GGUFSplit.all.flatMap(\.names).map { "\"\($0)\"" }.joined(separator: ", "), found: found)
  }
}

/// A way to split words, by the names that llama.cpp has for it: one for each family of models.
struct GGUFSplit {
  /// The first is what is written.
  let names: [String]
  let splitting: PreTokenizer
  let normalizer: Normalizer
  let ignoresMerges: Bool

  static let all = [
    GGUFSplit(
      names: ["qwen2", "deepseek-r1-qwen", "megrez", "kormo", "f2llmv2"], splitting: .words(numbers: 1),
      normalizer: .nfc, ignoresMerges: false),
    GGUFSplit(
      names: ["llama-bpe", "llama3", "llama-v3"], splitting: .words(numbers: 3), normalizer: .none,
      ignoresMerges: true),
    GGUFSplit(names: ["smollm"], splitting: .numbersThenGPT2, normalizer: .none, ignoresMerges: false),
    GGUFSplit(names: ["gpt-2"], splitting: .gpt2, normalizer: .none, ignoresMerges: false),
  ]
}

/// The GGUF file at a path; nil if it is a directory or another file.
func ggufFile(_ path: String) throws(TokenizationError) -> GGUFFile? {
  do throws(ModelFilesError) {
    guard let file = try? MappedFile(path: path), file.byteCount >= 4, file.copy(0..<4) == Array("GGUF".utf8)
    else { return nil }
    return try GGUFFile(path: path)
  } catch { throw .file(error) }
}
