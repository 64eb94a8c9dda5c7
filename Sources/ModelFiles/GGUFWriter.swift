/// Writes GGUF files of version 3, whole or not at all.
public enum GGUFWriter {
  /// Writes a file; tensors keep their order.
  ///
  /// - Parameters:
  ///   - metadata: keys and values in their order; `general.alignment` rules the layout if it is among them.
  ///   - tensors: with names of at most ``GGUFFile/maximumNameByteCount`` bytes.
  ///   - path: an existing file is replaced in one step.
  /// - Throws: ``ModelFilesError`` if a name is too long or comes twice, or the file cannot be written.
  public static func write(
    metadata: [(key: String, value: GGUFValue)], tensors: [GGUFTensor], to path: String
  ) throws(ModelFilesError) {
    var alignment = 32
    for (key, value) in metadata where key == "general.alignment" {
      guard case .uint32(let given) = value, given > 0, given <= 1 << 20, given & (given - 1) == 0 else {
        throw bad(
          path, "key \"general.alignment\"", found: value.summary, expected: "a power of two, as a uint32")
      }
      alignment = Int(given)
    }
    var keys: Set<String> = []
    var head = Array("GGUF".utf8)
    append(UInt32(3), to: &head)
    append(UInt64(tensors.count), to: &head)
    append(UInt64(metadata.count), to: &head)
    for (key, value) in metadata {
      guard keys.insert(key).inserted, (1...65535).contains(key.utf8.count) else {
        throw bad(
          path, "key " + quoted(key), found: "an empty, long or repeated key", expected: "every key once")
      }
      append(Array(key.utf8), to: &head)
      append(value.kind.rawValue, to: &head)
      append(value, to: &head)
    }
    var names: Set<String> = []
    var offset = 0
    for tensor in tensors {
      guard names.insert(tensor.name).inserted,
        (1...GGUFFile.maximumNameByteCount).contains(tensor.name.utf8.count), tensor.shape.count <= 4
      else {
        throw bad(
          path, "tensor " + quoted(tensor.name),
          found: "a name of \(tensor.name.utf8.count) bytes, \(tensor.shape.count) dimensions",
          expected: "every name once, at most \(GGUFFile.maximumNameByteCount) bytes, 4 dimensions")
      }
      append(Array(tensor.name.utf8), to: &head)
      append(UInt32(tensor.shape.count), to: &head)
      for size in tensor.shape.reversed() { append(UInt64(size), to: &head) }
      append(tensor.type.rawValue, to: &head)
      append(UInt64(offset), to: &head)
      offset += padded(tensor.byteRange.count, alignment)
    }
    let writer = try FileWriter(path: path)
    head += [UInt8](repeating: 0, count: padded(head.count, alignment) - head.count)
    try writer.write(head)
    for tensor in tensors {
      try writer.write(tensor.storage, tensor.byteRange)
      let count = tensor.byteRange.count
      try writer.write([UInt8](repeating: 0, count: padded(count, alignment) - count))
    }
    try writer.finish()
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

extension FileWriter {
  /// Appends a part of a storage.
  ///
  /// - Precondition: the range lies in the storage.
  public func write(_ storage: ByteStorage, _ range: Range<Int>) throws(ModelFilesError) {
    precondition(range.lowerBound >= 0 && range.upperBound <= storage.byteCount)
    switch storage {
    case .file(let file): try write(file.bytes.extracting(range))
    case .memory(let memory): try write(memory.bytes.extracting(range))
    }
  }
}
