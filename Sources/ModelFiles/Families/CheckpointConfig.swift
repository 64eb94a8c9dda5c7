/// A `config.json` of a known family.
struct CheckpointConfig {
  let family: any Family.Type
  /// The settings of the language model.
  let settings: Settings
  /// The whole file; the same where it describes a language model alone.
  let outer: Settings

  /// What stands where a key is absent.
  struct Defaults {
    var maxPositions = 32768
    var theta = 10000.0
    /// Head width; nil for the hidden size divided over the heads.
    var headDim: Int?
    /// The activation's key, and the names that mean the family's.
    var activation = (key: "hidden_act", names: ["silu"])
  }

  /// Keys that ask for an arithmetic which no family has, each with the values that change nothing.
  private struct ForeignKey: Sendable {
    let key: String
    let isNeutral: @Sendable (JSONValue) -> Bool
    let expected: String

    init(_ key: String, _ isNeutral: @escaping @Sendable (JSONValue) -> Bool, _ expected: String) {
      self.key = key
      self.isNeutral = isNeutral
      self.expected = expected
    }
  }
  private static let foreign = [
    ForeignKey("use_mrope", { $0.bool == false }, "false"),
    ForeignKey("use_bidirectional_attention", { $0.bool == false }, "false"),
    ForeignKey("attn_logit_softcapping", { _ in false }, "null: scores without a cap"),
    ForeignKey("final_logit_softcapping", { _ in false }, "null: logits without a cap"),
    ForeignKey("partial_rotary_factor", { $0.double == 1 }, "1: heads that are rotated whole"),
    ForeignKey("rope_interleaved", { $0.bool == false }, "false"),
    ForeignKey("use_qk_norm", { $0.bool == false }, "false"),
    ForeignKey("qk_layernorm", { $0.bool == false }, "false"),
    ForeignKey("attention_multiplier", { $0.double == 1 }, "1"),
    ForeignKey("residual_multiplier", { $0.double == 1 }, "1"),
    ForeignKey("embedding_multiplier", { $0.double == 1 }, "1"),
    ForeignKey("logits_scaling", { $0.double == 1 }, "1"),
    ForeignKey("num_experts", { $0.int == 0 }, "0: an MLP without experts"),
    ForeignKey("num_local_experts", { $0.int == 0 }, "0: an MLP without experts"),
  ]

  /// The sizes, with one rotary embedding in all layers and no other switch.
  ///
  /// - Parameter own: the rotary embedding, where the family reads it itself.
  /// - Throws: ``ModelFilesError`` naming a key that is missing, out of range or asks for what is not computed.
  func sizes(_ defaults: Defaults = Defaults(), rotary own: Rotary? = nil) throws(ModelFilesError)
    -> Architecture
  {
    try checkFeatures(defaults)
    // The limits keep every product of two or three sizes far from overflow.
    let vocabSize = try settings.required("vocab_size", 1...(1 << 24))
    let hiddenSize = try settings.required("hidden_size", 1...(1 << 18))
    let intermediateSize = try settings.required("intermediate_size", 1...(1 << 20))
    let layerCount = try settings.required("num_hidden_layers", 1...4096)
    let headCount = try settings.required("num_attention_heads", 1...4096)
    let keyValueHeadCount = try settings.integer("num_key_value_heads", 1...4096) ?? headCount
    let maxPositions = try settings.integer("max_position_embeddings", 1...(1 << 28)) ?? defaults.maxPositions
    guard headCount.isMultiple(of: keyValueHeadCount) else {
      throw settings.bad("num_key_value_heads", expected: "a divisor of num_attention_heads, \(headCount)")
    }
    var rotary = own ?? Rotary(base: defaults.theta)
    if own == nil { rotary = try settings.rotary(theta: defaults.theta, positions: maxPositions) }
    // What the language model's own settings leave open, the whole model's say.
    let ties = try (settings.bool("tie_word_embeddings"), outer.bool("tie_word_embeddings"))
    let begins = try (settings.tokenID("bos_token_id"), outer.tokenID("bos_token_id"))
    let ends = outer.isSet("eos_token_id") ? outer : settings
    return Architecture(
      family: family, vocabSize: vocabSize, hiddenSize: hiddenSize, intermediateSize: intermediateSize,
      layerCount: layerCount, headCount: headCount, keyValueHeadCount: keyValueHeadCount,
      headDim: try headDim(hiddenSize, headCount, defaults.headDim),
      maxPositions: max(maxPositions, rotary.stretchedPositions ?? 0), rotary: rotary,
      rmsNormEps: Float(try settings.number("rms_norm_eps", 0...1) ?? 1e-6),
      tieWordEmbeddings: ties.0 ?? ties.1 ?? family.isTiedByDefault, bosTokenID: begins.0 ?? begins.1,
      eosTokenIDs: try ends.tokenIDs("eos_token_id"),
      torchDType: ["torch_dtype", "dtype"].lazy.compactMap { settings[$0]?.string ?? outer[$0]?.string }.first
    )
  }

  private func headDim(_ hidden: Int, _ heads: Int, _ fallback: Int?) throws(ModelFilesError) -> Int {
    let width: Int
    if let given = try settings.integer("head_dim", 2...4096) {
      width = given
    } else if let fallback, settings.object["head_dim"] == nil {
      width = fallback
    } else {
      guard hidden.isMultiple(of: heads) else {
        throw settings.bad("hidden_size", expected: "a multiple of num_attention_heads, \(heads)")
      }
      width = hidden / heads
    }
    guard width.isMultiple(of: 2), width <= 4096 else {
      throw ModelFilesError(
        .badValue, file: settings.file, place: "head width (head_dim, or hidden_size / num_attention_heads)",
        found: "\(width)", expected: "an even number of at most 4096")
    }
    return width
  }

  private func checkFeatures(_ defaults: Defaults) throws(ModelFilesError) {
    let (key, names) = defaults.activation
    if let activation = settings[key], !names.contains(where: { $0 == activation.word }) {
      throw settings.bad(key, .unsupported, expected: names.map { "\"\($0)\"" }.joined(separator: " or "))
    }
    if let quantisation = outer["quantization_config"] {
      let method = quantisation.object?["quant_method"]?.string.map { quoted($0) } ?? quantisation.summary
      throw ModelFilesError(
        .unsupported, file: settings.file, place: "key \"quantization_config\"",
        found: "weights quantised by " + method, expected: "float weights (F32, F16, BF16)",
        advice: "Get the model that was not quantised.")
    }
    for foreign in Self.foreign {
      if let value = settings[foreign.key], !foreign.isNeutral(value) {
        throw settings.bad(foreign.key, .unsupported, expected: foreign.expected)
      }
    }
  }

  /// The projections to which `attention_bias` and `mlp_bias` give biases.
  func biases() throws(ModelFilesError) -> Set<Projection> {
    (try settings.bool("attention_bias") == true ? Projection.attention : [])
      .union(try settings.bool("mlp_bias") == true ? Projection.mlp : [])
  }

  /// Which layers slide, as `layer_types` says; nil without that key.
  ///
  /// - Parameter window: the window that a sliding layer has; nil if it has none, which `reason` explains.
  func slidingLayers(
    _ layerCount: Int, window: Int?, reason: String
  ) throws(ModelFilesError) -> [Bool]? {
    guard let types = settings["layer_types"] else { return nil }
    guard let names = types.array, names.count == layerCount else {
      throw settings.bad("layer_types", expected: "\(layerCount) names, one a layer")
    }
    var layers: [Bool] = []
    for (layer, name) in names.enumerated() {
      let place = "key \"\(settings.prefix)layer_types\", layer \(layer)"
      switch name.word {
      case "full_attention": layers.append(false)
      case "sliding_attention" where window != nil: layers.append(true)
      case "sliding_attention":
        throw ModelFilesError(
          .badValue, file: settings.file, place: place, found: "\"sliding_attention\" while " + reason,
          expected: "a window for it, or \"full_attention\"")
      default:
        throw ModelFilesError(
          .unsupported, file: settings.file, place: place, found: name.summary,
          expected: "\"full_attention\" or \"sliding_attention\"")
      }
    }
    return layers
  }

  /// The windows of Qwen's layers: as `layer_types` says, else those from `max_window_layers` on.
  func qwenWindows(_ layerCount: Int) throws(ModelFilesError) -> [Int?] {
    var window: Int?
    if try settings.bool("use_sliding_window") ?? false {
      window = try settings.integer("sliding_window", 1...(1 << 40))
      // null means no window, an absent key the default.
      if settings.object["sliding_window"] == nil { window = 4096 }
    }
    let first = try settings.integer("max_window_layers", 0...(1 << 20)) ?? 28
    let reason = "use_sliding_window is false or sliding_window null"
    let layers = try slidingLayers(layerCount, window: window, reason: reason)
    return (0..<layerCount).map { layer in layers?[layer] ?? (layer >= first) ? window : nil }
  }
}

extension Architecture {
  /// Gives each layer its window.
  mutating func setWindows(_ windows: [Int?]) {
    for (layer, window) in windows.enumerated() { attention[layer].window = window }
  }
}
