/// Gemma 3, text: norms on both sides of attention and MLP, weights that are distances from 1, GELU, scaled embeddings,
/// and sliding layers with a rotary embedding of their own.
enum Gemma3: Family {
  static let name = "gemma3"
  static let modelTypes = ["gemma3_text", "gemma3"]
  static let classes = ["Gemma3ForCausalLM", "Gemma3ForConditionalGeneration"]
  static let models = "Gemma 3 without images"
  static let isTiedByDefault = true
  static let normOffset: Float = 1
  static let norms = TensorNames.headNorms.merging([
    .input: ModuleName("input_layernorm", gguf: "attn_norm"),
    .attentionOutput: ModuleName("post_attention_layernorm", gguf: "post_attention_norm"),
    .feedForward: ModuleName("pre_feedforward_layernorm", gguf: "ffn_norm"),
    .feedForwardOutput: ModuleName("post_feedforward_layernorm", gguf: "post_ffw_norm"),
  ]) { $1 }

  private static let maxPositions = 131_072
  private static let globalBase = 1_000_000.0
  private static let localBase = 10_000.0
  private static let period = 6

  static func architecture(_ config: CheckpointConfig) throws(ModelFilesError) -> Architecture {
    let settings = config.settings
    let (local, global) = try rotaries(settings)
    var architecture = try config.sizes(
      .init(
        maxPositions: maxPositions, headDim: 256,
        activation: ("hidden_activation", ["gelu_pytorch_tanh", "gelu_tanh"])), rotary: global)
    describe(&architecture)
    architecture.biases = try settings.bool("attention_bias") == true ? Projection.attention : []
    let scalar = try settings.number("query_pre_attn_scalar", 1e-3...1e9) ?? 256
    architecture.queryScale = Float(1 / scalar.squareRoot())
    var window: Int? = 4096
    if settings.object["sliding_window"] != nil {
      window = try settings.integer("sliding_window", 1...(1 << 40))
    }
    let patternKey = ["sliding_window_pattern", "_sliding_window_pattern"].first { settings.isSet($0) }
    let period = try settings.integer(patternKey ?? "sliding_window_pattern", 1...(1 << 20)) ?? period
    let listed = try config.slidingLayers(
      architecture.layerCount, window: window, reason: "sliding_window is null")
    let slides = listed ?? (0..<architecture.layerCount).map { ($0 + 1) % period != 0 }
    architecture.setAttention(slides: slides, window: window, local: local, global: global)
    return architecture
  }

  static func architecture(_ config: GGUFConfig) throws(ModelFilesError) -> Architecture {
    let (windowKey, periodKey, baseKey) = (
      "attention.sliding_window", "attention.sliding_window_pattern", "rope.freq_base_swa"
    )
    var architecture = try config.sizes(reading: [windowKey, periodKey, baseKey])
    describe(&architecture)
    // As llama.cpp: only the 27B divides by the width that the heads would have without one of their own.
    if architecture.layerCount == 62 {
      architecture.queryScale =
        1 / (Float(architecture.hiddenSize) / Float(architecture.headCount)).squareRoot()
    }
    let window = try config.keys.required(config.key(windowKey), 1...(1 << 40))
    let period = try config.keys.integer(config.key(periodKey), 1...(1 << 20)) ?? period
    let local = Rotary(base: try config.keys.number(config.key(baseKey), Rotary.bases) ?? localBase)
    let slides = (0..<architecture.layerCount).map { ($0 + 1) % period != 0 }
    architecture.setAttention(slides: slides, window: window, local: local, global: architecture.rotary)
    return architecture
  }

  /// The rotary embeddings of sliding layers and of the others: transformers 5 lists them by the layers' type.
  private static func rotaries(_ settings: Settings) throws(ModelFilesError) -> (
    local: Rotary, global: Rotary
  ) {
    let positions = try settings.integer("max_position_embeddings", 1...(1 << 28)) ?? maxPositions
    let local = Rotary(base: try settings.number("rope_local_base_freq", Rotary.bases) ?? localBase)
    guard let value = settings["rope_parameters"] else {
      return (local, try settings.rotary(theta: globalBase, positions: positions))
    }
    let types = ["sliding_attention", "full_attention"]
    guard let object = value.object, object.keys.allSatisfy(types.contains), !settings.isSet("rope_scaling")
    else {
      throw settings.bad(
        "rope_parameters", .unsupported,
        expected: "an object of sliding_attention and full_attention, and no rope_scaling")
    }
    var found = [local, Rotary(base: try settings.number("rope_theta", Rotary.bases) ?? globalBase)]
    for (index, type) in types.enumerated() {
      guard let value = object[type], !value.isNull else { continue }
      let prefix = settings.prefix + "rope_parameters."
      guard let inner = value.object else {
        throw Settings(file: settings.file, object: object, prefix: prefix).bad(
          type, expected: "an object or null")
      }
      found[index] = try Settings(file: settings.file, object: inner, prefix: prefix + type + ".")
        .rotary(base: found[index].base, positions: positions, outer: nil)
    }
    return (found[0], found[1])
  }

  private static func describe(_ architecture: inout Architecture) {
    architecture.activation = .geluTanh
    architecture.embeddingScale = Float(architecture.hiddenSize).squareRoot()
  }
}

extension Architecture {
  /// Gives sliding layers a window and `local`, all others `global`.
  fileprivate mutating func setAttention(slides: [Bool], window: Int?, local: Rotary, global: Rotary) {
    attention = slides.map { Attention(window: $0 ? window : nil, rotary: $0 ? local : global) }
  }
}
