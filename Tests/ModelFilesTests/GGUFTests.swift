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
