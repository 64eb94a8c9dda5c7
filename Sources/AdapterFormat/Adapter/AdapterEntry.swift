public import ModelFiles

/// One thing that an adapter changes in its base.
public struct AdapterEntry: Sendable {
  /// The module, independent of wrappers: `layers.3.self_attn.q_proj` for Qwen2 and Llama; the full path
  /// without wrappers for others.
  public var module: String
  /// The module's path as the source spelled it, less one `base_model.model.`:
  /// `model.layers.3.self_attn.q_proj`, or `base_model.model.model.…` of an adapter wrapped twice.
  public var path: String
  /// The kind of change, and its numbers.
  public var content: Content
  /// The names of ``tensors`` in the PEFT file they came from, when they are not ``standardNames``; nil if
  /// they are.
  public var tensorNames: [String]?

  /// The kinds of change.
  public enum Content: Sendable {
    /// A linear layer: y += scale · B · A · x, with A `[r, in]` and B `[out, r]`.
    case lowRank(LowRankPair)
    /// A convolution: A `[r, in, k…]`, B `[out, r, 1…]`.
    case convolution(LowRankPair)
    /// An embedding: row t of the table += scale · B · A[:, t], with A `[r, vocabulary]` and B `[width, r]`.
    case embedding(LowRankPair)
    /// A parameter replaced as a whole, such as `weight` of a module in `modules_to_save`.
    case full(Tensor, parameter: String)
    /// Rows of an embedding, replaced; the ids are those of PEFT's `trainable_token_indices`, empty if the
    /// source does not tell them.
    case rows(Tensor, ids: [Int])
    /// The base's bias, replaced.
    case bias(Tensor)
    /// A bias of the pair's second half (`lora_bias`): y += scale · bias.
    case pairBias(Tensor, scale: Float)
    /// DoRA's magnitudes, one for each output.
    case magnitude(Tensor)
  }

  /// Makes an entry.
  public init(module: String, path: String, content: Content, tensorNames: [String]? = nil) {
    self.module = module
    self.path = path
    self.content = content
    self.tensorNames = tensorNames
  }

  /// The tensors in the order of ``standardNames``: A before B.
  public var tensors: [Tensor] {
    switch content {
    case .lowRank(let pair), .convolution(let pair), .embedding(let pair): [pair.a, pair.b]
    case .full(let tensor, _), .rows(let tensor, _), .bias(let tensor), .pairBias(let tensor, _),
      .magnitude(let tensor):
      [tensor]
    }
  }

  /// The pair, if the entry is one of any kind.
  public var pair: LowRankPair? {
    switch content {
    case .lowRank(let pair), .convolution(let pair), .embedding(let pair): pair
    default: nil
    }
  }

  /// The names that PEFT gives the tensors today.
  public var standardNames: [String] {
    let start = "base_model.model." + (path.isEmpty ? module : path)
    return switch content {
    case .lowRank, .convolution: [start + ".lora_A.weight", start + ".lora_B.weight"]
    case .embedding: [start + ".lora_embedding_A", start + ".lora_embedding_B"]
    case .full(_, let parameter): [parameter.isEmpty ? start : start + "." + parameter]
    case .rows: [start + ".token_adapter.trainable_tokens_delta"]
    case .bias: [start + ".bias"]
    case .pairBias: [start + ".lora_B.bias"]
    case .magnitude: [start + ".lora_magnitude_vector"]
    }
  }

  /// The names that PEFT gave the tensors in the source, or gives them today.
  public var peftNames: [String] { tensorNames ?? standardNames }

  /// The kind's name, stable, because files and messages have it.
  public var kind: String { Self.kinds[Int(tinaKind.rawValue) - 1] }

  /// Every ``kind`` in canonical order.
  public static let kinds = [
    "lowrank", "convolution", "embedding", "magnitude", "pair-bias", "bias", "rows", "full",
  ]

  /// Canonical order: layer number (modules outside the layers first), the bytes of the module's name, the
  /// kind's place in ``kinds``, the bytes of the path, the bytes of a full parameter's name.
  public func precedes(_ other: AdapterEntry) -> Bool { order < other.order }

  private var order: EntryOrder {
    EntryOrder(module: module, kind: tinaKind, path: path, parameter: parameter)
  }
}

/// The canonical order of entries, in archives and in files.
struct EntryOrder: Comparable {
  let module: String
  let kind: TinaKind
  let path: String
  let parameter: String

  static func < (a: EntryOrder, b: EntryOrder) -> Bool {
    let layers = (PEFTTensorName.layer(of: a.module), PEFTTensorName.layer(of: b.module))
    if layers.0 != layers.1 { return layers.0 < layers.1 }
    if !a.module.utf8.elementsEqual(b.module.utf8) { return bytesPrecede(a.module, b.module) }
    if a.kind != b.kind { return a.kind.rawValue < b.kind.rawValue }
    if !a.path.utf8.elementsEqual(b.path.utf8) { return bytesPrecede(a.path, b.path) }
    return bytesPrecede(a.parameter, b.parameter)
  }
}
