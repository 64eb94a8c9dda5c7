import Foundation
import ModelFiles
import TestSupport
import Testing

@Suite("GGUF")
struct GGUFTests {
  private static let metadata: [(key: String, value: GGUFValue)] = [
    ("general.architecture", .text("qwen2")), ("a.u8", .uint8(200)), ("a.i8", .int8(-3)),
    ("a.u16", .uint16(60000)),
    ("a.i16", .int16(-300)), ("a.u32", .uint32(4_000_000_000)), ("a.i32", .int32(-5)),
    ("a.f32", .float32(0.1)),
    ("a.bool", .bool(true)), ("a.u64", .uint64(.max)), ("a.i64", .int64(.min)), ("a.f64", .float64(1e300)),
    ("a.strings", .array(.string, [.text("x"), .text(""), .string([0xff])])),
    ("a.nested", .array(.array, [.array(.uint8, [.uint8(1), .uint8(2)]), .array(.uint8, [])])),
  ]

  private static func tensors() -> [Tensor] {
    [
      Tensor(name: "first", shape: [2, 3], floats: [1, 2, 3, 4, 5, 6]),
      Tensor(
        name: "quantised", elementType: .q4_0, shape: [3, 64],
        memory: OwnedBytes((0..<108).map { UInt8($0) })),
      Tensor(name: "last", shape: [1], floats: [7]),
    ]
  }

  private static func file() throws -> (TemporaryFolder, String, [UInt8]) {
    let directory = TemporaryFolder()
    let path = directory.path + "/a.gguf"
    try GGUFWriter.write(metadata: metadata, tensors: tensors(), to: path)
    return (directory, path, Array(try Data(contentsOf: URL(fileURLWithPath: path))))
  }

  @Test("what is written is read: every kind of value, plain and quantised tensors")
  func roundTrip() throws {
    let (directory, path, _) = try Self.file()
    defer { withExtendedLifetime(directory) {} }
    let file = try GGUFFile(path: path)
    #expect(file.metadata.map(\.key) == Self.metadata.map(\.key))
    for (key, value) in Self.metadata { #expect(file[key] == value, "\(key)") }
    #expect(file.tensors.map(\.name) == ["first", "quantised", "last"] && file.alignment == 32)
    #expect(file.tensors.map(\.shape) == [[2, 3], [3, 64], [1]])
    #expect(file.tensors[0].floats() == [1, 2, 3, 4, 5, 6] && file.tensors[1].elementType == .q4_0)
    #expect(file.tensors.allSatisfy { $0.byteRange.lowerBound % 32 == 0 })
    guard case .file(let map) = file.tensors[1].storage else { return }
    #expect(map.copy(file.tensors[1].byteRange) == (0..<108).map { UInt8($0) })
    #expect(file["a.u64"]?.integer == nil && file["a.i64"]?.integer == .min && file["none"] == nil)
  }

  @Test("another alignment is kept to")
  func alignment() throws {
    let directory = TemporaryFolder()
    let path = directory.path + "/a.gguf"
    try GGUFWriter.write(
      metadata: [("general.alignment", .uint32(128))], tensors: Self.tensors(), to: path)
    let file = try GGUFFile(path: path)
    #expect(file.alignment == 128 && file.tensors.allSatisfy { $0.byteRange.lowerBound % 128 == 0 })
    #expect(throws: ModelFilesError.self) {
      try GGUFWriter.write(metadata: [("general.alignment", .uint32(48))], tensors: [], to: path)
    }
  }

  @Test("names that ggml has no room for, and names twice, are not written")
  func names() {
    let directory = TemporaryFolder()
    let path = directory.path + "/a.gguf"
    let tensor = Tensor(name: "x", shape: [1], floats: [1])
    func write(_ names: [String]) throws {
      try GGUFWriter.write(
        metadata: [], tensors: names.map { tensor.renamed($0) }, to: path)
    }
    let long = String(repeating: "n", count: 64)
    #expect(throws: ModelFilesError.self) { try write([long]) }
    #expect(throws: ModelFilesError.self) { try write(["a", "a"]) }
    #expect(!FileManager.default.fileExists(atPath: path))
    #expect(throws: Never.self) { try write([String(long.dropLast())]) }
  }

  @Test("every truncation is found, and damaged bytes never crash")
  func damage() throws {
    let (directory, path, bytes) = try Self.file()
    for length in 0..<bytes.count - 28 {  // the last tensor's four bytes end 28 before the padding does
      try Data(bytes[..<length]).write(to: URL(fileURLWithPath: path))
      #expect(throws: ModelFilesError.self, "\(length)") { try GGUFFile(path: path) }
    }
    // The index alone: what is behind it is data.
    for position in 0..<min(bytes.count, 900) {
      for value: UInt8 in [0, 0x7f, 0xff] {
        var damaged = bytes
        damaged[position] = value
        try Data(damaged).write(to: URL(fileURLWithPath: path))
        guard let file = try? GGUFFile(path: path) else { continue }
        for tensor in file.tensors { #expect(tensor.byteRange.upperBound <= bytes.count) }
      }
    }
    withExtendedLifetime(directory) {}
  }

  @Test(
    "refusals name what is wrong",
    arguments: [
      (4, 1, "version 1"), (4, 4, "version 4"), (7, 3, "version 50331651"), (8, 0xff, "no more than"),
      (0, 0x46, "a GGUF file"),
    ] as [(Int, UInt8, String)])
  func refusals(position: Int, value: UInt8, fragment: String) throws {
    let (directory, path, bytes) = try Self.file()
    var damaged = bytes
    damaged[position] = value
    try Data(damaged).write(to: URL(fileURLWithPath: path))
    do throws(ModelFilesError) {
      _ = try GGUFFile(path: path)
      Issue.record("it was read")
    } catch {
      #expect(error.description.contains(fragment), "\(error)")
    }
    var swapped = bytes
    swapped.replaceSubrange(4..<8, with: [0, 0, 0, 3])
    try Data(swapped).write(to: URL(fileURLWithPath: path))
    let error = #expect(throws: ModelFilesError.self) { try GGUFFile(path: path) }
    #expect(error?.description.contains("big-endian") == true)
    withExtendedLifetime(directory) {}
  }

  @Test("block sizes: a row of whole blocks or none")
  func blocks() {
    let quantised = ElementType.allCases.filter(\.isQuantised)
    #expect(quantised.count == 24 && quantised.allSatisfy { $0.rawValue == "\($0)".uppercased() })
    #expect(quantised.allSatisfy { $0.byteCount(shape: [2, $0.block.elements]) == 2 * $0.block.bytes })
    #expect(quantised.allSatisfy { $0.byteCount(shape: [$0.block.elements, 1]) == nil })
    #expect(
      ElementType.q4_K.byteCount(shape: []) == nil
        && ElementType.q4_K.byteCount(shape: [1 << 62, 256]) == nil)
    #expect(
      ElementType.f4.byteCount(shape: [2, 1]) == 1 && ElementType.f6e2m3.byteCount(shape: [3, 1]) == nil)
  }
}

@Suite("Writers")
struct WriterTests {
  @Test(
    "safetensors are laid out as the format's library does: by type, then by name, header of whole eights")
  func safetensorsLayout() throws {
    let directory = TemporaryFolder()
    let path = directory.path + "/a.safetensors"
    let f32 = Tensor(name: "b", shape: [1], floats: [1])
    let f16 = Tensor(name: "a", shape: [2], floats: [1, 2]).converted(to: .f16)
    try SafetensorsWriter.write([f16, f32, f32.renamed("ä\"")], metadata: [("format", "pt")], to: path)
    let file = try SafetensorsFile(path: path)
    #expect(file.tensors.map(\.name) == ["b", "ä\"", "a"] && file.metadata[0].value == "pt")
    #expect(file["a"]?.floats() == [1, 2])
    let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    #expect(bytes[0] % 8 == 0 && bytes.count == 8 + Int(bytes[0]) + Int(bytes[1]) * 256 + 12)
    #expect(throws: ModelFilesError.self) { try SafetensorsWriter.write([f32, f32], to: path) }
    #expect(try SafetensorsFile(path: path).tensors.count == 3)
  }

  @Test("a directory is whole or absent, replaces its like, and spares everything else")
  func directories() throws {
    let folder = TemporaryFolder()
    let path = folder.path + "/out/"
    func fill(_ text: String, finishing: Bool = true) throws {
      let writer = try DirectoryWriter(path: path, names: ["one", "two"])
      for name in ["one", "two"] { try Data(text.utf8).write(to: URL(fileURLWithPath: writer.file(name))) }
      if finishing { try writer.finish() }
    }
    func contents() throws -> [String] {
      try ["one", "two"].map { try String(contentsOfFile: path + $0, encoding: .utf8) }
    }
    try fill("a", finishing: false)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    try fill("b")
    try fill("c")
    try fill("d", finishing: false)
    #expect(try contents() == ["c", "c"])
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["out"])
    try Data().write(to: URL(fileURLWithPath: path + "three"))
    #expect(throws: ModelFilesError.self) { try fill("e") }
    #expect(try contents() == ["c", "c"])
  }

  @Test("every half-precision number survives; rounding is to nearest even")
  func halves() {
    for bits in UInt16.min...UInt16.max {
      let value = float(float16: bits)
      if value.isNaN {
        #expect(float(float16: float16Bits(value)).isNaN)
      } else if float16Bits(value) != bits {
        Issue.record("\(bits)")
      }
      let wide = float(bfloat16: bits)
      if wide.isNaN {
        #expect(float(bfloat16: bfloat16Bits(wide)).isNaN)
      } else if bfloat16Bits(wide) != bits {
        Issue.record("\(bits)")
      }
    }
    let cases: [(Float, UInt16)] = [
      (65519, 0x7bff), (65520, 0x7c00), (1 + 0x1p-11, 0x3c00), (1 + 0x3p-11, 0x3c02), (0x1p-25, 0),
      (0x3p-25, 2),
      (0x1.004p-25, 1), (-0x1p-24, 0x8001), (0x1.ffcp-15, 0x0400), (1e-30, 0), (.infinity, 0x7c00),
    ]
    for (value, bits) in cases { #expect(float16Bits(value) == bits, "\(value)") }
    #expect(bfloat16Bits(1 + 0x1p-8) == 0x3f80 && bfloat16Bits(1 + 0x3p-8) == 0x3f82)
    #expect(bfloat16Bits(.greatestFiniteMagnitude) == 0x7f80)
  }

  @Test("transposing and reordering rows move bits untouched", arguments: [ElementType.f32, .bf16])
  func rearranging(type: ElementType) {
    let tensor = Tensor(name: "t", shape: [2, 3], floats: [1, 2, 3, 4, 5, 6]).converted(to: type)
    #expect(tensor.transposed().floats() == [1, 4, 2, 5, 3, 6] && tensor.transposed().shape == [3, 2])
    #expect(tensor.reorderingRows { 1 - $0 }.floats() == [4, 5, 6, 1, 2, 3])
  }
}

/// Files that somebody made to do harm, or that a careless program made: an error that names the place, at once,
/// without memory for what the file only claims.
@Suite("Hostile GGUF")
struct HostileGGUFTests {
  /// A file written by hand.
  private struct Builder {
    var bytes: [UInt8] = Array("GGUF".utf8)

    init(version: UInt32 = 3, tensors: UInt64 = 0, values: UInt64 = 0) {
      add(version)
      add(tensors)
      add(values)
    }

    mutating func add<T: FixedWidthInteger>(_ value: T) {
      for i in 0..<MemoryLayout<T>.size { bytes.append(UInt8(truncatingIfNeeded: value >> T(8 * i))) }
    }

    mutating func add(_ text: String) {
      add(UInt64(text.utf8.count))
      bytes += text.utf8
    }

    mutating func value(_ key: String, type: UInt32) {
      add(key)
      add(type)
    }

    mutating func tensor(_ name: String, _ shape: [UInt64], type: UInt32 = 0, offset: UInt64 = 0) {
      add(name)
      add(UInt32(shape.count))
      for size in shape { add(size) }
      add(type)
      add(offset)
    }

    mutating func data(_ count: Int) {
      bytes += [UInt8](repeating: 0, count: (32 - bytes.count % 32) % 32 + count)
    }
  }

  private func refused(
    _ fragment: String, _ builder: Builder, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let directory = TemporaryFolder()
    let path = directory.write("a.gguf", builder.bytes)
    do throws(ModelFilesError) {
      _ = try GGUFFile(path: path)
      Issue.record("it was read, expected a refusal with \(fragment)", sourceLocation: sourceLocation)
    } catch {
      #expect(error.description.contains(fragment), "\(error)", sourceLocation: sourceLocation)
      #expect(error.description.contains("a.gguf"), sourceLocation: sourceLocation)
    }
  }

  private func built(
    version: UInt32 = 3, tensors: UInt64 = 0, values: UInt64 = 0, _ body: (inout Builder) -> Void
  ) -> Builder {
    var builder = Builder(version: version, tensors: tensors, values: values)
    body(&builder)
    return builder
  }

  @Test("magic, version and counts")
  func header() throws {
    try refused("version 0", Builder(version: 0))
    try refused("version 1", Builder(version: 1))
    try refused("version 4294967295", Builder(version: .max))
    try refused("no more than", Builder(tensors: .max))
    try refused("no more than", Builder(values: .max))
    try refused("no more than", Builder(tensors: 1 << 40, values: 1 << 40))
    for magic in ["GGUf", "GGML", "ggjt", "\0\0\0\0"] {
      var builder = Builder()
      builder.bytes.replaceSubrange(0..<4, with: magic.utf8)
      try refused("a GGUF file", builder)
    }
  }

  @Test("keys, and strings longer than the file")
  func strings() throws {
    // A claimed length is compared with the file before anything is allocated.
    for length: UInt64 in [1 << 20, 1 << 40, .max] {
      let key = built(values: 1) {
        $0.add(length)
        $0.data(64)
      }
      try refused("a string of \(length) bytes", key)
      let text = built(values: 1) {
        $0.value("general.name", type: 8)
        $0.add(length)
        $0.data(64)
      }
      try refused("a string of \(length) bytes", text)
    }
    try refused(
      "a second time",
      built(values: 2) { builder in
        for _ in 0..<2 {
          builder.value("a", type: 0)
          builder.add(UInt8(1))
        }
      })
    try refused(
      "empty, too long or not UTF-8",
      built(values: 1) {
        $0.value("", type: 0)
        $0.add(UInt8(1))
      })
    try refused(
      "not UTF-8",
      built(values: 1) {
        $0.add(UInt64(2))
        $0.bytes += [0xff, 0xfe]
        $0.data(32)
      })
    try refused(
      "a value of type 13",
      built(values: 1) {
        $0.value("a", type: 13)
        $0.data(32)
      })
    try refused(
      "a truth value of 2",
      built(values: 1) {
        $0.value("a", type: 7)
        $0.add(UInt8(2))
      })
  }

  @Test("arrays")
  func arrays() throws {
    for count: UInt64 in [1 << 24, 1 << 60, .max] {
      for type: UInt32 in [0, 5, 8, 9, 12] {
        let builder = built(values: 1) {
          $0.value("a", type: 9)
          $0.add(type)
          $0.add(count)
          $0.data(64)
        }
        try refused("an array of \(count)", builder)
      }
    }
    let deep = built(values: 1) { builder in
      builder.value("a", type: 9)
      for _ in 0..<40 {
        builder.add(UInt32(9))
        builder.add(UInt64(1))
      }
    }
    try refused("arrays within arrays", deep)
    // As many elements as the file has bytes for, in many arrays: their number is bounded too.
    let many = built(values: 3) { builder in
      for key in ["a", "b", "c"] {
        builder.value(key, type: 9)
        builder.add(UInt32(0))
        builder.add(UInt64(6 << 20))
        builder.bytes += [UInt8](repeating: 1, count: 6 << 20)
      }
    }
    try refused("at most \(GGUFFile.maximumElementCount)", many)
  }

  @Test("alignment", arguments: [0, 3, 48, 1 << 21, .max] as [UInt32])
  func alignment(_ alignment: UInt32) throws {
    try refused(
      "a power of two",
      built(values: 1) {
        $0.value("general.alignment", type: 4)
        $0.add(alignment)
      })
    try refused(
      "a power of two",
      built(values: 1) {
        $0.value("general.alignment", type: 10)
        $0.add(UInt64(32))
      })
  }

  @Test("tensors")
  func tensors() throws {
    func one(_ body: (inout Builder) -> Void) -> Builder {
      built(tensors: 1) {
        body(&$0)
        $0.data(4096)
      }
    }
    for type: UInt32 in [4, 5, 31, 40, 1000, .max] {
      try refused("type \(type)", one { $0.tensor("a", [32], type: type) })
    }
    try refused("5 dimensions", one { $0.tensor("a", [1, 1, 1, 1, 1]) })
    try refused(
      "4294967295 dimensions",
      one { builder in
        builder.add("a")
        builder.add(UInt32.max)
      })
    try refused("a size of", one { $0.tensor("a", [1 << 63]) })
    try refused("a size below 2^63 bytes", one { $0.tensor("a", [1 << 40, 1 << 40]) })
    try refused("rows of whole blocks", one { $0.tensor("a", [33], type: 8) })
    try refused("rows of whole blocks", one { $0.tensor("a", [128], type: 12) })
    try refused("bytes of data", one { $0.tensor("a", [1 << 40]) })
    try refused("a tensor's name", one { $0.tensor("", [32]) })
    try refused("a tensor's name", one { $0.tensor(String(repeating: "n", count: 64), [32]) })
    for offset: UInt64 in [1, 32, 1 << 40, .max] {
      try refused("data at \(offset)", one { $0.tensor("a", [32], offset: offset) })
    }
    // The second tensor over the first, or with a hole before it.
    for offset: UInt64 in [0, 64, 120, 129, 160] {
      let builder = built(tensors: 2) {
        $0.tensor("a", [32])
        $0.tensor("b", [32], offset: offset)
        $0.data(4096)
      }
      try refused("expected data at 128", builder)
    }
    let twice = built(tensors: 2) {
      $0.tensor("a", [32])
      $0.tensor("a", [32], offset: 128)
      $0.data(4096)
    }
    try refused("a second time", twice)
  }

  /// What was refused took no memory that the file did not have: the largest of these files claims 2⁶⁴ bytes.
  @Test("a valid file with the same parts is read")
  func control() throws {
    let directory = TemporaryFolder()
    let builder = built(tensors: 2, values: 2) {
      $0.value("general.alignment", type: 4)
      $0.add(UInt32(32))
      $0.value("a", type: 9)
      $0.add(UInt32(8))
      $0.add(UInt64(1))
      $0.add("text")
      $0.tensor("a", [32])
      $0.tensor("b", [32], offset: 128)
      $0.data(256)
    }
    let file = try GGUFFile(path: directory.write("a.gguf", builder.bytes))
    #expect(file.tensors.map(\.name) == ["a", "b"] && file["a"]?.array?.first?.text == "text")
  }
}
