public import ModelFiles

/// One low-rank pair: what it adds to its linear layer is `scale · B · A · x`.
public struct AdapterModule: Sendable {
  /// The layer it belongs to, independent of wrappers: `layers.3.self_attn.q_proj`.
  public let name: String
  /// Inner dimension of the pair.
  public let rank: Int
  /// The final factor: `alpha / rank`, or `alpha / √rank` with rsLoRA.
  public let scale: Float
  /// The alpha behind ``scale``.
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

/// A LoRA adapter, its matrices mapped from the file.
public struct Adapter: Sendable {
  /// The path as it was given.
  public let path: String
  /// The pairs, by layer and then by name.
  public let modules: [AdapterModule]
  /// What the configuration calls its base: a hub name or somebody's folder. Never proof of anything.
  public let baseModelName: String?
  /// The base by its contents; nil if the file does not tell it, as a PEFT directory never does.
  public var baseIdentity: BaseIdentity?
  /// Whether the adapter adds exactly zero: every B, or every scale, is.
  public let isZero: Bool
  /// The names that training was told to target; empty if a pattern told it.
  public let targetModules: [String]
  /// The whole `adapter_config.json`.
  public let configuration: JSONObject

  /// Opens a PEFT adapter, all or nothing.
  ///
  /// What the file alone can show is checked here: complete pairs, ranks, types, finite numbers, and that
  /// nothing in it goes beyond plain LoRA. Whether it fits a base is checked where it meets one.
  ///
  /// - Parameter path: a PEFT directory, or the `adapter_model.safetensors` in it.
  /// - Throws: ``AdapterError`` with everything that is wrong.
  public init(path: String) throws(AdapterError) {
    let files = try PEFTFiles(path: path)
    var violations = files.violation.map { [$0] } ?? []
    var config: PEFTConfig?
    var weights: SafetensorsFile?
    do throws(ModelFilesError) {
      config = try PEFTConfig(path: files.config, &violations)
    } catch {
      violations.append(.init(error))
    }
    do throws(ModelFilesError) {
      weights = try files.weights.map { (path) throws(ModelFilesError) in try SafetensorsFile(path: path) }
    } catch {
      violations.append(.init(error))
    }
    var modules: [AdapterModule] = []
    if let config, let weights, config.isLoRA {
      modules = PEFTPairs(config: config, file: weights).modules(&violations)
    }
    guard violations.isEmpty, let config else { throw AdapterError(path: path, violations: violations) }
    self.path = path
    self.modules = modules
    baseModelName = config.baseModelName
    isZero = modules.allSatisfy { $0.scale == 0 || $0.b.isZero }
    targetModules = config.targetNames ?? []
    configuration = config.object
  }

  /// Number of elements of all matrices.
  public var parameterCount: Int { modules.reduce(0) { $0 + $1.a.elementCount + $1.b.elementCount } }
}
