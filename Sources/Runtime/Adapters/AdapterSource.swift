public import AdapterFormat
import ModelFiles

/// Which adapter is wanted, and how it is attached.
public struct AdapterSource: Sendable, Hashable {
  /// A `.tina` or GGUF file; a PEFT or MLX directory, or the safetensors file in one.
  public var path: String
  /// How many quality layers of a `.tina` file are read; all when nil.
  public var layers: Int?
  /// A factor on top of the adapter's own scales.
  public var scale: Float
  /// Whether other weights than those of the adapter's own base are accepted, with a note.
  public var allowBaseMismatch: Bool
  /// Leaves the digests of plainly stored tensors of a `.tina` file uncompared.
  public var isTrusted: Bool

  /// All of the adapter at `path`, on its own base.
  public init(
    path: String, layers: Int? = nil, scale: Float = 1, allowBaseMismatch: Bool = false,
    isTrusted: Bool = false
  ) {
    self.path = path
    self.layers = layers
    self.scale = scale
    self.allowBaseMismatch = allowBaseMismatch
    self.isTrusted = isTrusted
  }

  /// Opens the adapter for `model`; nothing is attached yet.
  ///
  /// - Throws: `RuntimeError.adapterMismatch` for a .tina file whose shapes do not fit, before anything is decoded;
  ///   `AdapterError` with everything that is wrong with the file.
  public func open(for model: Model) throws -> Adapter {
    if let pairs = AdapterFile.undecodedShapes(path: path, layers: layers) {
      let violations = AdapterFit.violations(pairs, model.config)
      guard violations.isEmpty else {
        throw RuntimeError.adapterMismatch(adapter: path, base: model.directory.path, violations: violations)
      }
    }
    return try Adapter(path: path, layers: layers, base: BaseArchitecture(model.config), isTrusted: isTrusted)
  }
}

extension AttachedAdapter {
  /// Opens an adapter and binds it to `model`.
  ///
  /// - Throws: `AdapterError` for a file that is damaged or can't be applied; `RuntimeError` as
  ///   ``init(_:to:scale:allowBaseMismatch:)``.
  public convenience init(_ source: AdapterSource, to model: Model) throws {
    try self.init(
      source.open(for: model), to: model, scale: source.scale, allowBaseMismatch: source.allowBaseMismatch)
  }
}

extension BaseArchitecture {
  /// The part of a model's configuration that names its modules.
  init(_ config: Architecture) {
    self.init(
      name: config.modelType, headCount: config.headCount, keyValueHeadCount: config.keyValueHeadCount,
      layerCount: config.layerCount, vocabularySize: config.vocabSize,
      isTied: config.tieWordEmbeddings)
  }
}
