import ModelFiles
import Support

/// A tokenizer's rules, checked: what a `tokenizer.json` or a GGUF file says, nothing left out.
struct TokenizerFile: Sendable {
  var vocabulary: Vocabulary
  var encoder: BytePairEncoder
  var first: FirstTokens
  var added: [AddedToken] = []
  var normalizer = Normalizer.none
  /// `▁` for spaces in the pieces between added tokens; nil if the normalizer writes it, or nothing does.
  var marking: Metaspace.Prefix?
  var splitting: PreTokenizer
  var spelling: TokenSpelling
  var ignoresMerges = false
  /// Ids that the post-processor puts before and after a text.
  var prefix: [Int] = []
  var suffix: [Int] = []

  init(path: String) throws(TokenizationError) {
    do {
      let parts = try Parts(path: path)
      let steps = TokenizerSteps(path: path)
      spelling = try steps.spelling(parts.decoder)
      let unit: FirstTokens.Unit = spelling == .byteLevel ? .bytes : .scalars
      normalizer = try steps.normalizer(parts.normalizer, unit)
      (splitting, marking) = try steps.splitting(parts.preTokenizer, unit, normalizer)
      guard var reader = parts.model else {
        throw TokenizationError.unsupported(
          file: path, place: "model", found: "nothing", expected: "a BPE model")
      }
      let model = try BPEModel(
        &reader, unit, marks: Set(parts.added.filter(\.isUnspellable).map(\.id)))
      (vocabulary, encoder, first) = (model.vocabulary, model.encoder, model.first)
      ignoresMerges = model.ignoresMerges
      added = parts.added
      (prefix, suffix) = try steps.ends(parts.postProcessor)
    } catch let error as ModelFilesError {
      throw .file(error)
    } catch let error as TokenizationError {
      throw error
    } catch {
      preconditionFailure("only the errors above are thrown")
    }
  }

  init(
    vocabulary: Vocabulary, encoder: BytePairEncoder, first: FirstTokens, added: [AddedToken],
    normalizer: Normalizer, splitting: PreTokenizer, spelling: TokenSpelling, ignoresMerges: Bool = false,
    prefix: [Int]
  ) {
    self.vocabulary = vocabulary
    self.encoder = encoder
    self.first = first
    self.added = added
    self.normalizer = normalizer
    self.splitting = splitting
    self.spelling = spelling
    self.ignoresMerges = ignoresMerges
    self.prefix = prefix
  }
}

/// The members of a `tokenizer.json`; the model, which is long, is found but not read.
private struct Parts {
  /// Stands where the model begins.
  var model: JSONReader?
  var added: [AddedToken] = []
  var normalizer: JSONValue?
  var preTokenizer: JSONValue?
  var decoder: JSONValue?
  var postProcessor: JSONValue?

  /// Several times what the largest vocabularies take.
  private static let maximumByteCount = 256 << 20
  /// The longest text of an added token, in bytes.
  private static let maximumTokenByteCount = 1024

  init(path: String) throws {
    let file = try MappedFile(path: path)
    guard file.byteCount <= Self.maximumByteCount else {
      throw TokenizationError.unsupported(
        file: path, place: "whole file", found: "\(file.byteCount) bytes",
        expected: "at most \(Self.maximumByteCount)")
    }
    var reader = try JSONReader(file.copy(0..<file.byteCount), file: path, rules: .configuration)
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch reader.word(key) {
      case "model":
        model = reader
        try reader.skip()
      case "added_tokens": added = try Self.addedTokens(try JSON.value(&reader), path)
      case "normalizer": normalizer = try JSON.value(&reader)
      case "pre_tokenizer": preTokenizer = try JSON.value(&reader)
      case "decoder": decoder = try JSON.value(&reader)
      case "post_processor": postProcessor = try JSON.value(&reader)
      default: try reader.skip()
      }
    }
    try reader.finish()
  }

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
}
