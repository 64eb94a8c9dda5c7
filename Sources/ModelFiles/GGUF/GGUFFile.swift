import Support

/// A GGUF file (versions 2 and 3, little-endian), mapped; every rule of the format is checked when it is opened.
///
/// Memory for a hostile file stays bounded: an array never has more elements than the file has bytes for, and
/// all arrays together at most ``maximumElementCount`` elements.
public struct GGUFFile: Sendable {
  /// The path as it was given.
  public let path: String
  /// The files that it is made of: one, or every part of a file that was split.
  public let files: [String]
  /// The metadata in the order of the file; no key twice. Of a split file, those of its first part.
  public let metadata: [(key: String, value: GGUFValue)]
  /// The tensors in the order of the file, or of its parts.
  public let tensors: [Tensor]
  /// Every tensor begins at a multiple of this.
  public let alignment: Int
  private let index: [String: Int]

  /// The most elements that all arrays of the metadata may have together.
  public static let maximumElementCount = 1 << 22
  /// The longest name of a tensor in bytes: what ggml has room for.
  public static let maximumNameByteCount = 63

  /// Opens a file and checks it as a whole. Any part of a split file opens all of them.
  ///
  /// - Throws: ``ModelFilesError`` naming the byte, key, tensor or part that is wrong or missing.
  public init(path: String, _ residence: MappedFile.Residence = .mapped) throws(ModelFilesError) {
    let parts = try GGUFPart(path: path, residence).all(residence)
    // A whole is no part: what says so stays behind.
    metadata = parts.count > 1 ? parts[0].metadata.filter { !$0.key.hasPrefix("split.") } : parts[0].metadata
    index = Dictionary(uniqueKeysWithValues: metadata.enumerated().map { ($1.key, $0) })
    alignment = parts[0].alignment
    tensors = parts.flatMap(\.tensors)
    files = parts.map(\.path)
    self.path = path
  }

  /// The value of a key, or nil.
  public subscript(key: String) -> GGUFValue? { index[key].map { metadata[$0].value } }
}

/// One file, read and checked: a GGUF file, or a part of one.
struct GGUFPart {
  let path: String
  let metadata: [(key: String, value: GGUFValue)]
  let tensors: [Tensor]
  let alignment: Int

  init(path: String, _ residence: MappedFile.Residence) throws(ModelFilesError) {
    let file = try MappedFile(path: path, residence)
    var reader = GGUFReader(file: file)
    let (tensorCount, valueCount) = try reader.header()
    metadata = try reader.metadata(valueCount)
    alignment = try reader.alignment(metadata)
    tensors = try reader.tensors(tensorCount, alignment: alignment)
    self.path = path
  }

  subscript(key: String) -> GGUFValue? { metadata.first { $0.key == key }?.value }
}

/// Reads a GGUF file from its beginning to its data.
private struct GGUFReader {
  let file: MappedFile
  private var position = 0
  private var elementCount = 0

  init(file: MappedFile) { self.file = file }

  private func failure(_ place: String, found: String, expected: String) -> ModelFilesError {
    failure(.malformed, place, found: found, expected: expected)
  }

  private func failure(
    _ kind: ModelFilesError.Kind, _ place: String, found: String, expected: String
  ) -> ModelFilesError {
    ModelFilesError(
      kind, file: file.path, place: place, found: found, expected: expected,
      advice: "The file is damaged or cut off: get it again.")
  }

  private var remaining: Int { file.byteCount - position }

  private mutating func number<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type) throws(ModelFilesError)
    -> T
  {
    let size = MemoryLayout<T>.size
    guard remaining >= size else {
      throw failure(
        .truncated, "byte \(position)", found: "the end of the file", expected: "\(size) more bytes")
    }
    defer { position += size }
    return T(littleEndian: unsafe file.bytes.unsafeLoadUnaligned(fromByteOffset: position, as: T.self))
  }

  private mutating func string() throws(ModelFilesError) -> [UInt8] {
    let start = position
    let length = try number(UInt64.self)
    guard length <= remaining else {
      throw failure(
        .truncated, "byte \(start)", found: "a string of \(length) bytes",
        expected: "at most the \(remaining) bytes that are left")
    }
    defer { position += Int(length) }
    return file.copy(position..<position + Int(length))
  }

  private mutating func name(_ what: String, limit: Int) throws(ModelFilesError) -> String {
    let start = position
    let bytes = try string()
    guard (1...limit).contains(bytes.count), !bytes.contains(0),
      let name = String(validating: bytes, as: UTF8.self), name.longMarkRun == nil
    else {
      throw failure(
        "byte \(start)",
        found:
          "a \(what) of \(bytes.count) bytes that is empty, too long or not UTF-8, or a run of combining marks",
        expected: "UTF-8 text of 1 to \(limit) bytes")
    }
    return name
  }

  mutating func header() throws(ModelFilesError) -> (tensors: Int, values: Int) {
    let magic = file.copy(0..<min(4, file.byteCount))
    guard magic == Array("GGUF".utf8) else {
      let format = ForeignFormat(file.bytes)
      throw ModelFilesError(
        format == nil ? .malformed : .foreignFormat, file: file.path, place: "byte 0",
        found: format?.found(byteCount: file.byteCount)
          ?? (magic.isEmpty ? "an empty file" : "other bytes than \"GGUF\""),
        expected: "a GGUF file", advice: format?.advice ?? "Check the path.")
    }
    position = 4
    let version = try number(UInt32.self)
    guard version == 2 || version == 3 else {
      let isSwapped = version.byteSwapped == 2 || version.byteSwapped == 3
      throw failure(
        "byte 4",
        found: isSwapped
          ? "version \(version.byteSwapped) of a big-endian machine" : "version \(version)",
        expected: "version 2 or 3, little-endian")
    }
    let tensors = try number(UInt64.self)
    let values = try number(UInt64.self)
    // A tensor takes at least 24 bytes of the file, a value 13.
    guard tensors <= UInt64(remaining / 24), values <= UInt64(remaining / 13) else {
      throw failure(
        .truncated, "byte 8",
        found: "\(tensors) tensors and \(values) values in a file of"
          + " \(file.byteCount) bytes",
        expected: "no more than the file has room for")
    }
    guard tensors <= 1 << 19, values <= 1 << 18 else {
      throw failure(
        "byte 8", found: "\(tensors) tensors and \(values) values", expected: "at most 524288 and 262144")
    }
    return (Int(tensors), Int(values))
  }

  mutating func metadata(_ count: Int) throws(ModelFilesError) -> [(key: String, value: GGUFValue)] {
    var values: [(key: String, value: GGUFValue)] = []
    var seen: Set<String> = []
    for _ in 0..<count {
      let start = position
      let key = try name("key", limit: 65535)
      guard seen.insert(key).inserted else {
        throw failure(
          "byte \(start)", found: "the key " + quoted(key) + " a second time", expected: "every key once")
      }
      let kind = try kind(key)
      values.append((key, try value(kind, key, depth: 0)))
    }
    return values
  }

  private mutating func kind(_ key: String) throws(ModelFilesError) -> GGUFValue.Kind {
    let code = try number(UInt32.self)
    guard let kind = GGUFValue.Kind(rawValue: code) else {
      throw failure("key " + quoted(key), found: "a value of type \(code)", expected: "a type from 0 to 12")
    }
    return kind
  }

  private mutating func value(
    _ kind: GGUFValue.Kind, _ key: String, depth: Int
  ) throws(ModelFilesError) -> GGUFValue {
    switch kind {
    case .uint8: return .uint8(try number(UInt8.self))
    case .int8: return .int8(try number(Int8.self))
    case .uint16: return .uint16(try number(UInt16.self))
    case .int16: return .int16(try number(Int16.self))
    case .uint32: return .uint32(try number(UInt32.self))
    case .int32: return .int32(try number(Int32.self))
    case .uint64: return .uint64(try number(UInt64.self))
    case .int64: return .int64(try number(Int64.self))
    case .float32: return .float32(Float(bitPattern: try number(UInt32.self)))
    case .float64: return .float64(Double(bitPattern: try number(UInt64.self)))
    case .string: return .string(try string())
    case .bool:
      let byte = try number(UInt8.self)
      guard byte < 2 else {
        throw failure("key " + quoted(key), found: "a truth value of \(byte)", expected: "0 or 1")
      }
      return .bool(byte == 1)
    case .array:
      let inner = try self.kind(key)
      let count = try number(UInt64.self)
      guard depth < 4 else {
        throw failure("key " + quoted(key), found: "arrays within arrays", expected: "at most 4 levels")
      }
      guard count <= UInt64(remaining / inner.minimumByteCount) else {
        throw failure(
          .truncated, "key " + quoted(key), found: "an array of \(count) \(inner) values",
          expected: "no more than the \(remaining) bytes that are left have room for")
      }
      elementCount += Int(count)
      guard elementCount <= GGUFFile.maximumElementCount else {
        throw failure(
          "key " + quoted(key), found: "arrays of \(elementCount) elements together",
          expected: "at most \(GGUFFile.maximumElementCount)")
      }
      var values: [GGUFValue] = []
      values.reserveCapacity(Int(count))
      for _ in 0..<count { values.append(try value(inner, key, depth: depth + 1)) }
      return .array(inner, values)
    }
  }

  func alignment(_ metadata: [(key: String, value: GGUFValue)]) throws(ModelFilesError) -> Int {
    guard let value = metadata.first(where: { $0.key.isSame(as: "general.alignment") })?.value else {
      return 32
    }
    guard case .uint32(let alignment) = value, alignment > 0, alignment <= 1 << 20,
      alignment & (alignment - 1) == 0
    else {
      throw failure(
        "key \"general.alignment\"", found: value.summary, expected: "a power of two, as a uint32")
    }
    return Int(alignment)
  }

  mutating func tensors(_ count: Int, alignment: Int) throws(ModelFilesError) -> [Tensor] {
    struct Info {
      let name: String
      let type: ElementType
      let shape: [Int]
      let offset: UInt64
      let byteCount: Int
    }
    var infos: [Info] = []
    var seen: Set<String> = []
    for _ in 0..<count {
      let start = position
      let name = try name("tensor's name", limit: GGUFFile.maximumNameByteCount)
      let place = "tensor " + quoted(name)
      guard seen.insert(name).inserted else {
        throw failure(
          .badTensor, "byte \(start)", found: place + " a second time", expected: "every tensor once")
      }
      let dimensions = try number(UInt32.self)
      guard dimensions <= 4 else {
        throw failure(.badTensor, place, found: "\(dimensions) dimensions", expected: "at most 4")
      }
      var shape: [Int] = []
      for _ in 0..<dimensions {
        let size = try number(UInt64.self)
        guard let size = Int(exactly: size) else {
          throw failure(.badTensor, place, found: "a size of \(size)", expected: "a size below 2^63")
        }
        shape.insert(size, at: 0)
      }
      let code = try number(UInt32.self)
      guard let type = ElementType(ggufCode: code) else {
        throw failure(.badTensor, place, found: "type \(code)", expected: "a type of GGUF that is known")
      }
      guard let byteCount = type.byteCount(shape: shape) else {
        throw failure(
          .badTensor, place, found: "shape \(shape) of \(type.rawValue)",
          expected: "rows of whole blocks of \(type.block.elements), and a size below 2^63 bytes")
      }
      infos.append(
        Info(name: name, type: type, shape: shape, offset: try number(UInt64.self), byteCount: byteCount))
    }
    let dataStart = (position + alignment - 1) / alignment * alignment
    var expected = 0
    var tensors: [Tensor] = []
    for info in infos {
      let place = "tensor " + quoted(info.name)
      guard info.offset == UInt64(expected) else {
        throw failure(
          .badTensor, place, found: "data at \(info.offset)",
          expected: "data at \(expected), the next multiple of \(alignment) after the tensor before it")
      }
      let (end, overflow) = (dataStart + expected).addingReportingOverflow(info.byteCount)
      guard !overflow, end <= file.byteCount else {
        throw failure(
          .truncated, place, found: "\(info.byteCount) bytes of data in a file of \(file.byteCount) bytes",
          expected: overflow ? "a size below 2^63 bytes" : "a file of \(end) bytes at least")
      }
      tensors.append(
        Tensor(
          name: info.name, elementType: info.type, shape: info.shape, file: file,
          byteRange: dataStart + expected..<end))
      expected += (info.byteCount + alignment - 1) / alignment * alignment
    }
    return tensors
  }
}
