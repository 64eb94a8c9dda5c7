public import ModelFiles

/// A base in a Hugging Face directory, of any architecture, as an identity sees it.
public struct HuggingFaceBase: BaseCandidate {
  /// The directory.
  public let path: String
  /// `model_type`.
  public let architecture: String
  /// Sizes from `config.json`.
  public let dimensions: [String: Int]
  private let stored: [String: Tensor]

  /// Opens a directory; reads no weights.
  ///
  /// - Throws: `ModelFilesError` if configuration or weights can't be read, or two tensors have one canonical
  ///   name.
  public init(path: String) throws(ModelFilesError) {
    try self.init(path: path, weights: WeightFiles(directory: path))
  }

  /// Looks at a model that is open.
  ///
  /// - Throws: `ModelFilesError` as above.
  public init(_ directory: ModelDirectory) throws(ModelFilesError) {
    try self.init(path: directory.path, weights: directory.weights)
  }

  private init(path: String, weights: WeightFiles) throws(ModelFilesError) {
    let file = path + "/config.json"
    let json = try JSON.parse(path: file, maximumByteCount: 16 << 20)
    guard let config = json.object else {
      throw ModelFilesError(
        .malformed, file: file, place: "byte 0", found: json.summary, expected: "an object")
    }
    guard let type = config["model_type"]?.string ?? config["text_config"]?.object?["model_type"]?.string
    else {
      throw ModelFilesError(
        .badValue, file: file, place: "key \"model_type\"", found: config["model_type"]?.summary ?? "nothing",
        expected: "the name of an architecture")
    }
    let isTied = Self.value("tie_word_embeddings", config)?.bool ?? false
    var stored: [String: Tensor] = [:]
    for tensor in weights.tensors.values where !Self.isLeftOut(tensor) {
      let name = Self.canonicalName(tensor.name)
      if isTied, name == "lm_head.weight" { continue }
      if let other = stored.updateValue(tensor, forKey: name) {
        throw ModelFilesError(
          .badTensor, file: tensor.file?.path ?? path, place: "tensor " + quoted(tensor.name),
          found: "the same name as " + quoted(other.name) + " without its prefix",
          expected: "every tensor once")
      }
    }
    self.path = path
    architecture = type
    dimensions = Self.dimensions(config)
    self.stored = stored
  }

  /// Every tensor that is part of an identity.
  public var tensors: [BaseTensor] { stored.map { Self.describe($0.key, $0.value) } }

  /// The tensor of a canonical name.
  public func tensor(_ name: String) -> BaseTensor? { stored[name].map { Self.describe(name, $0) } }

  /// The numbers at `columns` of a row.
  public func values(of tensor: BaseTensor, row: Int, columns: Range<Int>) -> BaseValues {
    guard let whole = stored[tensor.name], tensor.encoding.isFloat else { return BaseValues([]) }
    let size = whole.elementType.byteSize
    let start = whole.byteRange.lowerBound + (row * tensor.columns + columns.lowerBound) * size
    let part = Tensor(
      name: whole.name, elementType: whole.elementType, shape: [columns.count], storage: whole.storage,
      byteRange: start..<(start + columns.count * size))
    return BaseValues(part.floats())
  }

  /// SHA-256 of the whole base.
  ///
  /// - Parameter threads: how many threads hash; all processors when nil.
  /// - Throws: ``AdapterError`` naming the first tensor that is no float.
  public func digest(threads: Int?) throws(AdapterError) -> [UInt8] {
    let other = stored.filter { !Self.describe($0.key, $0.value).encoding.isFloat }.map(\.value)
    if let tensor = other.min(by: { bytesPrecede($0.name, $1.name) }) {
      throw AdapterError(
        path: path,
        violations: [
          .init(
            .badTensor, file: tensor.file?.path ?? path, place: "tensor " + quoted(tensor.name),
            found: "element type " + tensor.elementType.rawValue, expected: "F32, F16 or BF16",
            advice: "Identify the base by the weights that it was quantised from.")
        ])
    }
    return BaseDigest.digest(stored.map { ($0.key, $0.value) }, threads: threads)
  }

  private static func describe(_ name: String, _ tensor: Tensor) -> BaseTensor {
    let encoding: BaseEncoding =
      switch tensor.elementType {
      case .f32: .f32
      case .f16: .f16
      case .bf16: .bf16
      default: .unjudged(tensor.elementType.rawValue)
      }
    return BaseTensor(name: name, shape: tensor.shape, encoding: encoding)
  }

  private static func canonicalName(_ name: String) -> String {
    for prefix in ["model.", "transformer."] where name.utf8.starts(with: prefix.utf8) {
      return String(name.dropFirst(prefix.utf8.count))
    }
    return name
  }

  /// Tables that programs compute for themselves.
  private static func isLeftOut(_ tensor: Tensor) -> Bool {
    let suffixes = [".inv_freq", ".masked_bias", ".rotary_emb.cos_cached", ".rotary_emb.sin_cached"]
    return tensor.elementCount == 0 || suffixes.contains { tensor.name.hasSuffix($0) }
      || (tensor.name.hasSuffix(".attn.bias") && tensor.shape.count == 4)
  }

  private static func value(_ key: String, _ config: JSONObject) -> JSONValue? {
    if let value = config[key], !value.isNull { return value }
    return config["text_config"]?.object?[key]
  }

  private static func dimensions(_ config: JSONObject) -> [String: Int] {
    func first(_ keys: String...) -> Int? {
      for key in keys {
        if let size = value(key, config)?.int, (1...(1 << 48)).contains(size) { return size }
      }
      return nil
    }
    var sizes: [String: Int] = [:]
    sizes["heads"] = first("num_attention_heads", "n_head")
    sizes["hidden"] = first("hidden_size", "n_embd", "d_model")
    sizes["intermediate"] = first("intermediate_size", "n_inner", "ffn_dim")
    sizes["kv_heads"] = first("num_key_value_heads") ?? sizes["heads"]
    sizes["layers"] = first("num_hidden_layers", "n_layer", "num_layers")
    sizes["vocab"] = first("vocab_size")
    sizes["head_dim"] = first("head_dim")
    if sizes["head_dim"] == nil, let hidden = sizes["hidden"], let heads = sizes["heads"],
      hidden.isMultiple(of: heads)
    {
      sizes["head_dim"] = hidden / heads
    }
    return sizes
  }
}
