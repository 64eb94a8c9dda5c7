public import ModelFiles

/// One low-rank pair: what it adds to its linear layer is `scale · B · A · x`.
public struct AdapterModule: Sendable {
  /// The layer it belongs to, independent of wrappers: `layers.3.self_attn.q_proj`.
  public let name: String
  /// Inner dimension of the pair.
  public let rank: Int
  /// The final factor: `alpha / rank`, or `alpha / √rank` with rsLoRA, or what the file states.
  public let scale: Float
  /// The alpha behind ``scale``; `scale · rank` where the file has none.
  public let alpha: Double
  /// `[rank, in]`; F32, F16 or BF16.
  public let a: Tensor
  /// `[out, rank]`; F32, F16 or BF16.
  public let b: Tensor

  /// Makes a module; shapes are taken on trust.
  public init(name: String, rank: Int, scale: Float, alpha: Double, a: Tensor, b: Tensor) {
    self.name = name
    self.rank = rank
    self.scale = scale
    self.alpha = alpha
    self.a = a
    self.b = b
  }
}

/// A LoRA adapter that can be applied, its matrices mapped from the file or decoded.
public struct Adapter: Sendable {
  /// The path as it was given.
  public let path: String
  /// The pairs, by layer and then by name.
  public let modules: [AdapterModule]
  /// What the configuration calls its base: a hub name or somebody's folder. Never proof of anything.
  public let baseModelName: String?
  /// The base by its contents; nil if the file does not tell it ("base not identified"), as a PEFT directory
  /// never does.
  public var base: BaseIdentity?
  /// Whether the adapter adds exactly zero: every B, or every scale, is.
  public let isZero: Bool
  /// The names that training was told to target; empty if a pattern told it.
  public let targetModules: [String]
  /// The source's own configuration: the whole `adapter_config.json`, a GGUF file's key-values.
  public let configuration: JSONObject
  /// What should be known about the file, one sentence each.
  public let notes: [String]

  /// Opens an adapter of any format, all or nothing; the format is recognised by its contents.
  ///
  /// What the file alone can show is checked here: complete pairs, ranks, types, finite numbers, and that
  /// nothing in it goes beyond plain LoRA. Whether it fits a base is checked where it meets one.
  ///
  /// - Parameters:
  ///   - path: a `.tina` or GGUF file; a PEFT or MLX directory, or the safetensors file in one.
  ///   - layers: how many quality layers of a `.tina` file are read; all unless given.
  ///   - base: what is known of the base: GGUF adapters of Llama cannot be read without.
  /// - Throws: ``AdapterError`` with everything that is wrong.
  public init(path: String, layers: Int? = nil, base: BaseArchitecture? = nil) throws(AdapterError) {
    let reading = try AdapterReading(path: path, layers: layers, base: base)
    try self.init(AdapterFile(path: path, reading), faults: reading.faults)
  }

  /// What can be applied of a file that is read, all or nothing.
  ///
  /// - Throws: ``AdapterError`` with everything that speaks against applying it.
  public init(_ file: AdapterFile) throws(AdapterError) { try self.init(file, faults: []) }

  private init(_ file: AdapterFile, faults: [AdapterError.Violation]) throws(AdapterError) {
    let applicability = AdapterApplicability(file)
    let violations = faults + file.obstacles + applicability.violations
    guard violations.isEmpty else { throw AdapterError(path: file.path, violations: violations) }
    path = file.path
    modules = applicability.modules
    baseModelName = file.archive.baseModelName
    base = file.archive.base
    isZero = modules.allSatisfy { $0.scale == 0 || $0.b.isZero }
    configuration = file.archive.configuration ?? JSONObject([])
    targetModules = configuration["target_modules"]?.array?.compactMap(\.string) ?? []
    notes = file.notes
  }

  /// Number of elements of all matrices.
  public var parameterCount: Int { modules.reduce(0) { $0 + $1.a.elementCount + $1.b.elementCount } }
}
