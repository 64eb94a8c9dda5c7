public import ModelFiles

/// A base's architecture without its weights: enough to name an adapter's modules in other formats.
public struct BaseArchitecture: Sendable, Equatable {
  /// `model_type`: `qwen2`, `llama`.
  public let name: String
  /// Attention heads of the queries.
  public let headCount: Int?
  /// Attention heads of keys and values.
  public let keyValueHeadCount: Int?
  /// Decoder layers.
  public let layerCount: Int?
  /// Rows of the embedding.
  public let vocabularySize: Int?
  /// Whether the head is the embedding.
  public let isTied: Bool?

  /// Makes an architecture.
  public init(
    name: String, headCount: Int? = nil, keyValueHeadCount: Int? = nil, layerCount: Int? = nil,
    vocabularySize: Int? = nil, isTied: Bool? = nil
  ) {
    self.name = name
    self.headCount = headCount
    self.keyValueHeadCount = keyValueHeadCount
    self.layerCount = layerCount
    self.vocabularySize = vocabularySize
    self.isTied = isTied
  }

  /// The architecture of a model in a GGUF file.
  private init(_ file: GGUFFile) throws(ModelFilesError) {
    guard file["general.type"].map({ $0.word == "model" }) ?? true,
      let name = file["general.architecture"]?.word
    else {
      throw ModelFilesError(
        .badValue, file: file.path, place: "key \"general.architecture\"",
        found: file["general.architecture"]?.summary ?? "nothing", expected: "a model's architecture",
        advice: "Name the base model, not an adapter.")
    }
    let heads = file[name + ".attention.head_count"]?.integer
    self.init(
      name: name, headCount: heads,
      keyValueHeadCount: file[name + ".attention.head_count_kv"]?.integer ?? heads,
      layerCount: file[name + ".block_count"]?.integer,
      isTied: !file.tensors.contains { $0.name == "output.weight" })
  }

  /// The architecture of an identified base.
  public init(_ identity: BaseIdentity) {
    func size(_ name: String) -> Int? { identity.dimensions.first { $0.name == name }?.value }
    self.init(
      name: identity.architecture, headCount: size("heads"), keyValueHeadCount: size("kv_heads"),
      layerCount: size("layers"))
  }

  /// Reads a model directory's `config.json`, that file itself, or the metadata of a model's GGUF file. Needs no
  /// weights.
  ///
  /// - Throws: `ModelFilesError` if it is missing, not JSON or without `model_type`.
  public init(path: String) throws(ModelFilesError) {
    if let file = try? MappedFile(path: path), file.byteCount >= 4, file.copy(0..<4) == Array("GGUF".utf8) {
      self = try BaseArchitecture(GGUFFile(path: path))
      return
    }
    let file = path.hasSuffix(".json") ? path : path + "/config.json"
    let json = try JSON.parse(path: file, maximumByteCount: 16 << 20)
    let text = json.object?["text_config"]?.object ?? json.object
    guard let type = text?["model_type"]?.string else {
      throw ModelFilesError(
        .badValue, file: file, place: "key \"model_type\"",
        found: text?["model_type"]?.summary ?? "nothing", expected: "the name of an architecture")
    }
    let heads = text?["num_attention_heads"]?.int
    self.init(
      name: type, headCount: heads, keyValueHeadCount: text?["num_key_value_heads"]?.int ?? heads,
      layerCount: text?["num_hidden_layers"]?.int, vocabularySize: text?["vocab_size"]?.int,
      isTied: text?["tie_word_embeddings"]?.bool ?? json.object?["tie_word_embeddings"]?.bool
        ?? FamilyNames(type)?.isTiedByDefault)
  }
}
