import Foundation
public import ModelFiles
import Support

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// What the cache holds of a repository whose fetching did not come to its end.
struct HubRemains: Equatable {
  /// Names of files that are known to be missing, or what is.
  var missing: [String] = []
  /// Bytes of files that were fetched in part.
  var unfinishedBytes = 0
  /// Whole files that no snapshot shows yet.
  var looseFiles = 0

  /// In a few words: `missing model.safetensors, 12 MB of unfinished files`.
  var text: String {
    var parts: [String] = []
    if !missing.isEmpty {
      let more = missing.count > 4 ? " and \(missing.count - 4) more" : ""
      parts.append("missing " + missing.prefix(4).map { printable($0) }.joined(separator: ", ") + more)
    }
    if unfinishedBytes > 0 { parts.append("\(byteText(unfinishedBytes)) of unfinished files") }
    if looseFiles > 0 { parts.append("\(looseFiles) finished \(looseFiles == 1 ? "file" : "files")") }
    return parts.joined(separator: ", ")
  }

  var isEmpty: Bool { missing.isEmpty && unfinishedBytes == 0 && looseFiles == 0 }
}

extension HubCache {
  /// What is there of something that is not there as a whole; nil for nothing of it.
  func remains(of name: HubName, want: HubWant) -> HubRemains? {
    let root = folder(name)
    guard Self.isDirectory(root) else { return nil }
    var remains = HubRemains()
    let blobs = (try? FileManager.default.contentsOfDirectory(atPath: root + "/blobs")) ?? []
    for blob in blobs where blob.hasSuffix(".incomplete") {
      remains.unfinishedBytes += Self.size(root + "/blobs/" + blob) ?? 0
    }
    if let commit = commit(of: name), Self.isDirectory(snapshot(commit, of: name)) {
      let snapshot = snapshot(commit, of: name)
      let path = name.path.isEmpty ? snapshot : snapshot + "/" + name.path
      remains.missing = Self.missing(in: path, want: want)
    } else {
      remains.looseFiles = blobs.count { !$0.hasSuffix(".incomplete") }
    }
    return remains.isEmpty ? nil : remains
  }

  /// What a folder lacks that holds a part of a model or an adapter; empty if it holds nothing of either.
  static func missing(in folder: String, want: HubWant) -> [String] {
    guard isDirectory(folder) else { return [] }
    // A link to a blob that is gone, or not there yet.
    var missing = entries(folder).filter { !exists(folder + "/" + $0) }
    let has = { exists(folder + "/" + $0) }
    func need(_ names: [String], _ told: String) {
      if !names.contains(where: has), !names.contains(where: missing.contains) { missing.append(told) }
    }
    let isAdapter = has("adapter_config.json") || has("adapter_model.safetensors")
    let isModel = has("config.json") || has("model.safetensors.index.json") || has("tokenizer.json")
    for (index, stem) in [
      ("model.safetensors.index.json", "model"), ("adapter_model.safetensors.index.json", "adapter_model"),
    ] where has(index) {
      let map = (try? JSON.parse(path: folder + "/" + index, maximumByteCount: 16 << 20))?.object?[
        "weight_map"]
      let names = Set(map?.object?.members.compactMap { $0.1.string } ?? []).filter { HubName.isSafePath($0) }
      missing += names.filter { !has($0) && !missing.contains($0) }.sorted()
      if names.isEmpty { missing.append("the weights of \(stem)") }
    }
    if isAdapter, want != .model, want != .description {
      need(["adapter_config.json"], "adapter_config.json")
      need(
        ["adapter_model.safetensors", "adapters.safetensors", "adapter_model.safetensors.index.json"],
        "adapter_model.safetensors")
    } else if isModel, want != .adapter {
      need(["config.json"], "config.json")
      let hasGGUF = entries(folder).contains { $0.hasSuffix(".gguf") }
      if want != .description, !hasGGUF {
        need(["model.safetensors", "model.safetensors.index.json"], "model.safetensors")
      }
    }
    return missing
  }

  /// Names in a folder, dangling links too.
  private static func entries(_ folder: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
  }

  /// Why a folder of the cache, named by its path, can't be used as it is; nil if nothing is known against it.
  ///
  /// - Throws: nothing; the error is told by whoever asks.
  public static func gap(at path: String, want: HubWant) -> HubError? {
    guard want != .all, isDirectory(path), let repository = repository(of: path) else { return nil }
    let missing = HubCache.missing(in: path, want: want)
    guard !missing.isEmpty else { return nil }
    return HubError(
      .offline, file: path, found: "half a snapshot: " + HubRemains(missing: missing).text,
      expected: "all of it", advice: "Fetch the rest: tina pull \(repository)")
  }
}

// MARK: - Removing

extension HubCache {
  /// Removes a repository with all its snapshots.
  ///
  /// - Parameter isTrial: whether only to tell what would be removed.
  /// - Returns: bytes that the disk has back.
  /// - Throws: ``HubError`` when the cache has none of that name, or another program is fetching it.
  public func remove(_ name: HubName, isTrial: Bool = false) throws(HubError) -> Int {
    let root = folder(name)
    guard Self.isDirectory(root) else {
      throw HubError(
        .notFound, file: "\(name)", found: "nothing of it in the cache (\(self.root))",
        expected: "a name that tina pull --list shows")
    }
    let locks = self.root + "/.locks/" + URL(fileURLWithPath: root).lastPathComponent
    for file in (try? FileManager.default.contentsOfDirectory(atPath: locks)) ?? [] {
      if let holder = BlobLock.holder(locks + "/" + file) {
        throw HubError(
          .busy, file: "\(name)", found: "a program that is fetching it (\(holder))", expected: "none",
          advice: "Wait for it, or end it.")
      }
    }
    let byteCount = Self.diskBytes(root)
    if isTrial { return byteCount }
    // Under another name at once, so that no program takes a half removed snapshot for a whole one.
    let doomed = Leftovers.name(of: self.root + "/.removed")
    Leftovers.remove(of: self.root + "/.removed")
    TemporaryPaths.add(doomed)
    defer { TemporaryPaths.forget(doomed) }
    guard unsafe rename(root, doomed) == 0 else { throw Self.failure(root, "rename", errno) }
    try? FileManager.default.removeItem(atPath: locks)
    do {
      try FileManager.default.removeItem(atPath: doomed)
    } catch {
      throw HubError(
        .unwritable, file: doomed, found: errorReason(error), expected: "to remove it",
        advice: "Remove the folder by hand.")
    }
    return byteCount
  }

  /// Bytes of the files themselves, links not followed.
  static func diskBytes(_ folder: String) -> Int {
    let paths =
      FileManager.default.enumerator(atPath: folder)?.prefix(100_000).compactMap { $0 as? String } ?? []
    return paths.reduce(0) { sum, path in
      var info = stat()
      guard unsafe lstat(folder + "/" + path, &info) == 0, info.st_mode & S_IFMT == S_IFREG else {
        return sum
      }
      return sum + Int(info.st_size)
    }
  }
}
