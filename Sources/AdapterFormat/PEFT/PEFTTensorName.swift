/// The parts of a tensor's name in a PEFT file.
struct PEFTTensorName {
  enum Part: Equatable {
    case a
    case b
    /// Of an embedding's low-rank pair.
    case embeddingA
    case embeddingB
    /// Of DoRA.
    case magnitude
    /// Added by `lora_bias`.
    case pairBias
    case trainableTokens
    /// A bias of the base.
    case bias
    /// A parameter of the base.
    case full(String)
    /// mlx-lm's `lora_a` and `lora_b`, stored transposed.
    case mlx
    /// A pair of an adapter whose name is in the file.
    case otherAdapter(String)
    /// A bias of a pair's first half, which PEFT does not have.
    case firstBias

    /// Whether it is a matrix of a low-rank pair.
    var isHalf: Bool { [.a, .b, .embeddingA, .embeddingB].contains(self) }
  }

  /// Path of the module within the base as PEFT knows it: `model.layers.3.self_attn.q_proj`.
  let path: String
  /// Name of the module independent of wrappers: `layers.3.self_attn.q_proj`.
  let module: String
  let part: Part
  /// Marks of wrappers that training programs leave in names, as they stand there.
  let wrappers: [Substring]

  init(_ name: String) {
    let (bare, wrappers) = Self.unwrapped(name)
    let rest = bare.hasPrefix(Self.wrapper) ? String(bare.dropFirst(Self.wrapper.count)) : bare
    (path, part) = Self.split(rest)
    module = Self.module(of: path)
    self.wrappers = wrappers
  }

  /// What leaves a mark in names, by the mark.
  static let origins = [
    "_orig_mod": "torch.compile", "_fsdp_wrapped_module": "FSDP",
    "_checkpoint_wrapped_module": "activation checkpointing", "module": "a data-parallel wrapper",
  ]

  /// A name without the marks of wrappers. `module` is one only before the model's own path.
  private static func unwrapped(_ name: String) -> (String, [Substring]) {
    var found: [Substring] = []
    var kept: [Substring] = []
    var isBefore = true
    for part in name.split(separator: ".", omittingEmptySubsequences: false) {
      let isMark = origins[String(part)] != nil && (isBefore || part != "module")
      if isMark {
        found.append(part)
      } else {
        kept.append(part)
        isBefore = isBefore && (part == "base_model" || part == "model")
      }
    }
    return found.isEmpty ? (name, []) : (kept.joined(separator: "."), found)
  }

  private static let wrapper = "base_model.model."

  /// The name of a module without the wrappers of its path.
  static func module(of path: String) -> String {
    var rest = path
    // PEFT models wrapped again carry the wrapper twice.
    while rest.hasPrefix(wrapper) { rest = String(rest.dropFirst(wrapper.count)) }
    // PEFT wraps this around a module that it replaces.
    if rest.hasSuffix(".base_layer") { rest = String(rest.dropLast(".base_layer".count)) }
    // Models of images and text keep the decoder of their texts apart.
    for start in ["model.language_model.model.", "language_model.model.", "model.language_model."]
    where rest.hasPrefix(start) {
      let inner = rest.dropFirst(start.count)
      if inner.hasPrefix("layers.") || inner.hasPrefix("embed_tokens") { return String(inner) }
    }
    // Qwen and Llama keep their decoder under "model."; other layouts keep their path.
    for start in ["model.layers.", "model.embed_tokens"] where rest.hasPrefix(start) {
      return String(rest.dropFirst("model.".count))
    }
    return rest
  }

  private static let endings: [(String, Part)] = {
    let halves: [(String, String, Part)] = [
      (".lora_A", ".weight", .a), (".lora_B", ".weight", .b), (".lora_A", ".bias", .firstBias),
      (".lora_B", ".bias", .pairBias), (".lora_embedding_A", "", .embeddingA),
      (".lora_embedding_B", "", .embeddingB), (".lora_magnitude_vector", "", .magnitude),
      (".lora_magnitude_vector", ".weight", .magnitude),
    ]
    return halves.flatMap { [($0.0 + $0.1, $0.2), ($0.0 + ".default" + $0.1, $0.2)] }
      + [
        (".token_adapter.trainable_tokens_delta", .trainableTokens),
        (".token_adapter.trainable_tokens_delta.default", .trainableTokens), (".lora_a", .mlx),
        (".lora_b", .mlx),
      ]
  }()

  private static func split(_ name: String) -> (String, Part) {
    for (ending, part) in endings where name.hasSuffix(ending) {
      return (String(name.dropLast(ending.count)), part)
    }
    let components = name.split(separator: ".", omittingEmptySubsequences: false)
    for (i, component) in components.enumerated() {
      let isHalf = component == "lora_A" || component == "lora_B"
      if isHalf || component == "lora_embedding_A" || component == "lora_embedding_B",
        i + 1 < components.count
      {
        let path = components[..<i].joined(separator: ".")
        return (
          path, .otherAdapter(components[i + 1..<components.count - (isHalf ? 1 : 0)].joined(separator: "."))
        )
      }
    }
    let path = components.dropLast().joined(separator: ".")
    let parameter = String(components[components.count - 1])
    return parameter == "bias" && components.count > 1 ? (path, .bias) : (path, .full(parameter))
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
