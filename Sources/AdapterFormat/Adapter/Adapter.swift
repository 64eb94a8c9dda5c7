public import ModelFiles

/// A low-rank pair and the layer that it changes: a linear one adds `scale · B · A · x` to its output, an embedding
/// `scale · B · A[:, t]` to row t.
public struct AdapterModule: Sendable {
  /// The layer it belongs to, independent of wrappers: `layers.3.self_attn.q_proj`.
  public let name: String
  /// A, B and the scale.
  public let pair: LowRankPair
  /// Whether the layer is an embedding: A is `[rank, vocabulary]`, B `[width, rank]`.
  public let isTable: Bool
  /// DoRA's magnitude of each output, m: the layer's weight is m · (W + ΔW) / ‖W + ΔW‖, row by row. Nil without DoRA.
  public let magnitude: Tensor?

  /// Makes a module without checking the shapes.
  public init(name: String, pair: LowRankPair, isTable: Bool = false, magnitude: Tensor? = nil) {
    self.name = name
    self.pair = pair
    self.isTable = isTable
    self.magnitude = magnitude
  }

  /// `[rank, in]`; F32, F16 or BF16.
  public var a: Tensor { pair.a }
  /// `[out, rank]`; F32, F16 or BF16.
  public var b: Tensor { pair.b }
  /// The final factor: `alpha / rank`, or `alpha / √rank` with rsLoRA, or what the file states.
  public var scale: Float { pair.scale }
  /// The alpha behind ``scale``; `scale · rank` where the file has none.
  public var alpha: Double { pair.alpha ?? Double(scale) * Double(rank) }
  /// Inner dimension of the pair.
  public var rank: Int { pair.rank }
}

extension [AdapterModule] {
  /// Why the modules together add exactly zero; nil if they do not.
  var zeroReason: String? {
    if isEmpty { return "it has no module" }
    if contains(where: { $0.magnitude != nil }) { return nil }
    if allSatisfy({ $0.scale == 0 }) {
      let alphas = Set(map(\.alpha))
      guard let alpha = alphas.first, alphas.count == 1, alpha != 0 else {
        return "every scale is exactly zero"
      }
      return "every scale is exactly zero: an alpha of \(alpha) is too small for its rank"
    }
    if allSatisfy({ $0.b.isZero }) { return "every B matrix is exactly zero" }
    return allSatisfy { $0.scale == 0 || $0.b.isZero } ? "every scale or B matrix is exactly zero" : nil
  }
}

/// A parameter of the base that an adapter replaces as a whole (PEFT's `modules_to_save`, and `bias`).
public struct SavedParameter: Sendable {
  /// The layer it belongs to, independent of wrappers: `lm_head`, `layers.3.input_layernorm`.
  public let module: String
  /// `weight` or `bias`.
  public let parameter: String
  /// The numbers; F32, F16 or BF16.
  public let tensor: Tensor

  /// `lm_head.weight`.
  public var name: String { module + "." + parameter }
}

/// A LoRA adapter that can be applied, its matrices in memory.
public struct Adapter: Sendable {
  /// The path as it was given.
  public let path: String
  /// The pairs, by layer and then by name.
  public let modules: [AdapterModule]
  /// Parameters of the base that it replaces, in the same order.
  public let saved: [SavedParameter]
  /// Whether a base's tied head follows what changes its embedding, and the other way round (`ensure_weight_tying`).
  public let tiesWeights: Bool
  /// What it is made of.
  let entries: [AdapterEntry]
  /// The configuration's name for its base: a hub name or a folder. It proves nothing.
  public let baseModelName: String?
  /// The base by its contents; nil if the file does not tell it ("base not identified"), as a PEFT directory
  /// never does.
  public var base: BaseIdentity?
  /// Whether the adapter adds exactly zero: every B, or every scale, is.
  public var isZero: Bool { zeroReason != nil }
  /// Why the adapter adds exactly zero, as the beginning of a sentence; nil if it does not.
  public let zeroReason: String?
  /// The configured names of the trained modules; empty if a pattern selects them.
  public let targetModules: [String]
  /// The source's own configuration: the whole `adapter_config.json`, a GGUF file's key-values.
  public let configuration: JSONObject
  /// Remarks for the adapter's user, one sentence each.
  public let notes: [String]

  /// Opens an adapter of any format, all or nothing; the format is recognised by its contents.
  ///
  /// Checks what the file alone can show: complete pairs, ranks, types, finite numbers, and nothing beyond LoRA, DoRA
  /// and replaced parameters. Attaching it to a model checks whether it fits the base.
  ///
  /// - Parameters:
  ///   - path: a `.tina` or GGUF file; a PEFT or MLX directory, or the safetensors file in one.
  ///   - layers: how many quality layers of a `.tina` file are read; all unless given.
  ///   - base: what is known of the base: GGUF adapters of Llama cannot be read without.
  ///   - isTrusted: leaves the digests of plainly stored tensors of a `.tina` file uncompared.
  /// - Throws: ``AdapterError`` with everything that is wrong.
  public init(
    path: String, layers: Int? = nil, base: BaseArchitecture? = nil, isTrusted: Bool = false
  ) throws(AdapterError) {
    let reading = try AdapterReading(path: path, layers: layers, base: base, isTrusted: isTrusted)
    try self.init(AdapterFile(path: path, reading), faults: reading.faults, base: base)
  }

  /// What can be applied of a file that is read, all or nothing.
  ///
  /// - Throws: ``AdapterError`` with everything that speaks against applying it.
  public init(_ file: AdapterFile) throws(AdapterError) { try self.init(file, faults: [], base: nil) }

  private init(
    _ file: AdapterFile, faults: [AdapterError.Violation], base: BaseArchitecture?
  ) throws(AdapterError) {
    let applicability = AdapterApplicability(file, base)
    let violations = faults + file.obstacles + applicability.violations
    guard violations.isEmpty else { throw AdapterError(path: file.path, violations: violations) }
    path = file.path
    modules = applicability.modules
    saved = applicability.saved
    entries = applicability.entries
    // MLX applies what changes the embedding to a tied head too.
    tiesWeights = file.peft?.tiesWeights ?? (file.archive.mlxConfiguration != nil)
    baseModelName = file.archive.baseModelName
    self.base = file.archive.base
    zeroReason = saved.isEmpty ? modules.zeroReason : nil
    configuration = file.archive.configuration ?? JSONObject([])
    targetModules = configuration["target_modules"]?.array?.compactMap(\.string) ?? []
    let negative = modules.count { $0.scale < 0 }
    notes =
      file.notes
      + (negative == 0
        ? []
        : ["\(path): \(negative) of \(modules.count) scales are negative: what was learnt is subtracted."])
  }

  /// The module of a name, or nil if the adapter does not change it.
  ///
  /// ```swift
  /// let adapter = try Adapter(path: "math.tina")
  /// if let query = adapter["layers.0.self_attn.q_proj"] {
  ///   print(query.rank, query.scale, query.a.shape, query.b.shape)
  /// }
  /// ```
  ///
  /// - Parameter name: as ``AdapterModule/name``, compared byte by byte.
  public subscript(name: String) -> AdapterModule? {
    modules.first { $0.name.utf8.elementsEqual(name.utf8) }
  }

  /// Number of elements of all tensors.
  public var parameterCount: Int { tensors.reduce(0) { $0 + $1.elementCount } }

  /// Every tensor.
  package var tensors: [Tensor] { entries.flatMap(\.tensors) }
}
