/// Metadata of a known family's GGUF file.
struct GGUFConfig {
  let family: any Family.Type
  let keys: GGUFKeys

  /// The family's own key: `qwen2.block_count`.
  func key(_ name: String) -> String { family.name + "." + name }

  /// Keys that every family may have. Others can ask for an arithmetic that is not computed.
  private static let known: Set<String> = [
    "block_count", "context_length", "embedding_length", "feed_forward_length", "vocab_size",
    "attention.head_count",
    "attention.head_count_kv", "attention.key_length", "attention.value_length",
    "attention.layer_norm_rms_epsilon", "attention.causal", "rope.freq_base", "rope.dimension_count",
    "rope.scaling.type", "rope.scaling.factor", "rope.scaling.original_context_length",
    "rope.scaling.attn_factor", "rope.scaling.finetuned", "rope.scaling.yarn_ext_factor",
    "rope.scaling.yarn_attn_factor", "rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow",
    "rope.scaling.yarn_log_multiplier", "tensor_data_layout",
  ]

  /// Keys that ask for nothing while they have this value.
  private static let neutral: [String: Double] = [
    "expert_count": 0, "expert_used_count": 0, "attention.scale": 0, "logit_scale": 0, "residual_scale": 0,
    "embedding_scale": 0, "attention.clamp_kqv": 0, "attention.max_alibi_bias": 0,
    "final_logit_softcapping": 0,
    "attn_logit_softcapping": 0, "rope.scaling.yarn_log_multiplier": 0,
  ]

  /// The sizes, with one rotary embedding in all layers and no other switch.
  ///
  /// - Parameter own: keys that the family itself reads, without its name.
  /// - Throws: ``ModelFilesError`` naming a key that is missing, out of range or asks for what is not computed.
  func sizes(reading own: Set<String> = []) throws(ModelFilesError) -> Architecture {
    try checkKeys(own)
    let hidden = try keys.required(key("embedding_length"), 1...(1 << 18))
    let heads = try keys.required(key("attention.head_count"), 1...4096)
    let keyValueHeads = try keys.integer(key("attention.head_count_kv"), 1...4096) ?? heads
    guard heads.isMultiple(of: keyValueHeads) else {
      throw keys.bad(key("attention.head_count_kv"), expected: "a divisor of the head count, \(heads)")
    }
    let headDim = try headDim(hidden, heads)
    // The embedding's rows; the tokenizer may have fewer tokens.
    let embedding = keys.gguf.tensors.first { $0.name == "token_embd.weight" }
    guard let vocabulary = embedding?.shape.first, (1...(1 << 24)).contains(vocabulary) else {
      throw ModelFilesError(
        .badTensor, file: keys.file, place: "tensor \"token_embd.weight\"", found: "none, or an empty one",
        expected: "the embedding")
    }
    let positions = try keys.integer(key("context_length"), 1...(1 << 28)) ?? 32768
    let rotary = try rotary(width: headDim, positions: positions)
    return Architecture(
      family: family, vocabSize: vocabulary, hiddenSize: hidden,
      intermediateSize: try keys.required(key("feed_forward_length"), 1...(1 << 20)),
      layerCount: try keys.required(key("block_count"), 1...4096), headCount: heads,
      keyValueHeadCount: keyValueHeads, headDim: headDim,
      maxPositions: max(positions, rotary.stretchedPositions ?? 0), rotary: rotary,
      rmsNormEps: Float(try keys.number(key("attention.layer_norm_rms_epsilon"), 0...1) ?? 1e-6),
      tieWordEmbeddings: !keys.gguf.tensors.contains { $0.name == "output.weight" },
      bosTokenID: try keys.integer("tokenizer.ggml.bos_token_id", 0...Int(Int32.max)),
      eosTokenIDs: try GGUFEndTokens.ids(keys))
  }

  private func checkKeys(_ own: Set<String>) throws(ModelFilesError) {
    let prefix = family.name + "."
    for (name, value) in keys.gguf.metadata where name.utf8.starts(with: prefix.utf8) {
      let inner = String(name.dropFirst(prefix.count))
      if let neutral = Self.neutral[inner] {
        guard value.float == neutral || value.integer.map(Double.init) == neutral else {
          throw keys.bad(name, .unsupported, expected: "\(Int(neutral)), or no such key")
        }
      } else if !Self.known.contains(inner), !own.contains(inner) {
        throw keys.bad(
          name, .unsupported, expected: "no such key",
          advice: "It may change what the model computes, and is not known here.")
      }
    }
    if keys.gguf[key("attention.causal")] == .bool(false) {
      throw keys.bad(key("attention.causal"), .unsupported, expected: "true")
    }
  }

  private func headDim(_ hidden: Int, _ heads: Int) throws(ModelFilesError) -> Int {
    let given = try keys.integer(key("attention.key_length"), 2...4096)
    guard given != nil || hidden.isMultiple(of: heads) else {
      throw keys.bad(key("embedding_length"), expected: "a multiple of the head count, \(heads)")
    }
    let headDim = given ?? hidden / heads
    guard headDim.isMultiple(of: 2), headDim <= 4096,
      try keys.integer(key("attention.value_length"), 1...4096) ?? headDim == headDim
    else {
      throw keys.bad(key("attention.key_length"), expected: "an even number, equal for keys and values")
    }
    guard try keys.integer(key("rope.dimension_count"), 0...(1 << 20)) ?? headDim == headDim else {
      throw keys.bad(
        key("rope.dimension_count"), .unsupported, expected: "\(headDim): heads that are rotated whole")
    }
    return headDim
  }

  // MARK: Rotary embedding

  private func rotary(width: Int, positions: Int) throws(ModelFilesError) -> Rotary {
    var rotary = Rotary(base: try keys.number(key("rope.freq_base"), Rotary.bases) ?? 10000)
    let typeKey = key("rope.scaling.type")
    let factorKey = key("rope.scaling.factor")
    switch keys.gguf[typeKey].map({ $0.word }) ?? "none" {
    case "none": break
    case "linear": rotary.scaling = .linear(factor: try required(factorKey))
    case "yarn":
      let factor = try required(factorKey)
      let original =
        try keys.integer(key("rope.scaling.original_context_length"), 1...(1 << 28)) ?? positions
      for name in ["rope.scaling.yarn_ext_factor", "rope.scaling.yarn_attn_factor"] {
        if let value = try keys.number(key(name), -1e6...1e6), value != 1 {
          throw keys.bad(key(name), .unsupported, expected: "1, or no such key")
        }
      }
      let own = try keys.number(key("rope.scaling.attn_factor"), 1e-3...1e6) ?? 1
      rotary.scaling = .yarn(
        factor: factor, original: original, attention: own * Rotary.yarnAttention(factor),
        betaFast: try keys.number(key("rope.scaling.yarn_beta_fast"), 1e-3...1e6) ?? 32,
        betaSlow: try keys.number(key("rope.scaling.yarn_beta_slow"), 1e-3...1e6) ?? 1, truncates: true)
    default:
      throw keys.bad(
        typeKey, .unsupported, expected: "\"none\", \"linear\" or \"yarn\"",
        advice: "Rotary embeddings of this type are not computed.")
    }
    if let divisors = try divisors(width) {
      guard rotary.scaling == .none else {
        throw keys.bad(typeKey, .unsupported, expected: "no scaling besides the tensor rope_freqs.weight")
      }
      rotary.scaling = .divided(divisors)
    }
    return rotary
  }

  private func required(_ key: String) throws(ModelFilesError) -> Double {
    guard let factor = try keys.number(key, 1e-3...1e6) else { throw keys.bad(key, expected: "a number") }
    return factor
  }

  /// The name of the tensor that divides each frequency: how converters write Llama 3's scaling.
  static let divisors = "rope_freqs.weight"

  private func divisors(_ width: Int) throws(ModelFilesError) -> [Float]? {
    guard let tensor = keys.gguf.tensors.first(where: { $0.name == Self.divisors }) else { return nil }
    let floats = tensor.elementType == .f32 && tensor.shape == [width / 2] ? tensor.floats() : []
    guard !floats.isEmpty, floats.allSatisfy({ $0.isFinite && $0 > 0 }) else {
      throw ModelFilesError(
        .badTensor, file: keys.file, place: "tensor " + quoted(Self.divisors),
        found: "shape \(tensor.shape) of \(tensor.elementType.rawValue), or numbers not above 0",
        expected: "\(width / 2) numbers of F32 above 0")
    }
    return floats
  }
}
