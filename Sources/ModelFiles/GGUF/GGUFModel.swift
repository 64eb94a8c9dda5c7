/// A model in one GGUF file: its configuration, and its weights under the names of the Hugging Face checkpoint.
package struct GGUFModel {
  let config: Qwen2Config
  let weights: WeightFiles
  let generation: GenerationConfig

  /// Reads a file of the architecture qwen2.
  ///
  /// - Throws: ``ModelFilesError`` naming the key or tensor that is missing, out of range or not of Qwen2.
  init(_ file: GGUFFile) throws(ModelFilesError) {
    let keys = GGUFKeys(gguf: file)
    guard file["general.type"].map({ $0.word == "model" }) ?? true else {
      throw keys.bad(
        "general.type", .unsupported, expected: "\"model\"",
        advice: "Name the base model here, and an adapter with --adapter.")
    }
    guard file["general.architecture"]?.word == "qwen2" else {
      throw keys.bad(
        "general.architecture", .unsupported, expected: "\"qwen2\"",
        advice: "Only models of the Qwen2 architecture can be run (Qwen2, Qwen2.5, R1-Distill-Qwen).")
    }
    var tensors: [String: Tensor] = [:]
    for tensor in file.tensors {
      guard let name = Self.name(tensor.name) else {
        throw ModelFilesError(
          .badTensor, file: file.path, place: "tensor " + quoted(tensor.name),
          found: "a tensor that is not part of Qwen2", expected: "names such as \"blk.0.attn_q.weight\"")
      }
      tensors[name] = tensor.renamed(name)
    }
    weights = WeightFiles(tensors: tensors, files: file.files)
    config = try Self.config(keys, weights)
    generation = try Self.generation(keys)
  }

  /// The sampling that the model's makers recommend, as llama.cpp's converter copies it from generation_config.json.
  private static func generation(_ keys: GGUFKeys) throws(ModelFilesError) -> GenerationConfig {
    var generation = GenerationConfig()
    generation.temperature = try keys.number("general.sampling.temp", 0...1e6)
    generation.topP = try keys.number("general.sampling.top_p", 0...1)
    generation.topK = try keys.integer("general.sampling.top_k", 0...Int(Int32.max))
    generation.minP = try keys.number("general.sampling.min_p", 0...1)
    generation.repetitionPenalty = try keys.number("general.sampling.penalty_repeat", 1e-6...1e6)
    // The converter leaves do_sample out: a temperature above 0 implies it.
    if let temperature = generation.temperature { generation.doSample = temperature > 0 }
    return generation
  }

  /// The checkpoint's name of a tensor; nil if Qwen2 has no such tensor.
  static func name(_ name: String) -> String? {
    switch name {
    case "token_embd.weight": return "model.embed_tokens.weight"
    case "output.weight": return "lm_head.weight"
    case "output_norm.weight": return "model.norm.weight"
    default: break
    }
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4, parts[0] == "blk", let layer = Int(parts[1]), String(layer) == parts[1],
      layer >= 0,
      let module = modules.first(where: { $0.gguf == parts[2] })?.checkpoint,
      parts[3] == "weight" || parts[3] == "bias"
    else { return nil }
    return "model.layers.\(layer).\(module).\(parts[3])"
  }

  /// GGUF's name of a checkpoint's tensor; nil if it has none.
  package static func ggufName(_ name: String) -> String? {
    switch name {
    case "model.embed_tokens.weight": return "token_embd.weight"
    case "lm_head.weight": return "output.weight"
    case "model.norm.weight": return "output_norm.weight"
    default: break
    }
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count >= 5, parts[0] == "model", parts[1] == "layers", let parameter = parts.last else {
      return nil
    }
    let module = parts[3..<(parts.count - 1)].joined(separator: ".")
    return modules.first { $0.checkpoint == module }.map { "blk.\(parts[2]).\($0.gguf).\(parameter)" }
  }

  private static let modules: [(gguf: String, checkpoint: String)] = [
    ("attn_norm", "input_layernorm"), ("attn_q", "self_attn.q_proj"), ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"), ("attn_output", "self_attn.o_proj"),
    ("ffn_norm", "post_attention_layernorm"), ("ffn_gate", "mlp.gate_proj"), ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
  ]

  private static func config(_ keys: GGUFKeys, _ weights: WeightFiles) throws(ModelFilesError) -> Qwen2Config
  {
    let hidden = try keys.required("qwen2.embedding_length", 1...(1 << 18))
    let heads = try keys.required("qwen2.attention.head_count", 1...4096)
    let keyValueHeads = try keys.integer("qwen2.attention.head_count_kv", 1...4096) ?? heads
    guard heads.isMultiple(of: keyValueHeads) else {
      throw keys.bad("qwen2.attention.head_count_kv", expected: "a divisor of the head count, \(heads)")
    }
    let given = try keys.integer("qwen2.attention.key_length", 2...4096)
    guard given != nil || hidden.isMultiple(of: heads) else {
      throw keys.bad("qwen2.embedding_length", expected: "a multiple of the head count, \(heads)")
    }
    let headDim = given ?? hidden / heads
    guard headDim.isMultiple(of: 2), headDim <= 4096,
      try keys.integer("qwen2.attention.value_length", 1...4096) ?? headDim == headDim
    else {
      throw keys.bad("qwen2.attention.key_length", expected: "an even number, equal for keys and values")
    }
    if let scaling = keys.gguf["qwen2.rope.scaling.type"], scaling.word != "none" {
      throw keys.bad(
        "qwen2.rope.scaling.type", .unsupported, expected: "\"none\"",
        advice: "Rotary embeddings of this type are not computed.")
    }
    // The embedding's rows; the tokenizer may have fewer tokens.
    guard let vocabulary = weights["model.embed_tokens.weight"]?.shape.first,
      (1...(1 << 24)).contains(vocabulary)
    else {
      throw ModelFilesError(
        .badTensor, file: keys.file, place: "tensor \"token_embd.weight\"",
        found: "none, or an empty one",
        expected: "the embedding")
    }
    return Qwen2Config(
      vocabSize: vocabulary, hiddenSize: hidden,
      intermediateSize: try keys.required("qwen2.feed_forward_length", 1...(1 << 20)),
      layerCount: try keys.required("qwen2.block_count", 1...4096), headCount: heads,
      keyValueHeadCount: keyValueHeads, headDim: headDim,
      maxPositions: try keys.integer("qwen2.context_length", 1...(1 << 28)) ?? 32768,
      ropeTheta: try keys.number("qwen2.rope.freq_base", 1e-3...1e18) ?? 10000,
      rmsNormEps: Float(try keys.number("qwen2.attention.layer_norm_rms_epsilon", 0...1) ?? 1e-6),
      tieWordEmbeddings: weights["lm_head.weight"] == nil,
      bosTokenID: try keys.integer("tokenizer.ggml.bos_token_id", 0...Int(Int32.max)),
      eosTokenIDs: try GGUFEndTokens.ids(keys))
  }
}

/// A GGUF file's settings.
struct GGUFKeys: CheckedSettings {
  let gguf: GGUFFile

  var file: String { gguf.path }
  var prefix: String { "" }

  func isSet(_ key: String) -> Bool { gguf[key] != nil }

  func whole(_ key: String) -> Int? { gguf[key]?.integer }

  func real(_ key: String) -> Double? { gguf[key]?.float }

  func summary(_ key: String) -> String? { gguf[key]?.summary }
}
