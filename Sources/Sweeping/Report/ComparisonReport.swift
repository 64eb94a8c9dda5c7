import Foundation
import ModelFiles
import Trainer

/// The report of many runs: finds them, compares them, writes page, JSON and CSV.
package enum ComparisonReport {
  /// Whether a path is a sweep: its folder, or its file.
  package static func isSweep(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: path + "/" + SweepFolder.name)
      || [".yaml", ".yml"].contains(where: path.hasSuffix)
  }

  /// The runs of a sweep that are there.
  ///
  /// - Throws: ``SweepError`` if there is none yet.
  package static func sweep(_ path: String, dollarsPerHour: Double?) throws -> (RunComparison, folder: String)
  {
    let isFile = [".yaml", ".yml"].contains(where: path.hasSuffix)
    let folder = isFile ? try Sweep(path: path).output : path
    guard FileManager.default.fileExists(atPath: folder + "/" + SweepFolder.name) else {
      throw SweepError(
        .folder, file: folder, found: "no sweep.json", expected: "the folder of a sweep",
        advice: "Run tina sweep first, or name the folder that was given to its --output.")
    }
    let about = try JSON.parse(path: folder + "/" + SweepFolder.name).object ?? JSONObject([])
    let names =
      about["runs"]?.array?.compactMap(\.string).filter { !$0.contains("/") && !$0.hasPrefix(".") } ?? []
    let runs = names.compactMap { try? RunRecord(folder + "/" + $0, name: $0) }
    guard !runs.isEmpty else {
      throw SweepError(
        .folder, file: folder, found: "no run with steps yet", expected: "at least one",
        advice: "Wait until the sweep's first run has made a step.")
    }
    let recipe = about["recipe"]?.string.map { " of " + Self.straight($0) } ?? ""
    let name = URL(fileURLWithPath: folder).standardizedFileURL.lastPathComponent
    let missing = names.count - runs.count
    let title =
      "Sweep \(name)\(recipe)" + (missing > 0 ? " (\(missing) of \(names.count) runs are still to come)" : "")
    let price = dollarsPerHour ?? about["dollars_per_hour"]?.double
    // The base that all runs have in common: of several, none is the measure of the others' runs.
    let bases = Set(runs.map { SweepFolder.bases($0.model) })
    let shared = bases.count == 1 ? bases.first : nil
    let base = shared?.lazy.compactMap { RunResult(of: folder + "/" + $0) }.first
    let order = about["axes"]?.array?.flatMap { $0.object?["keys"]?.array?.compactMap(\.string) ?? [] } ?? []
    return (RunComparison(title, runs, base: base, dollarsPerHour: price, order: order), folder)
  }

  /// A path without the steps back that it takes: `a/../b` is `b`.
  static func straight(_ path: String) -> String {
    var parts: [Substring] = []
    for part in path.split(separator: "/", omittingEmptySubsequences: false) where part != "." {
      if part == "..", let last = parts.last, last != "..", last != "" {
        parts.removeLast()
      } else {
        parts.append(part)
      }
    }
    return parts.joined(separator: "/")
  }

  /// Runs by their folders.
  package static func runs(_ folders: [String], dollarsPerHour: Double?) throws(SweepError) -> RunComparison {
    // The shortest ends of the paths that tell them apart.
    let parts = folders.map { URL(fileURLWithPath: $0).standardizedFileURL.pathComponents }
    var count = 1
    while count < 20, Set(parts.map { Array($0.suffix(count)) }).count < Set(parts).count { count += 1 }
    var runs: [RunRecord] = []
    for (folder, own) in zip(folders, parts) {
      runs.append(try RunRecord(folder, name: own.suffix(count).joined(separator: "/")))
    }
    return RunComparison("\(runs.count) runs compared", runs, base: nil, dollarsPerHour: dollarsPerHour)
  }

  /// Writes the page, and the data beside it under the same name.
  ///
  /// - Parameter path: of the page, `….html`.
  /// - Returns: the files' paths.
  package static func write(_ comparison: RunComparison, to path: String) throws -> [String] {
    let stem = path.hasSuffix(".html") ? String(path.dropLast(5)) : path
    let data = ComparisonData(comparison)
    let files = [
      (path, ComparisonPage(comparison).html),
      (stem + ".json", JSONValue.object(data.json).text(indent: 1) + "\n"),
      (stem + ".csv", data.csv),
    ]
    for (path, text) in files { try FileWriter.write(Array(text.utf8), to: path) }
    return files.map(\.0)
  }
}
