public import ModelFiles

/// A base in a GGUF file, quantised or not, as an identity sees it.
public struct GGUFBase: BaseCandidate {
  /// The file.
  public let path: String
  /// `general.architecture`.
  public let architecture: String
  /// Sizes from the metadata.
  public let dimensions: [String: Int]
  private let plain: [String: Tensor]
  private let blocks: [String: GGUFTensor]

  /// Looks at a model that was opened from a GGUF file.
  public init(_ directory: ModelDirectory) {
    path = directory.path
    architecture = "qwen2"
    let config = directory.config
    dimensions = [
      "head_dim": config.headDim, "heads": config.headCount, "hidden": config.hiddenSize,
      "intermediate": config.intermediateSize, "kv_heads": config.keyValueHeadCount,
      "layers": config.layerCount, "vocab": config.vocabSize,
    ]
    func canonical(_ name: String) -> String {
      name.utf8.starts(with: "model.".utf8) ? String(name.dropFirst(6)) : name
    }
    plain = Dictionary(uniqueKeysWithValues: directory.weights.tensors.map { (canonical($0), $1) })
    blocks = Dictionary(uniqueKeysWithValues: directory.weights.blocks.map { (canonical($0), $1) })
  }

  /// Every tensor that is part of an identity.
  public var tensors: [BaseTensor] { (Array(plain.keys) + Array(blocks.keys)).compactMap { tensor($0) } }

  /// The tensor of a canonical name.
  public func tensor(_ name: String) -> BaseTensor? {
    if let tensor = plain[name] {
      let encoding: BaseEncoding =
        switch tensor.elementType {
        case .f32: .f32
        case .f16: .f16
        case .bf16: .bf16
        default: .unjudged(tensor.elementType.rawValue)
        }
      return BaseTensor(name: name, shape: tensor.shape, encoding: encoding)
    }
    guard let tensor = blocks[name] else { return nil }
    let isKnown = [.q8_0, .q4_0, .q5_0, .q5_1, .q4_K, .q5_K, .q6_K].contains(tensor.type)
    return BaseTensor(
      name: name, shape: tensor.shape,
      encoding: isKnown ? .quantised(tensor.type.name) : .unjudged(tensor.type.name))
  }

  /// The numbers at `columns` of a row.
  public func values(of tensor: BaseTensor, row: Int, columns: Range<Int>) -> BaseValues {
    if let whole = plain[tensor.name], tensor.encoding.isFloat {
      let size = whole.elementType.byteSize
      let start = whole.byteRange.lowerBound + (row * tensor.columns + columns.lowerBound) * size
      let part = Tensor(
        name: whole.name, elementType: whole.elementType, shape: [columns.count], storage: whole.storage,
        byteRange: start..<(start + columns.count * size))
      return BaseValues(part.floats())
    }
    guard let whole = blocks[tensor.name] else { return BaseValues([]) }
    let (elements, bytes) = whole.type.block
    let rowBytes = tensor.columns / elements * bytes
    var values: [Float] = []
    var widths: [Double] = []
    for index in columns.lowerBound / elements...(columns.upperBound - 1) / elements {
      let start = whole.byteRange.lowerBound + row * rowBytes + index * bytes
      guard let block = GGUFBlock(whole.storage.copy(start..<start + bytes), whole.type) else {
        return BaseValues([])
      }
      let first = index * elements
      let part = max(columns.lowerBound, first) - first..<min(columns.upperBound, first + elements) - first
      values += block.values[part]
      widths += block.widths[part]
    }
    return BaseValues(values, widths: widths)
  }

  /// SHA-256 of the whole base.
  ///
  /// - Parameter threads: how many threads hash; all processors when nil.
  /// - Throws: ``AdapterError`` naming the first tensor that is quantised.
  public func digest(threads: Int?) throws(AdapterError) -> [UInt8] {
    if let tensor = tensors.filter({ !$0.encoding.isFloat }).min(by: { bytesPrecede($0.name, $1.name) }) {
      throw AdapterError(
        path: path,
        violations: [
          .init(
            .badTensor, file: path, place: "tensor " + quoted(tensor.name),
            found: "the encoding \(tensor.encoding)", expected: "F32, F16 or BF16",
            advice: "Identify the base by the weights that it was quantised from.")
        ])
    }
    return BaseDigest.digest(plain.map { ($0.key, $0.value) }, threads: threads)
  }
}
