import Foundation
import ModelFiles
import Problems

/// An evaluation's directory: its settings and its completions.
///
/// A running evaluation appends completions to `completions.part.jsonl` as they end. When all are there, it writes
/// `completions.jsonl` in the order of contestants, problems and samples.
final class CompletionStore {
  let directory: String
  /// The completions of earlier runs.
  private(set) var saved: [CompletionRecord] = []
  private var journal: FileHandle?

  private var settingsPath: String { directory + "/settings.json" }
  private var journalPath: String { directory + "/completions.part.jsonl" }
  /// The finished completions, in their order.
  var completionsPath: String { directory + "/completions.jsonl" }

  /// Opens or makes the directory, and reads what earlier runs saved.
  ///
  /// - Throws: `EvaluationError.otherSettings` if it holds completions of other settings; `.badFile` for damaged
  ///   ones; `.notWritten`.
  init(directory: String, settings: EvaluationSettings, problems: [Problem]) throws {
    self.directory = directory
    let files = FileManager.default
    if files.fileExists(atPath: settingsPath) {
      let found = try JSON.parse(path: settingsPath).object ?? JSONObject([])
      let differences = settings.differences(from: found)
      guard differences.isEmpty else {
        throw EvaluationError.otherSettings(directory: directory, differences: differences)
      }
    } else {
      do {
        try files.createDirectory(atPath: directory, withIntermediateDirectories: true)
      } catch {
        throw EvaluationError.notWritten(file: directory, reason: error.localizedDescription)
      }
      // The settings come last: where they are, the problems are too.
      try Self.write(ProblemFile.lines(problems), to: directory + "/problems.jsonl")
      try Self.write(JSONValue.object(settings.object).text(indent: 2) + "\n", to: settingsPath)
    }
    var keys: Set<CompletionRecord.Key> = []
    for path in [completionsPath, journalPath] where files.fileExists(atPath: path) {
      for record in try Self.read(path, isJournal: path == journalPath) where keys.insert(record.key).inserted
      {
        saved.append(record)
      }
    }
  }

  /// Appends a completion. The system has it when this returns.
  func append(_ record: CompletionRecord) throws {
    if journal == nil {
      if !FileManager.default.fileExists(atPath: journalPath) {
        guard FileManager.default.createFile(atPath: journalPath, contents: nil) else {
          throw EvaluationError.notWritten(file: journalPath, reason: "it can't be made")
        }
      }
      journal = FileHandle(forWritingAtPath: journalPath)
      _ = try journal?.seekToEnd()
    }
    do {
      try journal?.write(contentsOf: Data((record.line + "\n").utf8))
    } catch {
      throw EvaluationError.notWritten(file: journalPath, reason: error.localizedDescription)
    }
  }

  /// Writes all completions in their order, whole or not at all, and removes the journal.
  func finish(_ records: [CompletionRecord]) throws {
    try Self.write(records.map { $0.line + "\n" }.joined(), to: completionsPath)
    try journal?.close()
    journal = nil
    try? FileManager.default.removeItem(atPath: journalPath)
  }

  /// Writes a file whole or not at all.
  static func write(_ text: String, to path: String) throws {
    try FileWriter.write(Array(text.utf8), to: path)
  }

  /// Reads records. Cuts off the unfinished line that a killed run may leave at a journal's end.
  static func read(_ path: String, isJournal: Bool = false) throws -> [CompletionRecord] {
    let map = try MappedFile(path: path)
    var bytes = map.copy(0..<map.byteCount)
    let newline = UInt8(ascii: "\n")
    if isJournal, bytes.last != newline, !bytes.isEmpty {
      let whole = bytes.lastIndex(of: newline).map { $0 + 1 } ?? 0
      bytes.removeSubrange(whole...)
      guard let file = FileHandle(forUpdatingAtPath: path) else {
        throw EvaluationError.notWritten(file: path, reason: "it can't be opened")
      }
      try file.truncate(atOffset: UInt64(whole))
      try file.close()
    }
    return try bytes.split(separator: newline, omittingEmptySubsequences: true).enumerated().map {
      number, line in
      let place = "line \(number + 1)"
      return try CompletionRecord(
        JSON.parse(Array(line), file: "\(path), \(place)"), file: path, place: place)
    }
  }
}
