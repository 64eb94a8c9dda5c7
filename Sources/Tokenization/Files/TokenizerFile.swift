import ModelFiles
import Support

/// The contents of a `tokenizer.json`, checked: byte-level BPE with Qwen2's split, nothing else.
struct TokenizerFile {
  var vocabulary: Vocabulary
  var encoder: BytePairEncoder
  var added: [AddedToken] = []
  var normalizesNFC = false
  var ignoresMerges = false
  /// Ids that the post-processor puts before and after a text.
  var prefix: [Int] = []
  var suffix: [Int] = []

  private let path: String

  init(
    vocabulary: Vocabulary, encoder: BytePairEncoder, added: [AddedToken], normalizesNFC: Bool, prefix: [Int],
    path: String
  ) {
    self.vocabulary = vocabulary
    self.encoder = encoder
    self.added = added
    self.normalizesNFC = normalizesNFC
    self.prefix = prefix
    self.path = path
  }

  init(path: String) throws(TokenizationError) {
    self.path = path
    do {
      var parts = try Self.read(path)
      guard let model = parts.model else {
        throw TokenizationError.unsupported(
          file: path, place: "model", found: "nothing", expected: "a BPE model")
      }
      (vocabulary, encoder) = (model.vocabulary, model.encoder)
      ignoresMerges = model.ignoresMerges
      added = parts.added
      try checkNormalizer(parts.normalizer)
      try checkPreTokenizer(parts.preTokenizer)
      try checkDecoder(parts.decoder)
      try readPostProcessor(parts.postProcessor)
      parts.added = []
    } catch let error as ModelFilesError {
      throw .file(error)
    } catch let error as TokenizationError {
      throw error
    } catch {
      preconditionFailure("only the errors above are thrown")
    }
  }

  private struct Parts {
    var model: BPEModel?
    var added: [AddedToken] = []
    var normalizer: JSONValue?
    var preTokenizer: JSONValue?
    var decoder: JSONValue?
    var postProcessor: JSONValue?
  }

  private static func read(_ path: String) throws -> Parts {
    let file = try MappedFile(path: path)
    guard file.byteCount <= Self.maximumByteCount else {
      throw ModelFilesError(
        .malformed, file: path, found: "\(file.byteCount) bytes",
        expected: "a tokenizer of at most \(Self.maximumByteCount) bytes")
    }
    let bytes = file.copy(0..<file.byteCount)
    var reader = try JSONReader(bytes, file: path, rules: .configuration)
    var parts = Parts()
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch reader.word(key) {
      case "model": parts.model = try BPEModel(&reader)
      case "added_tokens": parts.added = try addedTokens(try JSON.value(&reader), path)
      case "normalizer": parts.normalizer = try JSON.value(&reader)
      case "pre_tokenizer": parts.preTokenizer = try JSON.value(&reader)
      case "decoder": parts.decoder = try JSON.value(&reader)
      case "post_processor": parts.postProcessor = try JSON.value(&reader)
      default: try reader.skip()
      }
    }
    try reader.finish()
    return parts
  }

  /// Several times what the largest vocabularies take.
  private static let maximumByteCount = 256 << 20
  /// The longest text of an added token, in bytes.
  private static let maximumTokenByteCount = 1024

  private static func addedTokens(_ value: JSONValue, _ path: String) throws -> [AddedToken] {
    try (value.array ?? []).enumerated().map { index, item in
      guard let object = item.object, let id = object["id"]?.int, let content = object["content"]?.string,
        (0..<(1 << 24)).contains(id), content.utf8.count <= maximumTokenByteCount
      else {
        throw TokenizationError.unsupported(
          file: path, place: "added_tokens[\(index)]", found: item.summary,
          expected:
            "an object with content of at most \(maximumTokenByteCount) bytes and an id below 16777216")
      }
      return AddedToken(
        id: id, content: Array(content.utf8), isSpecial: object["special"]?.bool ?? false,
        isSingleWord: object["single_word"]?.bool ?? false, stripsLeft: object["lstrip"]?.bool ?? false,
        stripsRight: object["rstrip"]?.bool ?? false, isNormalized: object["normalized"]?.bool ?? true)
    }
  }

  private func refuse(_ place: String, _ found: String, _ expected: String) -> TokenizationError {
    .unsupported(file: path, place: place, found: found, expected: expected)
  }

  /// The steps of a component: itself, or the members of its Sequence.
  private func steps(_ value: JSONValue?, _ list: String) -> [JSONObject] {
    guard let object = value?.object else { return [] }
    guard object["type"]?.word == "Sequence" else { return [object] }
    return (object[list]?.array ?? []).compactMap(\.object)
  }

  private mutating func checkNormalizer(_ value: JSONValue?) throws {
    for step in steps(value, "normalizers") {
      guard step["type"]?.word == "NFC" else {
        throw refuse("normalizer", step["type"]?.summary ?? "no type", "NFC or none")
      }
      normalizesNFC = true
    }
  }

  private func checkPreTokenizer(_ value: JSONValue?) throws {
    let steps = steps(value, "pretokenizers")
    guard steps.count == 2, steps[0]["type"]?.word == "Split", steps[1]["type"]?.word == "ByteLevel"
    else {
      throw refuse(
        "pre_tokenizer", steps.map { $0["type"]?.string ?? "?" }.joined(separator: ", "), "Split, ByteLevel")
    }
    let expression = steps[0]["pattern"]?.object?["Regex"]?.string ?? "none"
    guard expression.isSame(as: PreTokenizer.expression) else {
      throw refuse("pre_tokenizer: pattern", quoted(expression), "Qwen2's " + quoted(PreTokenizer.expression))
    }
    guard steps[0]["behavior"]?.word == "Isolated", steps[0]["invert"]?.bool != true else {
      throw refuse(
        "pre_tokenizer: behavior", steps[0]["behavior"]?.summary ?? "none", "Isolated, not inverted")
    }
    for flag in ["use_regex", "add_prefix_space"] where steps[1][flag]?.bool != false {
      throw refuse("pre_tokenizer: \(flag)", steps[1][flag]?.summary ?? "nothing", "false")
    }
  }

  private func checkDecoder(_ value: JSONValue?) throws {
    let names = steps(value, "decoders").map { $0["type"]?.word ?? "?" }
    guard names == ["ByteLevel"] else {
      throw refuse("decoder", names.joined(separator: ", "), "ByteLevel")
    }
  }

  private mutating func readPostProcessor(_ value: JSONValue?) throws {
    for step in steps(value, "processors") {
      switch step["type"]?.word {
      case "ByteLevel": continue  // it only moves offsets
      case "TemplateProcessing": try readTemplate(step)
      default:
        throw refuse(
          "post_processor", step["type"]?.summary ?? "no type", "TemplateProcessing, ByteLevel or none")
      }
    }
  }

  private mutating func readTemplate(_ step: JSONObject) throws {
    var isBefore = true
    var sequences = 0
    for piece in step["single"]?.array ?? [] {
      if piece.object?["Sequence"] != nil {
        isBefore = false
        sequences += 1
      } else if let name = piece.object?["SpecialToken"]?.object?["id"]?.string {
        let ids = step["special_tokens"]?.object?[name]?.object?["ids"]?.array?.compactMap(\.int) ?? []
        guard !ids.isEmpty else {
          throw refuse("post_processor: special_tokens", "no ids for \(quoted(name))", "its ids")
        }
        if isBefore { prefix += ids } else { suffix += ids }
      } else {
        throw refuse("post_processor: single", piece.summary, "Sequence or SpecialToken")
      }
    }
    guard sequences == 1 else {
      throw refuse("post_processor: single", "\(sequences) sequences", "exactly 1")
    }
  }
}
