import ModelFiles

extension TokenizerFile {
  /// Reads the tokenizer of a GGUF model: byte-level BPE with Qwen2's split.
  ///
  /// - Throws: `TokenizationError` naming the key that is missing or not supported.
  init(gguf file: GGUFFile) throws(TokenizationError) {
    func refuse(_ key: String, _ expected: String, found: String? = nil) -> TokenizationError {
      .unsupported(
        file: file.path, place: "key \"tokenizer.ggml.\(key)\"",
        found: found ?? file["tokenizer.ggml." + key]?.summary ?? "nothing", expected: expected)
    }
    guard file["tokenizer.ggml.model"]?.word == "gpt2" else { throw refuse("model", "\"gpt2\"") }
    guard let split = file["tokenizer.ggml.pre"]?.word, Self.qwen2Splits.contains(split) else {
      throw refuse(
        "pre",
        Self.qwen2Splits.map { "\"\($0)\"" }.joined(separator: ", ") + ": the split of words that Qwen2 has",
        found: Self.split(file["tokenizer.ggml.pre"]))
    }
    guard let tokens = file["tokenizer.ggml.tokens"]?.array, tokens.count < 1 << 24 else {
      throw refuse("tokens", "an array of strings")
    }
    let types = file["tokenizer.ggml.token_type"]?.array
    guard types == nil || types?.count == tokens.count else {
      throw refuse("token_type", "\(tokens.count) numbers, one a token")
    }
    var vocabulary = Vocabulary(capacity: tokens.count)
    var added: [AddedToken] = []
    var scratch: [UInt8] = []
    for (id, token) in tokens.enumerated() {
      guard case .string(let text) = token else {
        throw refuse("tokens", "strings only", found: token.summary)
      }
      switch types?[id].integer ?? 1 {
      case 3, 4:  // control and user-defined tokens, matched in the text itself
        added.append(
          AddedToken(
            id: id, content: text, isSpecial: types?[id].integer == 3, isSingleWord: false, stripsLeft: false,
            stripsRight: false, isNormalized: false))
      case 5: continue  // a row of the embedding without a token
      case 1:
        let isSpelled = ByteAlphabet.decode(text[...], into: &scratch)
        guard vocabulary.add(isSpelled ? scratch[...] : text[...], id: id) else {
          throw refuse(
            "tokens", "every token once",
            found: quoted(String(decoding: text, as: UTF8.self)) + " a second time")
        }
      default:
        throw refuse("token_type", "types 1, 3, 4 and 5", found: "\(types?[id].summary ?? "") at \(id)")
      }
    }
    var byteTokens: [Int32] = []
    for byte in UInt8.min...UInt8.max {
      guard let id = vocabulary.id([byte][...]) else {
        throw refuse("tokens", "all 256 bytes", found: "no token for the byte \(byte)")
      }
      byteTokens.append(Int32(id))
    }
    guard let merges = file["tokenizer.ggml.merges"]?.array else {
      throw refuse("merges", "an array of strings")
    }
    var encoder = BytePairEncoder(byteTokens: byteTokens, mergeCount: merges.count)
    var (left, right): ([UInt8], [UInt8]) = ([], [])
    for (rank, merge) in merges.enumerated() {
      guard case .string(let text) = merge, let space = text.firstIndex(of: UInt8(ascii: " ")),
        ByteAlphabet.decode(text[..<space], into: &left),
        ByteAlphabet.decode(text[(space + 1)...], into: &right),
        let leftID = vocabulary.id(left[...]), let rightID = vocabulary.id(right[...]),
        let merged = vocabulary.id((left + right)[...])
      else { throw refuse("merges", "tokens that make another of them", found: merge.summary) }
      encoder.add(leftID, rightID, rank: rank, token: merged)
    }
    var prefix: [Int] = []
    if case .bool(true)? = file["tokenizer.ggml.add_bos_token"] {
      guard let id = file["tokenizer.ggml.bos_token_id"]?.integer, (0..<tokens.count).contains(id) else {
        throw refuse("bos_token_id", "an id below \(tokens.count)")
      }
      prefix = [id]
    }
    if case .bool(true)? = file["tokenizer.ggml.add_eos_token"] { throw refuse("add_eos_token", "false") }
    self.init(
      vocabulary: vocabulary, encoder: encoder, added: added, normalizesNFC: true, prefix: prefix,
      path: file.path)
  }

  /// What llama.cpp calls the split that is Qwen2's: a name for each family that has it.
  private static let qwen2Splits = ["qwen2", "deepseek-r1-qwen", "megrez", "kormo", "f2llmv2"]

  /// Another split, for a message.
  private static func split(_ value: GGUFValue?) -> String {
    switch value?.word {
    case nil where value == nil:
      "nothing, as in files from before llama.cpp named the split: its default would cut words otherwise than Qwen2"
    case "default"?: "\"default\", llama.cpp's default, which cuts words otherwise than Qwen2"
    default: value?.summary ?? "nothing"
    }
  }
}

/// The GGUF file at a path; nil if it is a directory or another file.
func ggufFile(_ path: String) throws(TokenizationError) -> GGUFFile? {
  do throws(ModelFilesError) {
    guard let file = try? MappedFile(path: path), file.byteCount >= 4, file.copy(0..<4) == Array("GGUF".utf8)
    else { return nil }
    return try GGUFFile(path: path)
  } catch { throw .file(error) }
}
