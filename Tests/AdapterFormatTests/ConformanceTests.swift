import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import AdapterFormat

private let folder = Checkout.path("spec/conformance")

/// A file of the corpus and what its manifest says of it.
private struct Case: CustomTestStringConvertible, Sendable {
  let file: String
  let object: JSONObject
  var path: String { folder + "/" + file }
  var parents: [String] {
    (object["parents"]?.array ?? []).compactMap(\.string).map { folder + "/" + $0 }
  }
  var bytes: [UInt8] { get throws { Array(try Data(contentsOf: URL(fileURLWithPath: path))) } }
  var testDescription: String { file }

  func text(_ key: String) -> String? { object[key]?.string }

  static func all(_ kind: String) -> [Case] {
    guard let manifest = try? JSON.parse(path: folder + "/manifest.json") else { return [] }
    return (manifest.object?[kind]?.array ?? []).compactMap { value in
      guard let object = value.object, let file = object["file"]?.string else { return nil }
      return Case(file: file, object: object)
    }
  }
}

private let valid = Case.all("valid")
private let invalid = Case.all("invalid")

/// The content digest of what was decoded, computed from the archive's own tensors.
private func contentDigest(_ file: TinaFile) throws -> String {
  var hash = ContentHash()
  for (entry, record) in zip(try file.archive().entries, file.catalog.entries) {
    var parts = entry.tensors.map { ($0.elementType, $0.shape, Array(tensorBytes($0))) }
    if case .rows(_, let ids) = entry.content {
      parts.append((.i64, [ids.count], ids.flatMap { littleEndianBytes(Int64($0)) }))
    }
    #expect(parts.count == record.tensors.count)
    for (position, part) in parts.enumerated() {
      hash.append(
        record, position: position, type: part.0, shape: part.1, digest: ContentDigest.of(part.2))
    }
  }
  return hash.digest.description
}

func tensorBytes(_ tensor: Tensor) -> [UInt8] {
  unsafe tensor.bytes.withUnsafeBytes { unsafe Array($0) }
}

@Suite("Conformance files")
struct ConformanceTests {
  @Test("the corpus is there")
  func corpus() {
    #expect(valid.count >= 25 && invalid.count >= 60)
    // Every rule is broken by some file.
    let broken = Set(invalid.compactMap { $0.text("rule") })
    #expect(broken == Set(TinaRule.allCases.map(\.rawValue)))
  }

  @Test("valid files are read, with the content that they must have", arguments: valid)
  private func accepted(_ one: Case) throws {
    let report = try TinaFile.verify(path: one.path, parents: one.parents)
    let layers = one.object["layers"]?.int
    #expect(report.violations.isEmpty)
    let file = try TinaFile(path: one.path, layers: layers, parents: one.parents)
    #expect(file.fileDigest.description == one.text("file_digest"))
    #expect(try contentDigest(file) == one.text("content_digest"))
    if let layers {
      #expect(report.extent == .prefix(layers: layers, of: file.layers.count))
      #expect(throws: AdapterError.self) { try TinaFile(path: one.path) }
    } else {
      #expect(report.isValid && report.contentDigest?.description == one.text("content_digest"))
    }
  }

  @Test(
    "each prefix is the adapter of so many layers",
    arguments: valid.filter { $0.object["prefix_digests"] != nil })
  private func prefixes(_ one: Case) throws {
    let directory = TemporaryFolder()
    let bytes = try one.bytes
    let whole = try TinaFile(path: one.path)
    for (index, digest) in (one.object["prefix_digests"]?.array ?? []).compactMap(\.string).enumerated() {
      let path = directory.write("prefix.tina", bytes.prefix(whole.layers[index].end))
      #expect(try contentDigest(TinaFile(path: path, layers: index + 1)) == digest)
      #expect(try contentDigest(TinaFile(path: one.path, layers: index + 1)) == digest)
      #expect(throws: AdapterError.self) { try TinaFile(path: path) }
      #expect(throws: AdapterError.self) { try TinaFile(path: path, layers: index + 2) }
    }
  }

  @Test("invalid files are refused by the rule that they break", arguments: invalid)
  private func refused(_ one: Case) throws {
    let report = try TinaFile.verify(path: one.path)
    #expect(!report.isValid)
    let rules = report.violations.map { violation in
      if case .tina(let rule) = violation.kind { rule.rawValue } else { "?" }
    }
    #expect(rules.first == one.text("rule"), "\(report.violations)")
  }

  /// All places with TINA_EXHAUSTIVE=1; else all of the smallest files, and some of the others.
  @Test("every changed byte and every truncation of a small valid file is noticed", arguments: valid)
  private func damaged(_ one: Case) throws {
    let bytes = try one.bytes
    let isExhaustive = ProcessInfo.processInfo.environment["TINA_EXHAUSTIVE"] != nil
    let step = isExhaustive || bytes.count <= 700 ? 1 : bytes.count / 50
    let directory = TemporaryFolder()
    let path = directory.path + "/x.tina"
    for place in stride(from: 0, to: bytes.count, by: step) {
      var changed = bytes
      changed[place] ^= UInt8(1 << (place % 8))
      directory.write("x.tina", changed)
      let report = try TinaFile.verify(path: path, parents: one.parents)
      #expect(!report.violations.isEmpty, "byte \(place)")
    }
    let ends =
      one.object["layers"] == nil ? try TinaFile(path: one.path, parents: one.parents).layers.map(\.end) : []
    for count in stride(from: 0, to: bytes.count, by: step) where !ends.contains(count) {
      directory.write("x.tina", bytes.prefix(count))
      let report = try TinaFile.verify(path: path, parents: one.parents)
      let isPrefix = if case .prefix = report.extent { one.object["layers"] != nil } else { false }
      #expect(!report.violations.isEmpty || isPrefix, "cut to \(count)")
    }
  }
}
