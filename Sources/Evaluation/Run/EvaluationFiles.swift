import Foundation
import ModelFiles
public import Problems

/// Writes an evaluation's results into its directory.
public enum EvaluationFiles {
  /// Writes `settings.json` anew, after other verdicts were asked for.
  public static func write(_ settings: EvaluationSettings, in folder: EvaluationFolder) throws {
    try CompletionStore.write(
      JSONValue.object(settings.object).text(indent: 2) + "\n", to: folder.path + "/settings.json")
  }

  /// Writes `summary.json`, `report.html` and the completions with their present verdicts.
  ///
  /// Each file is written whole or not at all.
  public static func write(
    _ summary: Summary, _ records: [CompletionRecord], _ problems: [Problem],
    in folder: EvaluationFolder
  ) throws {
    let directory = folder.path
    try CompletionStore.write(records.map { $0.line + "\n" }.joined(), to: directory + "/completions.jsonl")
    try CompletionStore.write(
      JSONValue.object(summary.object).text(indent: 2) + "\n", to: directory + "/summary.json")
    let page = ReportPage(summary, records: records, problems: problems, timing: EvaluationTiming(folder))
    try CompletionStore.write(page.html, to: directory + "/report.html")
  }
}

/// The duration of an evaluation, over all its runs. It has a file of its own: all others are the same on every
/// machine.
public struct EvaluationTiming {
  private let path: String

  /// Reads and writes the timing in an evaluation's directory.
  public init(_ folder: EvaluationFolder) { path = folder.path + "/timing.json" }

  /// The base by its name; nil in folders from before it was noted.
  public var base: String? { saved?["base"]?.string }
  /// The day of the last run, as 2026-11-29; nil as ``base``.
  public var day: String? { saved?["day"]?.string }

  /// Seconds so far; nil when nothing was timed.
  public var seconds: Double? { saved?["seconds"]?.double }

  private var saved: JSONObject? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    return try? JSON.parse(path: path).object
  }

  /// Adds the duration of a run of today.
  public func add(seconds: Double, tokens: Int, base: String) throws {
    guard tokens > 0 else { return }
    let day = Date().formatted(.iso8601.year().month().day())
    let total = JSONObject([
      ("base", .string(base)), ("day", .string(day)),
      ("seconds", JSONValue((self.seconds ?? 0) + seconds)),
      ("tokens", JSONValue((saved?["tokens"]?.int ?? 0) + tokens)),
    ])
    try CompletionStore.write(JSONValue.object(total).text() + "\n", to: path)
  }
}
