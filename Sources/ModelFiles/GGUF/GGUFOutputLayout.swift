/// The header of a GGUF file of version 3, and the place of each tensor's data.
public struct GGUFOutputLayout: Sendable {
  /// A tensor that will be in the file.
  public struct Entry: Sendable {
    /// Name of at most ``GGUFFile/maximumNameByteCount`` bytes.
    public let name: String
    /// How the elements are stored.
    public let type: ElementType
    /// Sizes from the slowest to the fastest dimension; a row is a whole number of blocks.
    public let shape: [Int]

    /// Describes a tensor.
    public init(name: String, type: ElementType, shape: [Int]) {
      self.name = name
      self.type = type
      self.shape = shape
    }
  }

  /// Everything before the data, padded so that the data follow it.
  public let header: [UInt8]
  /// Where each tensor lies in the file.
  public let ranges: [Range<Int>]
  /// Bytes of the whole file, the padding of the last tensor included.
  public let byteCount: Int

  /// Lays a file out; tensors keep their order.
  ///
  /// - Parameters:
  ///   - metadata: keys and values in their order; `general.alignment` among them sets the alignment.
  ///   - path: the file, for errors.
  /// - Throws: ``ModelFilesError`` for a name that is too long or comes twice, and for what GGUF can't hold.
  public init(
    metadata: [(key: String, value: GGUFValue)], tensors: [Entry], path: String
  ) throws(ModelFilesError) {
    let alignment = try Self.alignment(metadata, path)
    var head = Array("GGUF".utf8)
    Self.append(UInt32(3), to: &head)
    Self.append(UInt64(tensors.count), to: &head)
    Self.append(UInt64(metadata.count), to: &head)
    var keys: Set<String> = []
    for (key, value) in metadata {
      guard keys.insert(key).inserted, (1...65535).contains(key.utf8.count) else {
        throw Self.bad(
          path, "key " + quoted(key), found: "an empty, long or repeated key", expected: "every key once")
      }
      Self.append(Array(key.utf8), to: &head)
      Self.append(value.kind.rawValue, to: &head)
      Self.append(value, to: &head)
    }
    var names: Set<String> = []
    var places: [Range<Int>] = []
    var offset = 0
    for tensor in tensors {
      let place = "tensor " + quoted(tensor.name)
      guard names.insert(tensor.name).inserted,
        (1...GGUFFile.maximumNameByteCount).contains(tensor.name.utf8.count), tensor.shape.count <= 4
      else {
        throw Self.bad(
          path, place,
          found: "a name of \(tensor.name.utf8.count) bytes, \(tensor.shape.count) dimensions",
          expected: "every name once, at most \(GGUFFile.maximumNameByteCount) bytes, 4 dimensions")
      }
      guard let code = tensor.type.ggufCode, let count = tensor.type.byteCount(shape: tensor.shape) else {
        throw Self.bad(
          path, place, found: "shape \(tensor.shape) of \(tensor.type.rawValue)",
          expected: "a type of GGUF, and rows of whole blocks of \(tensor.type.block.elements)")
      }
      Self.append(Array(tensor.name.utf8), to: &head)
      Self.append(UInt32(tensor.shape.count), to: &head)
      for size in tensor.shape.reversed() { Self.append(UInt64(size), to: &head) }
      Self.append(code, to: &head)
      Self.append(UInt64(offset), to: &head)
      places.append(offset..<offset + count)
      offset += Self.padded(count, alignment)
    }
    head += [UInt8](repeating: 0, count: Self.padded(head.count, alignment) - head.count)
    let start = head.count
    header = head
    ranges = places.map { $0.lowerBound + start..<$0.upperBound + start }
    byteCount = start + offset
  }

  private static func alignment(
    _ metadata: [(key: String, value: GGUFValue)], _ path: String
  ) throws(ModelFilesError) -> Int {
    guard let value = metadata.first(where: { $0.key == "general.alignment" })?.value else { return 32 }
    guard case .uint32(let given) = value, given > 0, given <= 1 << 20, given & (given - 1) == 0 else {
      throw bad(
        path, "key \"general.alignment\"", found: value.summary, expected: "a power of two, as a uint32")
    }
    return Int(given)
  }

  private static func bad(_ path: String, _ place: String, found: String, expected: String) -> ModelFilesError
  {
    ModelFilesError(.unsupported, file: path, place: place, found: found, expected: expected)
  }

  private static func padded(_ count: Int, _ alignment: Int) -> Int {
    (count + alignment - 1) / alignment * alignment
  }

  private static func append<T: FixedWidthInteger>(_ value: T, to head: inout [UInt8]) {
    for i in 0..<MemoryLayout<T>.size { head.append(UInt8(truncatingIfNeeded: value >> T(8 * i))) }
  }

  private static func append(_ bytes: [UInt8], to head: inout [UInt8]) {
    append(UInt64(bytes.count), to: &head)
    head += bytes
  }

  private static func append(_ value: GGUFValue, to head: inout [UInt8]) {
    switch value {
    case .uint8(let value): append(value, to: &head)
    case .int8(let value): append(UInt8(bitPattern: value), to: &head)
    case .uint16(let value): append(value, to: &head)
    case .int16(let value): append(value, to: &head)
    case .uint32(let value): append(value, to: &head)
    case .int32(let value): append(value, to: &head)
    case .uint64(let value): append(value, to: &head)
    case .int64(let value): append(value, to: &head)
    case .float32(let value): append(value.bitPattern, to: &head)
    case .float64(let value): append(value.bitPattern, to: &head)
    case .bool(let flag): head.append(flag ? 1 : 0)
    case .string(let bytes): append(bytes, to: &head)
    case .array(let kind, let values):
      precondition(values.allSatisfy { $0.kind == kind }, "an array of several kinds")
      append(kind.rawValue, to: &head)
      append(UInt64(values.count), to: &head)
      for value in values { append(value, to: &head) }
    }
  }
}
