public import ModelFiles

/// Everything that an adapter's file holds, whichever format it came from: conversion loses nothing.
///
/// An ``Adapter`` is the part of it that can be applied; what cannot be applied is refused there, by name.
public struct AdapterArchive: Sendable {
  /// What the adapter changes, in canonical order (see ``AdapterEntry/precedes(_:)``).
  public var entries: [AdapterEntry]
  /// The source's own configuration as it was: PEFT's or MLX's `adapter_config.json`, a GGUF file's key-values;
  /// nil when the source had none.
  public var configuration: JSONObject?
  /// The texts of safetensors' `__metadata__`, in the order of the file.
  public var tensorMetadata: [(key: String, value: String)]
  /// What the source calls its base: a hub name or somebody's folder. Never proof of anything.
  public var baseModelName: String?
  /// The base by its contents; nil: "base not identified".
  public var base: BaseIdentity?
  /// How the adapter was trained: algorithm, step, recipe, rewards, data, seed.
  public var training: JSONObject?

  /// Makes an archive; the entries are brought into canonical order.
  public init(
    entries: [AdapterEntry], configuration: JSONObject? = nil,
    tensorMetadata: [(key: String, value: String)] = [], baseModelName: String? = nil,
    base: BaseIdentity? = nil, training: JSONObject? = nil
  ) {
    self.entries = entries.sorted { $0.precedes($1) }
    self.configuration = configuration
    self.tensorMetadata = tensorMetadata
    self.baseModelName = baseModelName
    self.base = base
    self.training = training
  }

  /// ``configuration`` if it is PEFT's.
  public var peftConfiguration: JSONObject? {
    configuration.flatMap { $0["peft_type"] != nil ? $0 : nil }
  }

  /// ``configuration`` if it is MLX's.
  public var mlxConfiguration: JSONObject? {
    configuration.flatMap { $0["peft_type"] == nil && $0["general.type"] == nil ? $0 : nil }
  }

  /// ``configuration`` if it is a GGUF file's key-values, each an object of `type` and `value`.
  public var ggufConfiguration: JSONObject? {
    configuration.flatMap { $0["peft_type"] == nil && $0["general.type"] != nil ? $0 : nil }
  }

  /// Number of elements of all tensors.
  public var parameterCount: Int {
    entries.reduce(0) { $0 + $1.tensors.reduce(0) { $0 + $1.elementCount } }
  }
}

/// One thing that an adapter changes in its base.
public struct AdapterEntry: Sendable {
  /// The module, independent of wrappers: `layers.3.self_attn.q_proj` for Qwen2 and Llama; the full path
  /// without wrappers for others.
  public var module: String
  /// The module's path as the source spelled it, less one `base_model.model.`:
  /// `model.layers.3.self_attn.q_proj`, or `base_model.model.model.…` of an adapter wrapped twice.
  public var path: String
  /// What is changed, and by which numbers.
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

  /// What PEFT calls the tensors today.
  public var standardNames: [String] {
    let start = "base_model.model." + path
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

  /// What PEFT called the tensors in the source, or calls them today.
  public var peftNames: [String] { tensorNames ?? standardNames }

  /// The kind's name, stable: it is written to files and printed.
  public var kind: String { Self.kinds[kindIndex] }

  /// Every ``kind`` in canonical order.
  public static let kinds = [
    "lowrank", "convolution", "embedding", "magnitude", "pair-bias", "bias", "rows", "full",
  ]

  private var kindIndex: Int {
    switch content {
    case .lowRank: 0
    case .convolution: 1
    case .embedding: 2
    case .magnitude: 3
    case .pairBias: 4
    case .bias: 5
    case .rows: 6
    case .full: 7
    }
  }

  /// Canonical order: layer number (modules outside the layers first), the bytes of the module's name, the
  /// kind's place in ``kinds``, the bytes of the path, the bytes of a full parameter's name.
  public func precedes(_ other: AdapterEntry) -> Bool {
    let layers = (PEFTTensorName.layer(of: module), PEFTTensorName.layer(of: other.module))
    if layers.0 != layers.1 { return layers.0 < layers.1 }
    if !module.utf8.elementsEqual(other.module.utf8) {
      return module.utf8.lexicographicallyPrecedes(other.module.utf8)
    }
    if kindIndex != other.kindIndex { return kindIndex < other.kindIndex }
    if !path.utf8.elementsEqual(other.path.utf8) {
      return path.utf8.lexicographicallyPrecedes(other.path.utf8)
    }
    guard case .full(_, let mine) = content, case .full(_, let its) = other.content else { return false }
    return mine.utf8.lexicographicallyPrecedes(its.utf8)
  }
}

/// Two factors and their scale: ΔW = scale · B · A.
public struct LowRankPair: Sendable {
  /// Where a scale comes from.
  public enum ScaleOrigin: String, Sendable, CaseIterable {
    /// alpha / rank.
    case alphaOverRank = "alpha/rank"
    /// alpha / √rank, of rsLoRA.
    case alphaOverRootRank = "alpha/sqrt(rank)"
    /// The source states the number itself, as MLX does.
    case stated
  }

  /// `[rank, in]`, with more dimensions for convolutions.
  public var a: Tensor
  /// `[out, rank]`, with more dimensions for convolutions.
  public var b: Tensor
  /// The final factor.
  public var scale: Float
  /// Where ``scale`` comes from.
  public var scaleOrigin: ScaleOrigin
  /// The alpha behind ``scale``; nil if the source has none.
  public var alpha: Double?

  /// Makes a pair; shapes are taken on trust.
  public init(a: Tensor, b: Tensor, scale: Float, scaleOrigin: ScaleOrigin, alpha: Double?) {
    self.a = a
    self.b = b
    self.scale = scale
    self.scaleOrigin = scaleOrigin
    self.alpha = alpha
  }

  /// Inner dimension.
  public var rank: Int { a.shape.first ?? 0 }
  /// Number of outputs.
  public var outputCount: Int { b.shape.first ?? 0 }
  /// Number of inputs; a convolution's kernel counts as inputs.
  public var inputCount: Int { a.shape.dropFirst().reduce(1, *) }
}
