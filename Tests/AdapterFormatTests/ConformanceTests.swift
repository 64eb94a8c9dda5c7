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
  var bytes: [UInt8] { get throws { Array(try Data(contentsOf: URL(fileURLWithPath: path))) } }
  var testDescription: String { file }

  func text(_ key: String) -> String? { object[key]?.string }

  /// The files that may be parents; those of a pack, one behind the other, are written to a folder and come last.
  func parents(_ directory: TemporaryFolder) throws -> [String] {
    var paths = (object["parents"]?.array ?? []).compactMap(\.string).map { folder + "/" + $0 }
    guard let pack = text("pack") else { return paths }
    var rest = try Data(contentsOf: URL(fileURLWithPath: folder + "/" + pack))[...]
    while !rest.isEmpty {
      let length = rest.dropFirst(24).prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
      paths.append(directory.write("\(paths.count).tina", rest.prefix(length)))
      rest = rest.dropFirst(length)
    }
    return paths
  }

  static func all(_ kind: String) -> [Case] {
    guard let manifest = try? JSON.parse(path: folder + "/manifest.json") else { return [] }
    return (manifest.object?[kind]?.array ?? []).compactMap { value in
      guard let object = value.object else { return nil }
      return Case(file: (object["file"] ?? object["model"])?.string ?? "", object: object)
    }
  }
}

private let valid = Case.all("valid")
private let invalid = Case.all("invalid")

/// The content digest of what was decoded, computed from the archive's own tensors, and the digest of each.
private func contents(_ file: TinaFile) throws -> (digest: String, tensors: [String]) {
  var hash = ContentHash()
  var tensors: [String] = []
  for (entry, record) in zip(try file.archive().entries, file.catalog.entries) {
    var parts = entry.tensors.map { ($0.elementType, $0.shape, Array(tensorBytes($0))) }
    if case .rows(_, let ids) = entry.content {
      parts.append((.i64, [ids.count], ids.flatMap { littleEndianBytes(Int64($0)) }))
    }
    #expect(parts.count == record.tensors.count)
    for (position, part) in parts.enumerated() {
      let digest = ContentDigest.of(part.2)
      tensors.append(digest.description)
      hash.append(record, position: position, type: part.0, shape: part.1, digest: digest)
    }
  }
  return (hash.digest.description, tensors)
}

func tensorBytes(_ tensor: Tensor) -> [UInt8] {
  unsafe tensor.bytes.withUnsafeBytes { unsafe Array($0) }
}

@Suite("Conformance files")
struct ConformanceTests {
  @Test("the corpus is there")
  func corpus() {
    #expect(valid.count >= 100 && invalid.count >= 250)
    // Every rule is broken by some file.
    let broken = Set(invalid.compactMap { $0.text("rule") })
    #expect(broken == Set(TinaRule.allCases.map(\.rawValue)))
  }

  @Test("valid files are read, with the content that they must have", arguments: valid)
  private func accepted(_ one: Case) throws {
    let directory = TemporaryFolder()
    let parents = try one.parents(directory)
    let report = try TinaFile.verify(path: one.path, parents: parents)
    let layers = one.object["layers"]?.int
    #expect(report.violations.isEmpty)
    let file = try TinaFile(path: one.path, layers: layers, parents: parents)
    #expect(file.fileDigest.description == one.text("file_digest"))
    let contents = try contents(file)
    #expect(contents.digest == one.text("content_digest"))
    #expect(contents.tensors == one.object["tensors"]?.array?.compactMap(\.string))
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
    let digests = (one.object["prefix_digests"]?.array ?? []).compactMap(\.string)
    let tensors = (one.object["prefix_tensors"]?.array ?? []).map { ($0.array ?? []).compactMap(\.string) }
    for (index, digest) in digests.enumerated() {
      let path = directory.write("prefix.tina", bytes.prefix(whole.layers[index].end))
      for path in [path, one.path] {
        let contents = try contents(TinaFile(path: path, layers: index + 1))
        #expect(contents.digest == digest && contents.tensors == tensors[index])
      }
      #expect(throws: AdapterError.self) { try TinaFile(path: path) }
      #expect(throws: AdapterError.self) { try TinaFile(path: path, layers: index + 2) }
    }
  }

  @Test("invalid files are refused by the rule that they break", arguments: invalid)
  private func refused(_ one: Case) throws {
    let directory = TemporaryFolder()
    let parents = try one.parents(directory)
    let report = try TinaFile.verify(path: one.path, parents: parents)
    #expect(!report.isValid)
    let rules = report.violations.map { violation in
      if case .tina(let rule) = violation.kind { rule.rawValue } else { "?" }
    }
    #expect(rules.first == one.text("rule"), "\(report.violations)")
    // Whoever reads its tensors is told the same, or is not concerned.
    let told = brokenRule(one.path, parents: parents)?.rawValue
    #expect(told == one.text("rule") || one.text("rule") == "content-digest")
  }

  @Test(
    "what the text leaves to a reader is read right, or refused as it says", arguments: Case.all("either"))
  private func either(_ one: Case) throws {
    guard one.text("rule") != nil else {
      // More combining marks than this reader takes: it is not called damaged.
      for read in [{ _ = try TinaFile.verify(path: one.path) }, { _ = try TinaFile(path: one.path) }] {
        let error = #expect(throws: AdapterError.self, performing: read)
        #expect(error?.violations.map(\.kind) == [.beyondReader])
        #expect(error?.description.contains("damaged") == false, "\(error?.description ?? "")")
      }
      return
    }
    let report = try TinaFile.verify(path: one.path)
    if let fault = report.violations.first {
      #expect(fault.kind == .tina(.zstd) && one.text("rule") == "zstd")
    } else {
      #expect(report.contentDigest?.description == one.text("content_digest"))
      #expect(
        try contents(TinaFile(path: one.path)).tensors == one.object["tensors"]?.array?.compactMap(\.string))
    }
  }

  @Test("so many layers are read, or refused, of a whole and of a cut file", arguments: Case.all("requests"))
  private func requested(_ one: Case) throws {
    let directory = TemporaryFolder()
    let bytes = try one.bytes
    let path = directory.write("x.tina", bytes.prefix(one.object["cut"]?.int ?? bytes.count))
    #expect(brokenRule(path, layers: one.object["layers"]?.int)?.rawValue == one.text("rule"))
  }

  @Test("a base is identified as the corpus says", arguments: Case.all("bases"))
  private func identified(_ one: Case) throws {
    let identity = try BaseIdentity(of: StoredBase(path: one.path))
    let stored = try Data(contentsOf: URL(fileURLWithPath: folder + "/" + (one.text("identity") ?? "")))
    #expect(identity.bytes == Array(stored))
    #expect(identity.digestText.hasSuffix(one.text("digest") ?? "?"))
  }

  @Test("a base is compared with an identity as the corpus says", arguments: Case.all("comparisons"))
  private func compared(_ one: Case) throws {
    let stored = try Data(contentsOf: URL(fileURLWithPath: folder + "/" + (one.text("identity") ?? "")))
    let identity = try BaseIdentity(bytes: Array(stored), file: "")
    let outcome =
      switch identity.compare(to: try StoredBase(path: one.path)) {
      case .same: "same"
      case .sameInOtherEncoding: "same in another encoding"
      case .otherWeights: "other weights"
      case .otherShape: "other shape"
      case .undecided: "undecided"
      }
    #expect(outcome == one.text("outcome"))
  }

  /// All places with TINA_EXHAUSTIVE=1; else all of the smallest files, and some of the others.
  @Test("every changed byte and every truncation of a small valid file is noticed", arguments: valid)
  private func damaged(_ one: Case) throws {
    let bytes = try one.bytes
    let family = TemporaryFolder()
    // A parent that is found by its place is named, because copies are damaged elsewhere.
    let parents = try one.parents(family) + (one.text("found").map { [folder + "/" + $0] } ?? [])
    let isExhaustive = ProcessInfo.processInfo.environment["TINA_EXHAUSTIVE"] != nil
    let parts = one.text("pack") == nil ? 50 : 5
    let step = isExhaustive || (bytes.count <= 700 && parts == 50) ? 1 : bytes.count / parts
    let directory = TemporaryFolder()
    let path = directory.path + "/x.tina"
    for place in stride(from: 0, to: bytes.count, by: step) {
      var changed = bytes
      changed[place] ^= UInt8(1 << (place % 8))
      directory.write("x.tina", changed)
      let report = try TinaFile.verify(path: path, parents: parents)
      #expect(!report.violations.isEmpty, "byte \(place)")
    }
    let ends =
      one.object["layers"] == nil ? try TinaFile(path: one.path, parents: parents).layers.map(\.end) : []
    for count in stride(from: 0, to: bytes.count, by: step) where !ends.contains(count) {
      directory.write("x.tina", bytes.prefix(count))
      let report = try TinaFile.verify(path: path, parents: parents)
      let isPrefix = if case .prefix = report.extent { one.object["layers"] != nil } else { false }
      #expect(!report.violations.isEmpty || isPrefix, "cut to \(count)")
    }
  }
}
