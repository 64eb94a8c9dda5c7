/// The name of a tensor in a PEFT file, taken apart.
struct PEFTTensorName {
  enum Part: Equatable {
    case a
    case b
    /// Of DoRA.
    case magnitude
    /// Of an embedding's low-rank pair.
    case embedding
    /// Added by `lora_bias`.
    case pairBias
    case trainableTokens
    /// mlx-lm's `lora_a` and `lora_b`, stored transposed.
    case mlx
    /// A pair of an adapter whose name was left in the file.
    case otherAdapter(String)
    /// A bias of the base.
    case bias
    /// A whole module of the base.
    case full
  }

  /// Path of the module within the base as PEFT knows it: `model.layers.3.self_attn.q_proj`.
  let path: String
  /// Name of the module independent of wrappers: `layers.3.self_attn.q_proj`.
  let module: String
  let part: Part

  init(_ name: String) {
    let wrapper = "base_model.model."
    var rest = name.hasPrefix(wrapper) ? String(name.dropFirst(wrapper.count)) : name
    let part: Part
    (rest, part) = Self.split(rest)
    path = rest
    self.part = part
    // PEFT models wrapped again carry the wrapper twice.
    while rest.hasPrefix(wrapper) { rest = String(rest.dropFirst(wrapper.count)) }
    // Qwen and Llama keep their decoder under "model."; other layouts keep their path.
    for start in ["model.layers.", "model.embed_tokens"] where rest.hasPrefix(start) {
      rest = String(rest.dropFirst("model.".count))
      break
    }
    module = rest
  }

  private static func split(_ name: String) -> (String, Part) {
    let endings: [(String, Part)] = [
      (".lora_A.weight", .a), (".lora_B.weight", .b),
      (".lora_A.default.weight", .a), (".lora_B.default.weight", .b),
      (".lora_A.bias", .pairBias), (".lora_B.bias", .pairBias),
      (".lora_A.default.bias", .pairBias), (".lora_B.default.bias", .pairBias),
      (".lora_a", .mlx), (".lora_b", .mlx),
    ]
    for (ending, part) in endings where name.hasSuffix(ending) {
      return (String(name.dropLast(ending.count)), part)
    }
    let components = name.split(separator: ".", omittingEmptySubsequences: false)
    for (i, component) in components.enumerated() {
      let path = components[..<i].joined(separator: ".")
      switch component {
      case "lora_magnitude_vector": return (path, .magnitude)
      case "lora_embedding_A", "lora_embedding_B": return (path, .embedding)
      case "token_adapter", "trainable_tokens_delta": return (path, .trainableTokens)
      case "lora_A",
        "lora_B" where i + 2 < components.count:
        return (path, .otherAdapter(components[i + 1..<components.count - 1].joined(separator: ".")))
      default: break
      }
    }
    if name.hasSuffix(".bias") { return (String(name.dropLast(5)), .bias) }
    return (name.hasSuffix(".weight") ? String(name.dropLast(7)) : name, .full)
  }

  /// What a tensor of this kind is called when it is refused; nil for the two that are loaded.
  var refusal: (feature: String, found: String)? {
    switch part {
    case .a, .b: nil
    case .magnitude: ("use_dora", "a magnitude vector of DoRA")
    case .embedding:
      ("lora_embedding", "a low-rank pair of an embedding (lora_embedding_A, lora_embedding_B)")
    case .pairBias: ("lora_bias", "a bias of a low-rank pair (lora_bias)")
    case .trainableTokens: ("trainable_token_indices", "rows of single tokens (trainable_token_indices)")
    case .mlx: ("MLX", "a matrix in MLX's layout")
    case .otherAdapter(let name): ("adapter name", "a matrix of an adapter named \"\(name)\"")
    case .bias: ("bias", "a bias of the base (bias or modules_to_save)")
    case .full: ("modules_to_save", "a whole module of the base (modules_to_save)")
    }
  }

  /// Number of the layer, the first component that is a number; -1 outside the layers.
  static func layer(of module: String) -> Int {
    for component in module.split(separator: ".") {
      if component.utf8.count <= 9, component.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
        return Int(component) ?? -1
      }
    }
    return -1
  }
}
