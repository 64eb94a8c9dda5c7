/// A Qwen2 model's `config.json`, with the meaning and the defaults that transformers gives it.
public struct Qwen2Config: Sendable, Equatable {
  /// Rows of the embedding; may exceed the tokenizer's vocabulary.
  public let vocabSize: Int
  /// Width of the residual stream.
  public let hiddenSize: Int
  /// Width of the MLP.
  public let intermediateSize: Int
  /// Number of layers.
  public let layerCount: Int
  /// Query heads a layer.
  public let headCount: Int
  /// Key and value heads a layer; divides ``headCount``.
  public let keyValueHeadCount: Int
  /// Width of a head; even.
  public let headDim: Int
  /// Positions the model was made for.
  public let maxPositions: Int
  /// Base of the rotary frequencies.
  public let ropeTheta: Double
  /// Added to the mean square under RMSNorm's root.
  public let rmsNormEps: Float
  /// Whether the output projection is the embedding.
  public let tieWordEmbeddings: Bool
  /// Positions a sliding layer sees, its own among them; nil if no layer slides.
  public let slidingWindow: Int?
  /// Token that begins a text.
  public let bosTokenID: Int?
  /// Tokens that end a text.
  public let eosTokenIDs: [Int]
  /// Type the weights were saved in, as the file names it.
  public let torchDType: String?
  private let slidingLayers: [Bool]

  /// Positions that a layer's attention sees, the current one among them; nil for all.
  public func window(layer: Int) -> Int? { slidingLayers[layer] ? slidingWindow : nil }

  /// Reads a file.
  ///
  /// - Throws: ``ModelFilesError`` naming a key that is missing, out of range, not Qwen2's, or not supported
  ///   (other rotary scalings, quantised weights, other activations).
  public init(path: String) throws(ModelFilesError) {
    let settings = try Settings(path: path)
    try Self.checkArchitecture(settings)
    try Self.checkFeatures(settings)

    // The limits keep every product of two or three sizes far from overflow.
    vocabSize = try settings.required("vocab_size", 1...(1 << 24))
    hiddenSize = try settings.required("hidden_size", 1...(1 << 18))
    intermediateSize = try settings.required("intermediate_size", 1...(1 << 20))
    layerCount = try settings.required("num_hidden_layers", 1...4096)
    headCount = try settings.required("num_attention_heads", 1...4096)
    keyValueHeadCount = try settings.integer("num_key_value_heads", 1...4096) ?? headCount
    maxPositions = try settings.integer("max_position_embeddings", 1...(1 << 28)) ?? 32768
    guard headCount.isMultiple(of: keyValueHeadCount) else {
      throw settings.bad("num_key_value_heads", expected: "a divisor of num_attention_heads, \(headCount)")
    }
    if let given = try settings.integer("head_dim", 2...4096) {
      headDim = given
    } else {
      guard hiddenSize.isMultiple(of: headCount) else {
        throw settings.bad("hidden_size", expected: "a multiple of num_attention_heads, \(headCount)")
      }
      headDim = hiddenSize / headCount
    }
    guard headDim.isMultiple(of: 2), headDim <= 4096 else {
      throw ModelFilesError(
        .badValue, file: path, place: "head width (head_dim, or hidden_size / num_attention_heads)",
        found: "\(headDim)", expected: "an even number of at most 4096")
    }
    ropeTheta = try Self.ropeTheta(settings)
    rmsNormEps = Float(try settings.number("rms_norm_eps", 0...1) ?? 1e-6)
    tieWordEmbeddings = try settings.bool("tie_word_embeddings") ?? false
    bosTokenID = try settings.tokenID("bos_token_id")
    eosTokenIDs = try settings.tokenIDs("eos_token_id")
    torchDType = settings["torch_dtype"]?.string ?? settings["dtype"]?.string
    (slidingWindow, slidingLayers) = try Self.sliding(settings, layerCount: layerCount)
  }

  /// Makes a configuration without a sliding window.
  init(
    vocabSize: Int, hiddenSize: Int, intermediateSize: Int, layerCount: Int, headCount: Int,
    keyValueHeadCount: Int, headDim: Int, maxPositions: Int, ropeTheta: Double, rmsNormEps: Float,
    tieWordEmbeddings: Bool, bosTokenID: Int?, eosTokenIDs: [Int]
  ) {
    self.vocabSize = vocabSize
    self.hiddenSize = hiddenSize
    self.intermediateSize = intermediateSize
    self.layerCount = layerCount
    self.headCount = headCount
    self.keyValueHeadCount = keyValueHeadCount
    self.headDim = headDim
    self.maxPositions = maxPositions
    self.ropeTheta = ropeTheta
    self.rmsNormEps = rmsNormEps
    self.tieWordEmbeddings = tieWordEmbeddings
    self.bosTokenID = bosTokenID
    self.eosTokenIDs = eosTokenIDs
    torchDType = nil
    slidingWindow = nil
    slidingLayers = Array(repeating: false, count: layerCount)
  }

  private static func checkArchitecture(_ settings: Settings) throws(ModelFilesError) {
    let expected = "\"Qwen2ForCausalLM\""
    let advice = "Only models of the Qwen2 architecture can be run (Qwen2, Qwen2.5, R1-Distill-Qwen)."
    let names = settings["architectures"]?.array
    if settings["architectures"] != nil {
      guard let names, names.contains(where: { $0.word == "Qwen2ForCausalLM" }) else {
        throw settings.bad("architectures", .unsupported, expected: expected, advice: advice)
      }
    }
    guard settings["model_type"]?.word == "qwen2" || (settings["model_type"] == nil && names != nil) else {
      throw settings.bad(
        "model_type", .unsupported, expected: "\"qwen2\", the type of " + expected, advice: advice)
    }
  }

  private static func checkFeatures(_ settings: Settings) throws(ModelFilesError) {
    if let activation = settings["hidden_act"], activation.word != "silu" {
      throw settings.bad("hidden_act", .unsupported, expected: "\"silu\"")
    }
    if let quantisation = settings["quantization_config"] {
      let method = quantisation.object?["quant_method"]?.string.map { quoted($0) } ?? quantisation.summary
      throw ModelFilesError(
        .unsupported, file: settings.file, place: "key \"quantization_config\"",
        found: "weights quantised by " + method, expected: "float weights (F32, F16, BF16)",
        advice: "Get the model that was not quantised.")
    }
    if try settings.bool("use_mrope") == true {
      throw settings.bad("use_mrope", .unsupported, expected: "false")
    }
  }

  private static func ropeTheta(_ settings: Settings) throws(ModelFilesError) -> Double {
    var theta = try settings.number("rope_theta", 1e-3...1e18)
    for key in ["rope_scaling", "rope_parameters"] {
      guard let value = settings[key] else { continue }
      guard let object = value.object else { throw settings.bad(key, expected: "an object or null") }
      let rope = Settings(file: settings.file, object: object, prefix: key + ".")
      for name in ["rope_type", "type"] {
        if let type = rope[name], type.word != "default" {
          throw rope.bad(
            name, .unsupported, expected: "\"default\"",
            advice: "Rotary embeddings of this type are not computed; remove the key to run without them.")
        }
      }
      for name in object.keys where !["rope_type", "type", "rope_theta"].contains(name) {
        let isNeutral = name == "partial_rotary_factor" && object[name]?.double == 1
        guard rope[name] == nil || isNeutral else {
          throw rope.bad(name, .unsupported, expected: "only rope_type and rope_theta")
        }
      }
      theta = try rope.number("rope_theta", 1e-3...1e18) ?? theta
    }
    return theta ?? 10000
  }

  /// Which layers slide: as `layer_types` says, else those from `max_window_layers` on.
  private static func sliding(
    _ settings: Settings, layerCount: Int
  ) throws(ModelFilesError) -> (window: Int?, layers: [Bool]) {
    let isUsed = try settings.bool("use_sliding_window") ?? false
    var window: Int?
    if isUsed {
      window = try settings.integer("sliding_window", 1...(1 << 40))
      // null means no window, an absent key the default.
      if settings.object["sliding_window"] == nil { window = 4096 }
    }
    guard let types = settings["layer_types"] else {
      let first = try settings.integer("max_window_layers", 0...(1 << 20)) ?? 28
      let layers = (0..<layerCount).map { window != nil && $0 >= first }
      return (layers.contains(true) ? window : nil, layers)
    }
    guard let names = types.array, names.count == layerCount else {
      throw settings.bad("layer_types", expected: "\(layerCount) names, one a layer")
    }
    var layers: [Bool] = []
    for (layer, name) in names.enumerated() {
      switch name.word {
      case "full_attention": layers.append(false)
      case "sliding_attention" where window != nil: layers.append(true)
      case "sliding_attention":
        throw ModelFilesError(
          .badValue, file: settings.file, place: "key \"layer_types\", layer \(layer)",
          found: "\"sliding_attention\" while use_sliding_window is false or sliding_window null",
          expected: "a window for it, or \"full_attention\"")
      default:
        throw ModelFilesError(
          .unsupported, file: settings.file, place: "key \"layer_types\", layer \(layer)",
          found: name.summary, expected: "\"full_attention\" or \"sliding_attention\"")
      }
    }
    return (layers.contains(true) ? window : nil, layers)
  }
}
