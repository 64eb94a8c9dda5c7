import ModelFiles

/// Names of modules in GGUF files, and the order of their rows, for the known architectures.
struct GGUFModuleNames {
  let base: BaseArchitecture

  /// The known architectures.
  static let architectures = ["llama", "qwen2"]

  private static let layerNames = [
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
  ]
  private static let outerNames = ["embed_tokens": "token_embd", "lm_head": "output"]

  /// - Throws: a violation if the architecture or Llama's number of heads is unknown.
  init(_ base: BaseArchitecture?, file: String) throws(AdapterError.Violation) {
    guard let base else {
      throw .init(
        .unsupported("architecture"), file: file, found: "an adapter whose base is not identified",
        expected: "the base's architecture: GGUF names its modules by it",
        advice: "Name the base with --base; its config.json is enough.")
    }
    guard Self.architectures.contains(base.name) else {
      throw .init(
        .unsupported(base.name), file: file, found: "the architecture " + quoted(base.name),
        expected: Self.architectures.map { quoted($0) }.joined(separator: " or ")
          + ": for others the names and the order of rows in GGUF are not known here")
    }
    if base.name == "llama" {
      guard let heads = base.headCount, let keyValueHeads = base.keyValueHeadCount, heads > 0,
        keyValueHeads > 0
      else {
        throw .init(
          .unsupported("heads"), file: file, found: "Llama with an unknown number of heads",
          expected: "the numbers of heads: GGUF orders Llama's rows of q_proj and k_proj by them",
          advice: "Name the base with --base; its config.json is enough.")
      }
    }
    self.base = base
  }

  /// `blk.3.attn_q.weight` of `layers.3.self_attn.q_proj`; nil if there is none.
  func name(of module: String) -> String? {
    if let name = Self.outerNames[module] { return name + ".weight" }
    let parts = module.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0] == "layers", let layer = Self.number(parts[1]),
      let name = Self.layerNames[String(parts[2])]
    else { return nil }
    return "blk.\(layer).\(name).weight"
  }

  /// The module of a tensor's name; nil if there is none.
  static func module(of name: String) -> String? {
    if let (module, _) = outerNames.first(where: { name == $0.value + ".weight" }) { return module }
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4, parts[0] == "blk", parts[3] == "weight", let layer = number(parts[1]),
      let (module, _) = layerNames.first(where: { $0.value == parts[2] })
    else { return nil }
    return "layers.\(layer).\(module)"
  }

  private static let normNames = ["attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"]

  /// PEFT's path and the parameter of a tensor that replaces one of the base; nil for other names.
  static func whole(_ name: String) -> (path: String, parameter: String)? {
    if name == "output_norm.weight" { return ("model.norm", "weight") }
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    if parts.count == 4, parts[0] == "blk", let layer = number(parts[1]),
      parts[3] == "weight" || parts[3] == "bias",
      let inner = normNames[String(parts[2])] ?? layerNames.first(where: { $0.value == parts[2] })?.key
    {
      return ("model.layers.\(layer).\(inner)", String(parts[3]))
    }
    return module(of: name).map { (path(of: $0), "weight") }
  }

  /// PEFT's path of a module: `model.layers.3.self_attn.q_proj`.
  static func path(of module: String) -> String { module == "lm_head" ? module : "model." + module }

  private static func number(_ text: Substring) -> Int? {
    guard (1...9).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      text == "0" || !text.hasPrefix("0")
    else { return nil }
    return Int(text)
  }

  /// Heads of a module whose rows GGUF keeps in another order; nil for all others.
  private func permutedHeads(_ module: String) -> Int? {
    guard base.name == "llama" else { return nil }
    if module.hasSuffix(".self_attn.q_proj") { return base.headCount }
    return module.hasSuffix(".self_attn.k_proj") ? base.keyValueHeadCount : nil
  }

  /// Whether a module's rows can be divided over its heads.
  func rowsFit(_ module: String, _ rows: Int) -> Bool {
    permutedHeads(module).map { rows.isMultiple(of: 2 * $0) } ?? true
  }

  /// B with its rows in GGUF's order: Llama's rotary pairs, halves of a head in Hugging Face's files, lie
  /// together in GGUF's.
  func toGGUF(_ b: Tensor, module: String) -> Tensor {
    guard let heads = permutedHeads(module) else { return b }
    let half = b.shape[0] / heads / 2
    return b.reorderingRows { row in
      let (head, place) = row.quotientAndRemainder(dividingBy: 2 * half)
      return head * 2 * half + place % 2 * half + place / 2
    }
  }

  /// B with its rows in Hugging Face's order.
  func fromGGUF(_ b: Tensor, module: String) -> Tensor {
    guard let heads = permutedHeads(module) else { return b }
    let half = b.shape[0] / heads / 2
    return b.reorderingRows { row in
      let (head, place) = row.quotientAndRemainder(dividingBy: 2 * half)
      return head * 2 * half + place % half * 2 + place / half
    }
  }
}
