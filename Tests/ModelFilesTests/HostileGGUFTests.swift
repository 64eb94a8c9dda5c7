import Foundation
import ModelFiles
import TestSupport
import Testing

/// Hostile and damaged files give an error at once that names the place, and get no memory for sizes that they only
/// claim.
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
