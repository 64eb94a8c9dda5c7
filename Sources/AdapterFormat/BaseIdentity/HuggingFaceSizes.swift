import ModelFiles

/// What an identity takes from a `config.json` of any architecture.
struct HuggingFaceSizes {
  let architecture: String
  let dimensions: [String: Int]
  /// Whether the head is the embedding.
  let isTied: Bool

  init(path: String) throws(ModelFilesError) {
    let config = try JSON.object(path: path)
    guard let type = config["model_type"]?.string ?? config["text_config"]?.object?["model_type"]?.string
    else {
      throw ModelFilesError(
        .badValue, file: path, place: "key \"model_type\"", found: config["model_type"]?.summary ?? "nothing",
        expected: "the name of an architecture")
    }
    architecture = type
    isTied =
      Self.value("tie_word_embeddings", config)?.bool ?? FamilyNames(type)?.isTiedByDefault ?? false
    dimensions = Self.dimensions(config)
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
