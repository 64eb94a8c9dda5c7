import Foundation
public import ModelFiles
import Support

extension Tokenizer {
  /// A Hugging Face directory's tokenizer as the metadata of a GGUF file, as llama.cpp's converter writes it: tokens,
  /// their types, merges or scores, special ids and the chat template.
  ///
  /// - Parameters:
  ///   - directory: a model's directory with `tokenizer.json`.
  ///   - idCount: rows of the embedding; ids without a token become unused ones.
  /// - Throws: `TokenizationError` for a tokenizer that is not supported, because nothing here could use the file.
  public static func ggufMetadata(
    directory: String, idCount: Int
  ) throws(TokenizationError) -> [(key: String, value: GGUFValue)] {
    let path = directory + "/tokenizer.json"
    let file = try TokenizerFile(path: path)
    do {
      let tokens =
        file.spelling == .byteLevel
        ? try byteLevel(file, path, idCount)
        : try scored(ScoredTokens(file, path: path, idCount: idCount), file)
      return tokens + (try special(directory, file))
    } catch let error as TokenizationError {
      throw error
    } catch let error as ModelFilesError {
      throw .file(error)
    } catch {
      preconditionFailure("only the errors above are thrown")
    }
  }

  private static func byteLevel(
    _ file: TokenizerFile, _ path: String, _ idCount: Int
  ) throws -> [(key: String, value: GGUFValue)] {
    let split = try split(file, path)
    let source = try TokenizerSource(path: path, idCount: idCount, added: file.added)
    return [
      ("tokenizer.ggml.model", .text("gpt2")), ("tokenizer.ggml.pre", .text(split)),
      ("tokenizer.ggml.tokens", .array(.string, source.tokens)),
      ("tokenizer.ggml.token_type", .array(.int32, source.types)),
      ("tokenizer.ggml.merges", .array(.string, source.merges)),
    ]
  }

  private static func scored(_ source: ScoredTokens, _ file: TokenizerFile) -> [(
    key: String, value: GGUFValue
  )] {
    var metadata: [(key: String, value: GGUFValue)] = [
      ("tokenizer.ggml.model", .text("llama")), ("tokenizer.ggml.pre", .text("default")),
      ("tokenizer.ggml.tokens", .array(.string, source.texts.map { .string($0) })),
      ("tokenizer.ggml.scores", .array(.float32, source.scores.map { .float32($0) })),
      ("tokenizer.ggml.token_type", .array(.int32, source.types.map { .int32($0) })),
      ("tokenizer.ggml.add_space_prefix", .bool(file.normalizer == .metaspace(.always))),
    ]
    if let order = source.order {
      metadata.append((ScoredTokens.orderKey, .array(.int32, order.map { .int32($0) })))
    }
    return metadata
  }

  /// The name of the way in which words are split.
  private static func split(_ file: TokenizerFile, _ path: String) throws -> String {
    let known = GGUFSplit.all.first {
      $0.splitting == file.splitting && $0.ignoresMerges == file.ignoresMerges
        // Some of Qwen's relatives leave NFC out; llama.cpp has none at all.
        && ($0.normalizer == file.normalizer || file.normalizer == .none)
    }
    guard let known else {
      throw TokenizationError.unsupported(
        file: path, place: "pre_tokenizer and normalizer", found: "a combination that GGUF has no name for",
        expected:
          "that of Qwen2, Llama 3, SmolLM2 or GPT-2"
      )
    }
    // Both split alike; the name tells llama.cpp the family.
    return known.splitting == .words(numbers: 1) && !file.prefix.isEmpty ? "deepseek-r1-qwen" : known.names[0]
  }

  /// Special ids, whether they are added to a text, and the chat template.
  private static func special(
    _ directory: String, _ file: TokenizerFile
  ) throws -> [(key: String, value: GGUFValue)] {
    let config = try tokenizerConfig(directory)
    let model = try JSON.parse(path: directory + "/config.json").object
    var metadata: [(key: String, value: GGUFValue)] = []
    // What tokenizer.json says of them holds, also where tokenizer_config.json differs.
    var known: [String: Int] = [:]
    known["bos"] = file.prefix.first
    known["unk"] = file.first.unknownID
    for (name, key) in [("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")] {
      let id =
        known[name] ?? specialToken(name, config).flatMap { text in
          file.added.first { $0.content == Array(text.utf8) }?.id
        }
        ?? model?[name + "_token_id"]?.int ?? model?[name + "_token_id"]?.array?.first?.int
      if let id, id >= 0, let id = UInt32(exactly: id) {
        metadata.append(("tokenizer.ggml.\(key)_token_id", .uint32(id)))
      }
    }
    let eos = metadata.first { $0.key == GGUFEndTokens.keys[0] }?.value.integer
    metadata += try furtherEnds(directory, model, file.added).filter { $0 != eos }.keyed()
    // tokenizer.json decides, also where tokenizer_config.json differs.
    metadata.append(("tokenizer.ggml.add_bos_token", .bool(!file.prefix.isEmpty)))
    metadata.append(("tokenizer.ggml.add_eos_token", .bool(!file.suffix.isEmpty)))
    if let template = try chatTemplate(directory, config) {
      metadata.append(("tokenizer.chat_template", .text(template)))
    }
    return metadata
  }

  /// The end tokens of both configurations that a reader does not know by their spelling.
  private static func furtherEnds(
    _ directory: String, _ model: JSONObject?, _ added: [AddedToken]
  ) throws -> [Int] {
    let path = directory + "/generation_config.json"
    let generation =
      FileManager.default.fileExists(atPath: path) ? try GenerationConfig(path: path).eosTokenIDs : []
    let value = model?["eos_token_id"]
    var ids: [Int] = []
    for id in (value?.array?.compactMap(\.int) ?? [value?.int].compactMap(\.self)) + generation
    where id >= 0 && !ids.contains(id) {
      let isKnown = added.contains { $0.id == id && GGUFEndTokens.isEnd($0.content, isControl: $0.isSpecial) }
      if !isKnown { ids.append(id) }
    }
    return ids
  }

  private static func chatTemplate(_ directory: String, _ config: JSONObject?) throws -> String? {
    // The configuration comes first here, as in llama.cpp's converter, but not in transformers.
    if let template = config?.chatTemplate { return template }
    let jinja = directory + "/chat_template.jinja"
    guard FileManager.default.fileExists(atPath: jinja) else { return nil }
    let bytes = try MappedFile(path: jinja)
    return String(decoding: bytes.copy(0..<bytes.byteCount), as: UTF8.self)
  }
}

extension [Int] {
  /// End tokens beside the first, under the keys that llama.cpp has for two of them.
  fileprivate func keyed() -> [(key: String, value: GGUFValue)] {
    let ids = compactMap { UInt32(exactly: $0) }
    if ids.count > 2 { return [(GGUFEndTokens.ownKey, .array(.uint32, ids.map { .uint32($0) }))] }
    return zip(GGUFEndTokens.keys.dropFirst(), ids).map { ($0, .uint32($1)) }
  }
}

/// Tokens and merges of a `tokenizer.json` in the spelling of the file.
private struct TokenizerSource {
  var tokens: [GGUFValue] = []
  var types: [GGUFValue] = []
  var merges: [GGUFValue] = []

  init(path: String, idCount: Int, added: [AddedToken]) throws {
    let file = try MappedFile(path: path)
    var reader = try JSONReader(file.copy(0..<file.byteCount), file: path, rules: .configuration)
    var texts = [[UInt8]?](repeating: nil, count: idCount)
    try reader.beginObject()
    while let key = try reader.nextKey() {
      guard reader.word(key) == "model" else {
        try reader.skip()
        continue
      }
      try reader.beginObject()
      while let key = try reader.nextKey() {
        switch reader.word(key) {
        case "vocab":
          try reader.beginObject()
          while let text = try reader.nextKey() {
            let id = try reader.integer()
            try Self.check(id, idCount, path)
            texts[id] = reader.decodedBytes(text)
          }
        case "merges": try readMerges(&reader)
        default: try reader.skip()
        }
      }
    }
    var kinds = [Int32](repeating: 1, count: idCount)  // normal
    for token in added {
      try Self.check(token.id, idCount, path)
      texts[token.id] = token.content
      kinds[token.id] = token.isSpecial || Self.looksSpecial(token.content) ? 3 : 4  // control, user-defined
    }
    for id in 0..<idCount {
      tokens.append(texts[id].map { .string($0) } ?? .text("[PAD\(id)]"))
      types.append(.int32(texts[id] == nil ? 5 : kinds[id]))  // 5: unused
    }
  }

  private static func check(_ id: Int, _ count: Int, _ path: String) throws {
    guard (0..<count).contains(id) else {
      throw TokenizationError.unsupported(
        file: path, place: "model: vocab", found: "the id \(id)",
        expected: "ids below \(count), the rows of the embedding")
    }
  }

  /// Whether a token is spelled like a mark. Some models do not declare their marks as special; llama.cpp's converter
  /// goes by the spelling too.
  private static func looksSpecial(_ content: [UInt8]) -> Bool {
    let text = String(decoding: content, as: UTF8.self)
    return (text.begins(with: "<|") && text.ends(with: "|>"))
      || (text.begins(with: "<｜") && text.ends(with: "｜>"))
      || text.isSame(as: "<pad>") || text.isSame(as: "<mask>")
  }

  private mutating func readMerges(_ reader: inout JSONReader) throws {
    try reader.beginArray()
    while try reader.nextElement() {
      if try reader.peek() == .string {
        merges.append(.string(try reader.stringBytes()))
        continue
      }
      try reader.beginArray()
      var parts: [[UInt8]] = []
      while try reader.nextElement() { parts.append(try reader.stringBytes()) }
      merges.append(.string(Array(parts.joined(separator: [UInt8(ascii: " ")]))))
    }
  }
}
