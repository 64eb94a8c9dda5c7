import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import AdapterFormat

@Suite("Damage to .tina files is noticed")
struct TinaDamageTests {
  /// Small files of every form: compressed, plain, in layers, with a parent.
  private static func files(_ directory: TemporaryFolder) throws -> [(path: String, parents: [String])] {
    let small = trainedArchive(pairs: 2, rank: 2, input: 12, output: 10)
    var plain = TinaOptions()
    plain.isPlain = true
    var layered = TinaOptions(.maxError(2.3e-3))
    layered.refinementBits = [3, 2]
    layered.sections = [TinaSection(type: "noTe", bytes: [5])]
    var plainIntegers = TinaOptions(.small)
    plainIntegers.isPlain = true
    var files: [(path: String, parents: [String])] = []
    for (number, options) in [TinaOptions(), plain, layered, plainIntegers].enumerated() {
      let path = directory.path + "/\(number).tina"
      try TinaWriter.write(small, to: path, options: options)
      files.append((path, []))
    }
    var child = TinaOptions()
    child.parent = try TinaFile(path: files[0].path)
    let path = directory.path + "/child.tina"
    try TinaWriter.write(
      trainedArchive(pairs: 2, rank: 2, input: 12, output: 10, seed: 2), to: path, options: child)
    files.append((path, [files[0].path]))
    var random = SeededGenerator(8)
    let kinds = directory.path + "/kinds.tina"
    try TinaWriter.write(try everyKind(&random), to: kinds)
    files.append((kinds, []))
    return files
  }

  @Test("a byte changed at any position")
  func flips() throws {
    let directory = TemporaryFolder()
    for (path, parents) in try Self.files(directory) {
      let whole = contents(path)
      #expect(try TinaFile.verify(path: path, parents: parents).isValid)
      for change: UInt8 in [0x01, 0x80, 0xff] {
        for position in whole.indices {
          var damaged = whole
          damaged[position] ^= change
          let copy = directory.write("damaged.tina", damaged)
          let report = try TinaFile.verify(path: copy, parents: parents)
          guard !report.violations.isEmpty, !report.isValid else {
            Issue.record("byte \(position) of \(path) changed by \(change) was not noticed")
            continue
          }
        }
      }
    }
  }

  @Test("a file cut at any position, or with a byte too many")
  func truncations() throws {
    let directory = TemporaryFolder()
    for (path, parents) in try Self.files(directory) {
      let whole = contents(path)
      let ends = try TinaFile(path: path, parents: parents).layers.map(\.end)
      for count in whole.indices {
        let copy = directory.write("cut.tina", whole[..<count])
        // Opening notices it, before anything is decoded.
        #expect(throws: AdapterError.self) { try TinaFile(path: copy, parents: parents) }
        let report = try TinaFile.verify(path: copy, parents: parents)
        if let layer = ends.firstIndex(of: count) {
          #expect(report.extent == .prefix(layers: layer + 1, of: ends.count) && report.violations.isEmpty)
        } else {
          #expect(report.extent == .damaged && !report.violations.isEmpty)
        }
      }
      #expect(brokenRule(directory.write("long.tina", whole + [0]), parents: parents) == .trailing)
    }
  }

  @Test("a file converted as text, one without its eighth bits, another format")
  func transfers() throws {
    let directory = TemporaryFolder()
    let path = directory.path + "/a.tina"
    try TinaWriter.write(trainedArchive(), to: path)
    let whole = contents(path)
    let unix = Array(whole.split(separator: 0x0d, omittingEmptySubsequences: false).joined())
    #expect(brokenRule(directory.write("unix.tina", unix)) == .signature)
    let dos = Array(
      whole.split(separator: 0x0a, omittingEmptySubsequences: false).joined(separator: [0x0d, 0x0a]))
    #expect(brokenRule(directory.write("dos.tina", dos)) == .signature)
    #expect(brokenRule(directory.write("seven.tina", whole.map { $0 & 0x7f })) == .signature)
    let zip = directory.write("zip.tina", Array("PK\u{3}\u{4}aaaaaaaaaaaa".utf8))
    #expect(brokenRule(zip) == .signature)
    #expect(brokenRule(directory.write("empty.tina", "")) == .truncated)
  }
}

/// A number put where it cannot be. (One literal of tuples is more than the type checker can do.)
private struct DirectoryField: Sendable {
  let offset: Int
  let value: UInt32
  let rule: TinaRule

  init(_ offset: Int, _ value: UInt32, _ rule: TinaRule) {
    self.offset = offset
    self.value = value
    self.rule = rule
  }
}

/// The head begins at 0, the layer at 112, the first entry at 136.
private let directoryFields: [DirectoryField] = [
  DirectoryField(0, 0, .limit),
  DirectoryField(0, 9, .limit),
  DirectoryField(4, 131_073, .limit),
  DirectoryField(4, 65_536, .directory),
  DirectoryField(4, .max, .limit),
  DirectoryField(8, .max, .directory),
  DirectoryField(12, .max, .limit),
  DirectoryField(12, 262_144, .directory),
  DirectoryField(16, 1, .predictor),
  DirectoryField(24, 1, .reserved),
  DirectoryField(64, 1, .parent),
  DirectoryField(96, 1, .reserved),
  DirectoryField(120, 1, .layers),
  DirectoryField(124, 0x7fc0_0000, .error),
  DirectoryField(124, 0xbf80_0000, .error),
  DirectoryField(132, 1, .reserved),
  DirectoryField(136, 0x0200_0109, .kind),
  DirectoryField(136, 0x0200_0301, .scale),
  DirectoryField(136, 0x0202_0101, .reserved),
  DirectoryField(140, 0x7f80_0000, .scale),
  DirectoryField(152, 0x0401_0000, .name),
  DirectoryField(160, 65537, .limit),
  DirectoryField(164, 0xff80_0000, .error),
]

@Suite("Hostile .tina files")
struct TinaHostileTests {
  private let directory = TemporaryFolder()

  /// A valid file whose directory is changed, all digests made right again.
  private func file(_ change: (inout [UInt8]) -> Void, section: String = "TDIR") throws -> String {
    let path = directory.path + "/h.tina"
    try TinaWriter.write(trainedArchive(pairs: 2, rank: 2, input: 12, output: 10), to: path)
    let map = try MappedFile(path: path)
    let header = try TinaHeader(map)
    let data = Array(contents(path)[header.indexLength...])
    var table = ByteBuilder()
    var body: [UInt8] = []
    for its in header.sections {
      var bytes = try TinaHeader.contents(of: its, in: map)
      if its.type == section { change(&bytes) }
      table.bytes += Array(its.type.utf8)
      table.integer(UInt32(0))
      table.integer(UInt64(bytes.count))
      table.integer(UInt64(bytes.count))
      table.zeros(8)
      table.bytes += ContentDigest.of(bytes).bytes
      body += bytes
    }
    return seal(table.bytes, body, data)
  }

  private func seal(_ table: [UInt8], _ body: [UInt8], _ data: [UInt8]) -> String {
    let end = 128 + table.count + body.count
    let length = (end + 63) / 64 * 64
    var head = ByteBuilder()
    head.bytes += TinaHeader.signature
    head.integer(UInt16(1))
    head.integer(UInt16(0))
    head.integer(UInt32(table.count / 64))
    head.integer(UInt64(length))
    head.integer(UInt64(length + data.count))
    head.bytes += ContentDigest.of(table).bytes
    head.zeros(32)
    head.bytes += ContentDigest.of(head.bytes).bytes
    return directory.write(
      "h.tina", head.bytes + table + body + [UInt8](repeating: 0, count: length - end) + data)
  }

  /// Puts an integer into a directory.
  private func put<T: FixedWidthInteger>(_ value: T, at offset: Int) -> (inout [UInt8]) -> Void {
    return { bytes in
      for i in 0..<MemoryLayout<T>.size { bytes[offset + i] = UInt8(truncatingIfNeeded: value >> (8 * T(i))) }
    }
  }

  @Test("fields of the directory that cannot be", arguments: directoryFields)
  private func fields(_ field: DirectoryField) throws {
    let path = try file(put(field.value, at: field.offset))
    #expect(brokenRule(path) == field.rule)
  }

  @Test("sizes that multiply to more than there is", arguments: [UInt64(1) << 40, 1 << 39, .max])
  func sizes(size: UInt64) throws {
    // The first tensor's first size: behind head, layer and two entries of 28 + 4 bytes and their names.
    let names = "layers.0.q_proj".utf8.count + "model.layers.0.q_proj".utf8.count
    let tensors = 136 + 2 * (32 + names)
    let path = try file(put(size, at: tensors + 8))
    let rule = brokenRule(path)
    #expect(rule == .limit || rule == .shape)
  }

  @Test("bytes before the end and after it")
  func lengths() throws {
    #expect(brokenRule(try file { $0.removeLast() }) == .directory)
    #expect(brokenRule(try file { $0.append(0) }) == .directory)
    #expect(brokenRule(try file { $0 = [] }) == .directory)
  }

  @Test("metadata that are no strict JSON")
  func metadata() throws {
    for text in [
      "", "[]", "{\"a\":1,\"a\":2}", "{\"configuration\":1}", "{\"tensor_metadata\":{\"a\":1}}", "{} x",
    ] {
      #expect(brokenRule(try file({ $0 = Array(text.utf8) }, section: "META")) == .metadata, "\(text)")
    }
  }

  @Test("sections: unknown critical, twice, out of order, missing, of a bad type, too many")
  func sections() throws {
    func table(_ types: [String], codec: UInt32 = 0, decoded: UInt64 = 2) -> String {
      var table = ByteBuilder()
      var body: [UInt8] = []
      for type in types {
        table.bytes += Array(type.utf8)
        table.integer(codec)
        table.integer(UInt64(2))
        table.integer(decoded)
        table.zeros(8)
        table.bytes += ContentDigest.of(Array("{}".utf8)).bytes
        body += Array("{}".utf8)
      }
      return seal(table.bytes, body, [])
    }
    #expect(brokenRule(table(["META", "TDIR", "NEWS"])) == .sectionUnknown)
    #expect(brokenRule(table(["META", "TDIR", "META"])) == .sectionDuplicate)
    #expect(brokenRule(table(["TDIR", "META"])) == .sectionOrder)
    #expect(brokenRule(table(["noTe", "META", "TDIR"])) == .sectionOrder)
    #expect(brokenRule(table(["META", "noTe"])) == .sectionMissing)
    #expect(brokenRule(table(["META", "TDIR", "note"])) == .sectionType)
    #expect(brokenRule(table(["META", "TDIR", "n1Te"])) == .sectionType)
    #expect(brokenRule(table(["META", "TDIR"], codec: 2)) == .codec)
    #expect(brokenRule(table(["META", "TDIR"], decoded: 3)) == .layout)
    #expect(brokenRule(table(["META", "TDIR"], codec: 1, decoded: 1 << 23)) == .zstd)
    #expect(brokenRule(table(["META", "TDIR"], codec: 1, decoded: 1 << 60)) == .limit)
    #expect(brokenRule(table((0..<65).map { _ in "META" })) == .limit)
  }

  @Test("frames of Zstandard with what the format forbids")
  func frames() {
    let magic: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd]
    func fault(_ rest: [UInt8], _ size: Int) -> String? {
      unsafe (magic + rest).withUnsafeBytes { unsafe Zstandard.fault(in: $0, decodedByteCount: size) }
    }
    // One raw block "a": single segment, size 1.
    let block: [UInt8] = [0x09, 0, 0, 0x61]
    #expect(fault([0x20, 1] + block, 1) == nil)
    #expect(fault([0x20, 1] + block, 2)?.contains("content size of 1") == true)
    #expect(fault([0x20, 1] + block + [0], 1)?.contains("after the frame") == true)
    #expect(fault([0x24, 1] + block, 1)?.contains("checksum") == true)
    #expect(fault([0x28, 1] + block, 1)?.contains("reserved") == true)
    #expect(fault([0x21, 7, 1] + block, 1)?.contains("dictionary") == true)
    #expect(fault([0x00, 0x00] + block, 1)?.contains("no content size") == true)
    #expect(fault([0x80, 0x58, 1, 0, 0, 0] + block, 1)?.contains("window") == true)
    #expect(fault([0x80, 0x50, 1, 0, 0, 0] + block, 1) == nil)
    #expect(fault([0xa0], 1)?.contains("cut off") == true)
    #expect(fault([0xa0, 1, 0, 0x20, 0] + block, 0x200001)?.contains("window") == true)
    let zeros = [UInt8](repeating: 0, count: 20)
    let found = unsafe zeros.withUnsafeBytes { unsafe Zstandard.fault(in: $0, decodedByteCount: 1) }
    #expect(found != nil)
  }
}
