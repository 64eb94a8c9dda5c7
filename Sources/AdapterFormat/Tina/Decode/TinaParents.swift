import Foundation
import ModelFiles
import Support

/// The files among which a parent is looked for (spec §10.2).
struct TinaParents: Sendable {
  /// The longest chain of parents.
  static let maximumDepth = 256

  private let named: [String]
  /// The named files of each content that they state, in their order, once one was looked for. What is no .tina file is
  /// left out.
  private var paths: [ContentDigest: [String]]?
  /// The chain so far. A difference of nothing states the content of its parent, and may not be taken for it.
  private var chain: Set<String> = []

  init(_ paths: [String]) { named = paths }

  private var indexed: TinaParents {
    guard paths == nil else { return self }
    var paths: [ContentDigest: [String]] = [:]
    for path in named {
      if let digest = Self.statedDigest(path) { paths[digest, default: []].append(path) }
    }
    var all = self
    all.paths = paths
    return all
  }

  private static func statedDigest(_ path: String) -> ContentDigest? {
    guard let file = try? MappedFile(path: path), let header = try? TinaHeader(file),
      let section = header.sections.first(where: { $0.type == "TDIR" }),
      let bytes = try? TinaHeader.contents(of: section, in: file), bytes.count >= 64
    else { return nil }
    return ContentDigest(Array(bytes[32..<64]))
  }

  /// Opens the file that states a content, or throws. Faults of its index are reported.
  ///
  /// - Parameters:
  ///   - path: the file whose parent it is: other candidates are in its folder.
  ///   - hint: what its metadata call the parent.
  func find(
    _ digest: ContentDigest, of path: String, hint: String?, depth: Int
  ) throws(TinaFault) -> TinaFile {
    guard depth <= Self.maximumDepth else {
      throw TinaFault(
        .limit, "parent", found: "a chain of more than \(Self.maximumDepth) parents",
        expected: "at most \(Self.maximumDepth)")
    }
    var all = indexed
    all.chain.insert(Self.place(path))
    let first = all.paths?[digest]?.first { !all.chain.contains(Self.place($0)) }
    let others =
      first == nil
      ? Self.neighbours(of: path, hint: hint).filter { !all.chain.contains(Self.place($0)) } : []
    guard let found = first ?? others.first(where: { Self.statedDigest($0) == digest }) else {
      throw TinaFault(
        .parent, "parent",
        found: named.count + others.count == 0
          ? "no parent named" : "none of \(named.count + others.count) files to be it",
        expected: "the file with the content \(digest)",
        advice:
          "The tensors are differences from that file: put it into the same folder, under the name that "
          + "the metadata give, or name it.")
    }
    guard let file = try? MappedFile(path: found) else {
      throw TinaFault(.parent, "parent", found: "no readable file " + quoted(found), expected: "the parent")
    }
    return try TinaFile(file, layers: nil, parents: all, depth: depth)
  }

  private static func place(_ path: String) -> String {
    URL(fileURLWithPath: path).resolvingSymlinksInPath().path
  }

  /// The named file in the same folder, and the files of the same name in a run's other checkpoints.
  private static func neighbours(of path: String, hint: String?) -> [String] {
    let file = URL(fileURLWithPath: path)
    let folder = file.deletingLastPathComponent()
    var found: [String] = []
    if let hint, isName(hint) { found.append(folder.appending(path: hint).path) }
    guard folder.lastPathComponent.hasPrefix("checkpoint-") else { return found }
    let run = folder.deletingLastPathComponent()
    let names = (try? FileManager.default.contentsOfDirectory(atPath: run.path)) ?? []
    return found
      + names.filter { $0.hasPrefix("checkpoint-") && $0 != folder.lastPathComponent }
      .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
      .map { run.appending(path: $0).appending(path: file.lastPathComponent).path }
  }

  /// Whether a name stays in its folder.
  static func isName(_ name: String) -> Bool {
    let bytes = name.utf8
    return (1...255).contains(bytes.count) && !name.isSame(as: ".") && !name.isSame(as: "..")
      && bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7f && $0 != 0x2f && $0 != 0x5c && $0 != 0x3a }
  }
}

extension TinaFile {
  /// The parent's tensors that predict this file's, by number of the tensor, after comparing the parent's content with
  /// the digest: a file can state any.
  func parentTensors() throws(TinaFault) -> [Int: Tensor] {
    guard let parent else { return [:] }
    let entries = try parent.file.decoded(isTrusted: false).entries
    let content = try parent.file.contentDigest(of: entries)
    guard content == catalog.parent else {
      throw TinaFault(
        .parent, "parent " + quoted(parent.file.path),
        found: "the content \(content), where the file states \(parent.file.contentDigest)",
        expected: "the content \(catalog.parent)",
        advice: "The parent was changed or forged: get it again. Nothing was decoded from it.")
    }
    // Of several entries of one name, the first.
    var numbers: [TinaEntryKey: Int] = [:]
    for (number, entry) in entries.enumerated() {
      let key = TinaEntryKey(entry.module, entry.tinaKind, entry.parameter)
      if numbers[key] == nil { numbers[key] = number }
    }
    var found: [Int: Tensor] = [:]
    for block in catalog.blocks where block.predictor == .parent {
      for number in block.tensors {
        let record = catalog.tensors[number]
        let entry = catalog.entries[record.entry]
        let match = numbers[TinaEntryKey(entry.module, entry.kind, entry.parameter)].map { entries[$0] }
        guard let tensor = match?.tinaTensors[number - entry.tensors.lowerBound],
          tensor.elementType == record.elementType, tensor.shape == record.shape
        else {
          throw TinaFault(
            .parent, "module " + quoted(entry.module), found: "no such tensor in " + parent.file.path,
            expected: "one of the same type and shape")
        }
        found[number] = tensor
      }
    }
    return found
  }

  /// The digest of decoded entries, which are this file's.
  private func contentDigest(of entries: [AdapterEntry]) throws(TinaFault) -> ContentDigest {
    let tensors = entries.flatMap(\.tinaTensors)
    let digests = try inParallel(map: tensors.count, context: {}) { (number, _) -> ContentDigest in
      unsafe tensors[number].bytes.withUnsafeBytes { unsafe ContentDigest.of($0) }
    }
    var hash = ContentHash()
    for entry in catalog.entries {
      for (position, number) in entry.tensors.enumerated() {
        hash.append(
          entry, position: position, type: catalog.tensors[number].elementType,
          shape: catalog.tensors[number].shape, digest: digests[number])
      }
    }
    return hash.digest
  }
}

/// What finds a tensor of the parent, compared as bytes.
private struct TinaEntryKey: Hashable {
  let bytes: [UInt8]

  init(_ module: String, _ kind: TinaKind, _ parameter: String) {
    bytes = [kind.rawValue] + Array(module.utf8) + [0] + Array(parameter.utf8)
  }
}
