import ModelFiles
import Support

// Reads the catalog's records one after another, and checks each by itself.
extension TinaCatalog {
  static let maximumNameLength = 1024
  /// The most values of JSON in the attributes of all entries: a tree of them takes memory.
  static let maximumAttributeCount = 1 << 20

  /// Reads the records and checks them, also against each other and against the lengths of index and file.
  init(_ bytes: [UInt8], indexLength: Int, fileLength: Int) throws(TinaFault) {
    var cursor = ByteCursor(bytes)
    let layerCount = Int(try cursor.integer(UInt32.self))
    let entryCount = Int(try cursor.integer(UInt32.self))
    let tensorCount = Int(try cursor.integer(UInt32.self))
    let blockCount = Int(try cursor.integer(UInt32.self))
    seed = try cursor.integer(UInt64.self)
    try cursor.reserved(8, "directory")
    contentDigest = ContentDigest(try cursor.take(32))
    parent = ContentDigest(try cursor.take(32))
    try cursor.reserved(16, "directory")
    for (count, limit, what) in [
      (layerCount, 8, "layers"), (entryCount, 1 << 17, "entries"), (blockCount, 1 << 19, "blocks"),
    ] where count > limit {
      throw TinaFault(.limit, "directory", found: "\(count) \(what)", expected: "at most \(limit)")
    }
    guard layerCount >= 1 else {
      throw TinaFault(.limit, "directory", found: "no layer", expected: "1 to 8")
    }
    // The bytes for these counts exist, before anything is allocated for them.
    try cursor.need(24 * layerCount + (29 + 4 * layerCount) * entryCount + 28 * blockCount)
    for number in 0..<layerCount { layers.append(try Self.layer(&cursor, number)) }
    let bits = layers.reduce(0) { $0 + $1.bits }
    guard bits <= 8 else {
      throw TinaFault(.layers, "directory", found: "\(bits) refinement bits", expected: "at most 8")
    }
    var values = 0
    for number in 0..<entryCount {
      let first = entries.last?.tensors.upperBound ?? 0
      let entry = try Self.entry(&cursor, number, firstTensor: first, layerCount: layerCount)
      if let last = entries.last, !(last.order < entry.order) {
        throw TinaFault(
          .order, "entry \(number + 1)", found: quoted(entry.module) + " after " + quoted(last.module),
          expected: "strictly ascending entries")
      }
      values += entry.attributes.map { JSONValue.object($0).count } ?? 0
      guard values <= Self.maximumAttributeCount else {
        throw TinaFault(
          .attributes, "entry \(number + 1)",
          found: "more than \(Self.maximumAttributeCount) values in all attributes", expected: "fewer")
      }
      entries.append(entry)
    }
    guard tensorCount == entries.last?.tensors.upperBound ?? 0 else {
      throw TinaFault(
        .directory, "directory", found: "\(tensorCount) tensors",
        expected: "\(entries.last?.tensors.upperBound ?? 0), those of the entries")
    }
    for (number, entry) in entries.enumerated() {
      for _ in entry.tensors { tensors.append(try Self.tensor(&cursor, entry: number, entry.module)) }
      try checkShapes(entry)
    }
    for number in 0..<blockCount { blocks.append(try Self.block(&cursor, number)) }
    guard cursor.remaining == 0 else {
      throw TinaFault(
        .directory, "directory, byte \(cursor.position)", found: "\(cursor.remaining) bytes",
        expected: "the end of the directory")
    }
    try connect()
    try layOut(indexLength: indexLength, fileLength: fileLength)
  }

  private static func layer(_ cursor: inout ByteCursor, _ number: Int) throws(TinaFault) -> Layer {
    let place = "layer \(number + 1)"
    let end = try cursor.integer(UInt64.self)
    let bits = Int(try cursor.integer(UInt32.self))
    let (worst, total) = (try cursor.float(), try cursor.float())
    try cursor.reserved(4, place)
    guard end <= TinaHeader.maximumFileLength else {
      throw TinaFault(.limit, place, found: "an end at \(end)", expected: "at most 2^48")
    }
    guard number == 0 ? bits == 0 : (1...8).contains(bits) else {
      throw TinaFault(
        .layers, place, found: "\(bits) refinement bits", expected: number == 0 ? "0" : "1 to 8")
    }
    try check(error: worst, place)
    try check(error: total, place)
    return Layer(end: Int(end), bits: bits, worstError: worst, totalError: total)
  }

  private static func check(error: Float, _ place: String) throws(TinaFault) {
    guard error.isFinite, error >= 0 else {
      throw TinaFault(.error, place, found: "an error of \(error)", expected: "a finite number, 0 or more")
    }
  }

  private static func entry(
    _ cursor: inout ByteCursor, _ number: Int, firstTensor: Int, layerCount: Int
  ) throws(TinaFault) -> Entry {
    let place = "entry \(number + 1)"
    let kindCode = try cursor.integer(UInt8.self)
    let origin = try cursor.integer(UInt8.self)
    let flags = try cursor.integer(UInt8.self)
    let tensorCount = Int(try cursor.integer(UInt8.self))
    let scale = try cursor.float()
    let alpha = Double(bitPattern: try cursor.integer(UInt64.self))
    let moduleLength = Int(try cursor.integer(UInt16.self))
    let pathLength = Int(try cursor.integer(UInt16.self))
    let parameterLength = Int(try cursor.integer(UInt16.self))
    try cursor.reserved(2, place)
    let attributesLength = Int(try cursor.integer(UInt32.self))
    guard flags & 0xfe == 0 else {
      throw TinaFault(.reserved, place, found: "flags \(flags)", expected: "0 or 1")
    }
    guard let kind = TinaKind(rawValue: kindCode), kind.tensorCount == tensorCount else {
      throw TinaFault(
        .kind, place, found: "kind \(kindCode) with \(tensorCount) tensors", expected: "a kind that is known")
    }
    let hasAlpha = flags == 1
    guard scale.isFinite, alpha.isFinite, hasAlpha || alpha.bitPattern == 0, origin <= 2,
      kind.hasScale || scale == 1, kind.isPair || (origin == 0 && !hasAlpha)
    else {
      throw TinaFault(
        .scale, place, found: "scale \(scale), alpha \(alpha), origin \(origin)",
        expected: "finite numbers, as the kind has them")
    }
    for length in [moduleLength, pathLength, parameterLength] where length > maximumNameLength {
      throw TinaFault(.name, place, found: "a name of \(length) bytes", expected: "at most 1024")
    }
    guard attributesLength <= 65536 else {
      throw TinaFault(
        .limit, place, found: "attributes of \(attributesLength) bytes", expected: "at most 65536")
    }
    var errors: [Float] = []
    for _ in 0..<layerCount {
      errors.append(try cursor.float())
      try check(error: errors[errors.count - 1], place)
    }
    let module = try name(try cursor.take(moduleLength), place)
    let path = try name(try cursor.take(pathLength), place)
    let parameter = try name(try cursor.take(parameterLength), place)
    guard moduleLength > 0, kind == .full || parameterLength == 0 else {
      throw TinaFault(
        .name, place, found: moduleLength == 0 ? "no module name" : "the parameter " + quoted(parameter),
        expected: moduleLength == 0 ? "a module name" : "no parameter for this kind")
    }
    let attributes = try attributes(try cursor.take(attributesLength), of: kind, place)
    return Entry(
      kind: kind, origin: origin, scale: scale, alpha: hasAlpha ? alpha : nil, module: module, path: path,
      parameter: parameter, attributes: attributes, errors: errors,
      tensors: firstTensor..<firstTensor + tensorCount)
  }

  private static func name(_ bytes: [UInt8], _ place: String) throws(TinaFault) -> String {
    guard bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }), let name = String(validating: bytes, as: UTF8.self)
    else {
      throw TinaFault(
        .name, place, found: quoted(String(decoding: bytes, as: UTF8.self)),
        expected: "well-formed UTF-8 without control characters")
    }
    guard name.longMarkRun == nil else {
      throw TinaFault(
        beyondReader: place, found: "a name with more than 30 combining marks in a row",
        expected: "at most 30")
    }
    return name
  }

  private static func attributes(
    _ bytes: [UInt8], of kind: TinaKind, _ place: String
  ) throws(TinaFault) -> JSONObject? {
    guard !bytes.isEmpty else { return nil }
    let value: JSONValue
    do throws(ModelFilesError) {
      value = try JSON.parse(bytes, file: "", rules: .strict)
    } catch {
      throw TinaFault(.attributes, place, error)
    }
    guard let object = value.object else {
      throw TinaFault(.attributes, place, found: "no JSON object", expected: "a JSON object")
    }
    if let names = object["tensor_names"] {
      // The numbers of rows come from the configuration, so they have no name.
      let count = kind == .rows ? 1 : kind.tensorCount
      guard let names = names.array, names.count == count, names.allSatisfy({ $0.string != nil }) else {
        throw TinaFault(
          .attributes, place, found: "tensor_names " + names.summary, expected: "as many strings as tensors")
      }
    }
    return object
  }

  private static func tensor(
    _ cursor: inout ByteCursor, entry: Int, _ module: String
  ) throws(TinaFault) -> TensorRecord {
    let place = "tensor of " + quoted(module)
    let code = try cursor.integer(UInt8.self)
    let dimensions = Int(try cursor.integer(UInt8.self))
    try cursor.reserved(2, place)
    let block = Int(try cursor.integer(UInt32.self))
    guard let type = ElementType(tinaCode: code) else {
      throw TinaFault(.element, place, found: "element type \(code)", expected: "1 to 22")
    }
    guard dimensions <= 8 else {
      throw TinaFault(.limit, place, found: "\(dimensions) dimensions", expected: "at most 8")
    }
    var shape: [Int] = []
    for _ in 0..<dimensions {
      let size = try cursor.integer(UInt64.self)
      guard size < 1 << 40 else {
        throw TinaFault(.limit, place, found: "a dimension of \(size)", expected: "less than 2^40")
      }
      shape.append(Int(size))
    }
    var bits = type.bitSize
    for size in shape.contains(0) ? [0] : shape {
      let (product, overflow) = bits.multipliedReportingOverflow(by: size)
      guard !overflow, product <= 8 << 40 else {
        throw TinaFault(.limit, place, found: "shape \(shape)", expected: "at most 2^40 bytes")
      }
      bits = product
    }
    guard bits % 8 == 0 else {
      throw TinaFault(
        .shape, place, found: "shape \(shape) of \(type.rawValue)", expected: "a whole number of bytes")
    }
    return TensorRecord(elementType: type, shape: shape, block: block, entry: entry)
  }

  private func checkShapes(_ entry: Entry) throws(TinaFault) {
    let place = "entry of " + quoted(entry.module)
    let first = tensors[entry.tensors.lowerBound]
    guard entry.kind.tensorCount == 2 else { return }
    let second = tensors[entry.tensors.lowerBound + 1]
    if entry.kind == .rows {
      guard second.elementType == .i64 else {
        throw TinaFault(
          .element, place, found: second.elementType.rawValue, expected: "I64 for the rows' ids")
      }
      guard first.shape.count == 2, second.shape.count == 1, [first.shape[0], 0].contains(second.shape[0])
      else {
        throw TinaFault(
          .shape, place, found: "rows \(first.shape), ids \(second.shape)",
          expected: "[n, width] and [n] or [0]")
      }
      return
    }
    let isConvolution = entry.kind == .convolution
    for shape in [first.shape, second.shape] {
      guard isConvolution ? shape.count >= 3 : shape.count == 2, !shape.contains(0) else {
        throw TinaFault(
          .shape, place, found: "shape \(shape)",
          expected: (isConvolution ? "3 or more" : "2") + " dimensions, each 1 or more")
      }
    }
    guard first.shape[0] == second.shape[1] else {
      throw TinaFault(
        .shape, place, found: "A \(first.shape), B \(second.shape)",
        expected: "one rank: A's first, B's second size")
    }
  }

  private static func block(_ cursor: inout ByteCursor, _ number: Int) throws(TinaFault) -> Block {
    let place = "block \(number)"
    let formCode = try cursor.integer(UInt8.self)
    let elementCode = try cursor.integer(UInt8.self)
    let arrangement = try cursor.integer(UInt8.self)
    let predictorCode = try cursor.integer(UInt8.self)
    let streamCount = Int(try cursor.integer(UInt8.self))
    try cursor.reserved(3, place)
    let refines = try cursor.integer(UInt32.self)
    let digest = try cursor.take(16)
    guard let form = Block.Form(rawValue: formCode) else {
      throw TinaFault(.block, place, found: "form \(formCode)", expected: "0, 1 or 2")
    }
    let elementType = ElementType(tinaCode: elementCode)
    let fits =
      switch form {
      case .exact: elementType != nil
      case .pairs: elementType == .i8 || elementType == .i16
      case .refinement: elementCode == 0
      }
    guard fits else {
      throw TinaFault(
        .element, place, found: "element type \(elementCode)", expected: "one that form \(formCode) has")
    }
    guard arrangement <= (form == .refinement ? 0 : 1) else {
      throw TinaFault(.arrangement, place, found: "arrangement \(arrangement)", expected: "0 or 1")
    }
    guard let predictor = TinaPredictor(rawValue: predictorCode), form == .exact || predictor == .none else {
      throw TinaFault(.predictor, place, found: "predictor \(predictorCode)", expected: "one that is known")
    }
    guard form == .refinement || refines == 0 else {
      throw TinaFault(.block, place, found: "a refined block", expected: "none for form \(formCode)")
    }
    let width = elementType?.byteSize ?? 1
    let expected =
      switch form {
      case .exact: arrangement == 0 ? 1 : width
      case .pairs: arrangement == 0 ? 2 : width + 2
      case .refinement: 1
      }
    guard streamCount == expected else {
      throw TinaFault(.block, place, found: "\(streamCount) streams", expected: "\(expected)")
    }
    var block = Block(
      form: form, elementType: elementType, isPlain: arrangement == 0, predictor: predictor,
      refines: Int(refines), digest: digest)
    for _ in 0..<streamCount {
      let codecNumber = try cursor.integer(UInt32.self)
      let length = try cursor.integer(UInt64.self)
      guard let codec = TinaCodec(rawValue: codecNumber) else {
        throw TinaFault(.codec, place, found: "codec \(codecNumber)", expected: "0 or 1")
      }
      guard length <= TinaHeader.maximumFileLength else {
        throw TinaFault(.limit, place, found: "a stream of \(length) bytes", expected: "at most 2^48")
      }
      block.streams.append(Stream(codec: codec, length: Int(length)))
    }
    return block
  }
}
