public import ModelFiles
package import Support

/// A base on disk as an identity sees it: a Hugging Face directory of any architecture, or a GGUF file.
public struct StoredBase: BaseCandidate {
  /// The directory or file.
  public let path: String
  /// `model_type`, or `general.architecture`.
  public let architecture: String
  /// Sizes from the configuration.
  public let dimensions: [String: Int]
  /// By canonical name.
  private let stored: [String: Tensor]
  /// What the container adds to the weights of norms.
  private let normOffset: Float

  /// Opens a Hugging Face directory; reads no weights.
  ///
  /// - Throws: `ModelFilesError` if configuration or weights can't be read, or two tensors have one canonical
  ///   name.
  public init(path: String) throws(ModelFilesError) {
    try self.init(path: path, weights: WeightFiles(directory: path))
  }

  /// Takes an open model.
  ///
  /// - Throws: `ModelFilesError` as above.
  public init(_ model: StoredModel) throws(ModelFilesError) {
    self =
      model.gguf == nil
      ? try StoredBase(path: model.path, weights: model.weights)
      : StoredBase(model.path, model.config, model.weights)
  }

  /// A GGUF file's model.
  private init(_ path: String, _ config: Architecture, _ weights: WeightFiles) {
    self.path = path
    architecture = config.modelType
    dimensions = [
      "head_dim": config.headDim, "heads": config.headCount, "hidden": config.hiddenSize,
      "intermediate": config.intermediateSize, "kv_heads": config.keyValueHeadCount,
      "layers": config.layerCount, "vocab": config.vocabSize,
    ]
    normOffset = config.normOffset
    stored = Dictionary(uniqueKeysWithValues: weights.tensors.values.map { (canonicalName($0.name), $0) })
  }

  private init(path: String, weights: WeightFiles) throws(ModelFilesError) {
    let config = try HuggingFaceSizes(path: path + "/config.json")
    var stored: [String: Tensor] = [:]
    for tensor in weights.tensors.values where !Self.isLeftOut(tensor) {
      let name = canonicalName(tensor.name)
      if config.isTied, name == "lm_head.weight" { continue }
      if let other = stored.updateValue(tensor, forKey: name) {
        throw ModelFilesError(
          .badTensor, file: tensor.file?.path ?? path, place: "tensor " + quoted(tensor.name),
          found: "the same name as " + quoted(other.name) + " without its prefix",
          expected: "every tensor once")
      }
    }
    self.path = path
    normOffset = 0
    architecture = config.architecture
    dimensions = config.dimensions
    self.stored = stored
  }

  /// Every tensor that is part of an identity.
  public var tensors: [BaseTensor] { stored.keys.compactMap { tensor($0) } }

  /// The tensor of a canonical name.
  public func tensor(_ name: String) -> BaseTensor? {
    stored[name].map { BaseTensor(name: name, shape: $0.shape, elementType: $0.elementType) }
  }

  /// The numbers at `columns` of a row.
  public func values(of tensor: BaseTensor, row: Int, columns: Range<Int>) -> BaseValues {
    guard let whole = stored[tensor.name] else { return BaseValues([]) }
    let type = whole.elementType
    if type.readsAsFloats {
      let first = row * tensor.columns + columns.lowerBound
      let isNorm = normOffset != 0 && tensor.name.hasSuffix("norm.weight")
      return BaseValues(
        whole.elements(first..<first + columns.count).floats(), storedOffset: isNorm ? normOffset : 0)
    }
    let size = type.block.elements
    var values: [Float] = []
    var widths: [Double] = []
    for index in columns.lowerBound / size...(columns.upperBound - 1) / size {
      let first = index * size
      let start = whole.byteRange.lowerBound + type.byteCount(row * tensor.columns + first)
      guard let block = GGUFBlock(whole.storage.copy(start..<start + type.block.bytes), type) else {
        return BaseValues([])
      }
      let part = max(columns.lowerBound, first) - first..<min(columns.upperBound, first + size) - first
      values += block.values[part]
      widths += block.widths[part]
    }
    return BaseValues(values, widths: widths)
  }

  /// SHA-256 of the whole base.
  ///
  /// - Parameter threads: how many threads hash; all processors when nil.
  /// - Throws: ``AdapterError`` naming the first tensor that is no F32, F16 or BF16.
  public func digest(threads: Int?) throws(AdapterError) -> [UInt8] {
    try digest(threads: threads, stop: nil)
  }

  package func digest(threads: Int?, stop: StopFlag?) throws(AdapterError) -> [UInt8] {
    let other = stored.values.filter { !$0.elementType.readsAsFloats }
    if let tensor = other.min(by: { bytesPrecede($0.name, $1.name) }) {
      throw AdapterError(
        path: path,
        violations: [
          .init(
            .badTensor, file: tensor.file?.path ?? path, place: "tensor " + quoted(tensor.name),
            found: "element type " + tensor.elementType.rawValue, expected: "F32, F16 or BF16",
            advice: "Identify the base by the weights that it was quantised from.")
        ])
    }
    let digest = BaseDigest.digest(stored.map { ($0.key, $0.value) }, threads: threads, stop: stop)
    do throws(ModelFilesError) {
      for file in WeightFiles.files(of: Array(stored.values)) { try file.checkUnchanged() }
    } catch {
      throw AdapterError(path: path, violations: [.init(error)])
    }
    return digest
  }

  /// Tables that programs compute for themselves.
  private static func isLeftOut(_ tensor: Tensor) -> Bool {
    let suffixes = [".inv_freq", ".masked_bias", ".rotary_emb.cos_cached", ".rotary_emb.sin_cached"]
    return tensor.elementCount == 0 || suffixes.contains { tensor.name.hasSuffix($0) }
      || (tensor.name.hasSuffix(".attn.bias") && tensor.shape.count == 4)
  }
}

/// A checkpoint's name without its first prefix.
private func canonicalName(_ name: String) -> String {
  for prefix in ["model.", "transformer."] where name.utf8.starts(with: prefix.utf8) {
    return String(name.dropFirst(prefix.utf8.count))
  }
  return name
}
