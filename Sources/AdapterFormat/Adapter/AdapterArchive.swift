public import ModelFiles

/// The whole contents of an adapter's file, of any format, so that conversion loses nothing.
///
/// An ``Adapter`` is the part that can be applied; it refuses the rest by name.
public struct AdapterArchive: Sendable {
  /// What the adapter changes, in canonical order (see ``AdapterEntry/precedes(_:)``).
  public var entries: [AdapterEntry]
  /// The source's own configuration as it was: PEFT's or MLX's `adapter_config.json`, a GGUF file's key-values;
  /// nil when the source had none.
  public var configuration: JSONObject?
  /// The texts of safetensors' `__metadata__`, in the order of the file.
  public var tensorMetadata: [(key: String, value: String)]
  /// The source's name for its base: a hub name or a folder. It proves nothing.
  public var baseModelName: String?
  /// The base by its contents; nil: "base not identified".
  public var base: BaseIdentity?
  /// How the adapter was trained: algorithm, step, recipe, rewards, data, seed.
  public var training: JSONObject?

  /// Makes an archive, and sorts the entries into canonical order.
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
