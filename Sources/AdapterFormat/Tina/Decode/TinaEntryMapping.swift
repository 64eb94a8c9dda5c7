import ModelFiles

// Converts entries of an archive to records of the catalog, and back.

extension AdapterEntry {
  var tinaKind: TinaKind {
    switch content {
    case .lowRank: .lowRank
    case .convolution: .convolution
    case .embedding: .embedding
    case .magnitude: .magnitude
    case .pairBias: .pairBias
    case .bias: .bias
    case .rows: .rows
    case .full: .full
    }
  }

  var parameter: String { if case .full(_, let parameter) = content { parameter } else { "" } }

  /// The tensors in the format's form: rows with their ids.
  var tinaTensors: [Tensor] {
    guard case .rows(let tensor, let ids) = content else { return tensors }
    var bytes = ByteBuilder()
    for id in ids { bytes.integer(Int64(id)) }
    return [
      tensor,
      Tensor(name: "ids", elementType: .i64, shape: [ids.count], memory: OwnedBytes(bytes.bytes)),
    ]
  }

  /// The record of the catalog, with the caller's errors and tensors.
  func record(errors: [Float], tensors: Range<Int>) -> TinaCatalog.Entry {
    var origin: UInt8 = 0
    var scale: Float = 1
    var alpha: Double?
    if let pair {
      scale = pair.scale
      alpha = pair.alpha
      origin =
        switch pair.scaleOrigin {
        case .stated: 0
        case .alphaOverRank: 1
        case .alphaOverRootRank: 2
        }
    } else if case .pairBias(_, let its) = content {
      scale = its
    }
    let names = tensorNames.map { names in
      JSONObject([("tensor_names", .array(names.map { .string($0) }))])
    }
    return TinaCatalog.Entry(
      kind: tinaKind, origin: origin, scale: scale, alpha: alpha, module: module, path: path,
      parameter: parameter, attributes: names, errors: errors, tensors: tensors)
  }

  /// The entry of a record; the tensors get the names of PEFT.
  init(_ record: TinaCatalog.Entry, tensors: [Tensor]) {
    let origin: LowRankPair.ScaleOrigin =
      switch record.origin {
      case 1: .alphaOverRank
      case 2: .alphaOverRootRank
      default: .stated
      }
    func pair() -> LowRankPair {
      LowRankPair(
        a: tensors[0], b: tensors[1], scale: record.scale, scaleOrigin: origin, alpha: record.alpha)
    }
    let content: Content =
      switch record.kind {
      case .lowRank: .lowRank(pair())
      case .convolution: .convolution(pair())
      case .embedding: .embedding(pair())
      case .magnitude: .magnitude(tensors[0])
      case .pairBias: .pairBias(tensors[0], scale: record.scale)
      case .bias: .bias(tensors[0])
      case .rows: .rows(tensors[0], ids: tensors[1].identifiers)
      case .full: .full(tensors[0], parameter: record.parameter)
      }
    self.init(
      module: record.module, path: record.path, content: content, tensorNames: record.tensorNames)
  }
}

extension TinaCatalog.Entry {
  /// The names of the tensors in the source's PEFT file, if they were not the usual ones.
  var tensorNames: [String]? {
    guard let names = attributes?["tensor_names"]?.array?.compactMap(\.string), !names.isEmpty else {
      return nil
    }
    return names
  }

  /// Names of the tensors in PEFT, one for each.
  var peftNames: [String] {
    let none = Tensor(name: "", elementType: .u8, shape: [0], memory: OwnedBytes([]))
    let empty = TinaCatalog.Entry(
      kind: kind == .rows ? .bias : kind, origin: 0, scale: 1, alpha: nil, module: module, path: path,
      parameter: parameter, attributes: attributes, errors: [], tensors: tensors)
    let names = AdapterEntry(empty, tensors: [none, none])
    if kind == .rows {
      let rows = AdapterEntry(
        module: module, path: path, content: .rows(none, ids: []), tensorNames: tensorNames)
      return rows.peftNames.prefix(1) + ["ids"]
    }
    return names.peftNames
  }
}

extension Tensor {
  /// The numbers of an I64 tensor.
  fileprivate var identifiers: [Int] {
    unsafe bytes.withUnsafeBytes { raw in
      (0..<elementCount).map { i in
        Int(Int64(littleEndian: unsafe raw.loadUnaligned(fromByteOffset: 8 * i, as: Int64.self)))
      }
    }
  }
}

/// The digest of an adapter's content, however it is encoded (spec §10).
struct ContentHash {
  private var bytes = ByteBuilder()

  mutating func append(
    _ entry: TinaCatalog.Entry, position: Int, type: ElementType, shape: [Int], digest: ContentDigest
  ) {
    bytes.integer(UInt16(entry.module.utf8.count))
    bytes.bytes += Array(entry.module.utf8)
    bytes.integer(entry.kind.rawValue)
    bytes.integer(UInt16(entry.parameter.utf8.count))
    bytes.bytes += Array(entry.parameter.utf8)
    bytes.float(entry.scale)
    bytes.integer(UInt8(position))
    bytes.integer(type.tinaCode)
    bytes.integer(UInt8(shape.count))
    for size in shape { bytes.integer(UInt64(size)) }
    bytes.bytes += digest.bytes
  }

  var digest: ContentDigest { ContentDigest.of(bytes.bytes) }
}
