import Foundation
import ModelFiles

/// Finds the file of a benchmark: given by path, in a folder of benchmarks, or in the hub's cache.
struct BenchmarkLocator {
  struct Location {
    let name: String
    let path: String
    let style: Benchmark.PromptStyle
  }

  let folder: String?
  let model: String

  func locate(_ named: String) throws -> Location {
    if named == "pico" || named == "heldout" {
      let path = model + "/heldout.jsonl"
      guard isFile(path) else {
        throw EvaluationError.benchmarkNotFound(
          name: named, searched: [path], advice: "Only Pico brings held-out problems along; name a benchmark."
        )
      }
      return Location(name: "heldout", path: path, style: .plain)
    }
    if let known = Benchmark.known.first(where: { $0.name == named }) { return try locate(known) }
    guard isFile(named) else {
      let names = Benchmark.known.map(\.name).joined(separator: ", ")
      throw EvaluationError.benchmarkNotFound(
        name: quoted(named), searched: ["a file of that name", "pico, " + names],
        advice: "Name one of them, or a file of JSON lines {\"problem\", \"answer\"}.")
    }
    let file = URL(fileURLWithPath: named).deletingPathExtension().lastPathComponent
    return Location(name: file, path: named, style: .math)
  }

  private func locate(_ known: Benchmark.Known) throws -> Location {
    var searched: [String] = []
    if let folder {
      for name in known.folders {
        for path in ["\(folder)/\(name)/test.jsonl", "\(folder)/\(name).jsonl", "\(folder)/\(name).json"] {
          if isFile(path) { return Location(name: known.name, path: path, style: known.style) }
          searched.append(path)
        }
      }
    }
    for repository in known.hub {
      let root = Self.hubCache + "/datasets--" + repository.replacingOccurrences(of: "/", with: "--")
      searched.append(root)
      for file in snapshotFiles(root) {
        return Location(name: known.name, path: file, style: known.style)
      }
    }
    throw EvaluationError.benchmarkNotFound(
      name: known.name, searched: searched,
      advice: "Name its file, or a folder of benchmarks with --data (FOLDER/\(known.name)/test.jsonl).")
  }

  /// The folder in which the hub's clients keep their downloads.
  static var hubCache: String {
    let environment = ProcessInfo.processInfo.environment
    func value(_ name: String) -> String? {
      environment[name].flatMap { $0.isEmpty ? nil : NSString(string: $0).expandingTildeInPath }
    }
    if let cache = value("HF_HUB_CACHE") ?? value("HUGGINGFACE_HUB_CACHE") { return cache }
    if let home = value("HF_HOME") { return home + "/hub" }
    return (value("XDG_CACHE_HOME") ?? NSString(string: "~/.cache").expandingTildeInPath) + "/huggingface/hub"
  }

  /// Files of problems in the snapshots of a cached repository, the test part first.
  private func snapshotFiles(_ root: String) -> [String] {
    guard let walker = FileManager.default.enumerator(atPath: root + "/snapshots") else { return [] }
    // A cache is small; the bound keeps a damaged one from taking long.
    let paths = walker.prefix(10_000).compactMap { $0 as? String }
    return Self.ranked(paths.filter { isFile(root + "/snapshots/" + $0) }).map { root + "/snapshots/" + $0 }
  }

  /// Files that can hold problems, the test part first.
  static func ranked(_ paths: [String]) -> [String] {
    let files = paths.filter { path in
      let name = path.split(separator: "/").last ?? ""
      return [".jsonl", ".json", ".csv", ".parquet"].contains(where: name.hasSuffix)
        && !name.hasPrefix("dataset_info")
    }
    func rank(_ path: String) -> Int {
      (path.hasSuffix(".jsonl") ? 0 : path.hasSuffix(".json") ? 1 : path.hasSuffix(".csv") ? 2 : 3)
        + (path.contains("test") ? 0 : 4)
    }
    return files.sorted { (rank($0), $0) < (rank($1), $1) }
  }

  /// Whether a known benchmark's file is on this machine.
  func isHere(_ known: Benchmark.Known) -> Bool { (try? locate(known)) != nil }

  private func isFile(_ path: String) -> Bool {
    var isDirectory = ObjCBool(false)
    return unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
      && !isDirectory.boolValue
  }
}
