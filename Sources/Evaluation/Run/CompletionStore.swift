import Foundation
import ModelFiles
import Problems
import Support

/// An evaluation's directory: its settings and its completions.
///
/// A running evaluation appends completions to `completions.part.jsonl` as they end. When all are there, it writes
/// `completions.jsonl` in the order of contestants, problems and samples.
package final class CompletionStore {
  let directory: String
  /// The completions of earlier runs.
  private(set) var saved: [CompletionRecord] = []
  private var journal: Int32 = -1

  private var settingsPath: String { directory + "/settings.json" }
  private var journalPath: String { directory + "/completions.part.jsonl" }
  /// The finished completions, in their order.
  var completionsPath: String { directory + "/completions.jsonl" }

  /// Opens or begins an evaluation in a directory, and reads what earlier runs saved.
  ///
  /// - Throws: `EvaluationError.otherSettings` if it holds completions of other settings; `.badFile` for damaged
  ///   ones; `.notWritten`.
  init(_ folder: EvaluationFolder, settings: EvaluationSettings, problems: [Problem]) throws {
    directory = folder.path
    let files = FileManager.default
    if files.fileExists(atPath: settingsPath) {
      let found = try JSON.parse(path: settingsPath).object ?? JSONObject([])
      let differences = settings.differences(from: found)
      guard differences.isEmpty else {
        throw EvaluationError.otherSettings(directory: directory, differences: differences)
      }
    } else {
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
    if journal < 0 { journal = unsafe open(journalPath, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666) }
    guard journal >= 0 else { throw notWritten(errno) }
    let bytes = Array((record.line + "\n").utf8)
    var done = 0
    while done < bytes.count {
      let code = writeSome(bytes, &done, to: journal)
      guard code == 0 else { throw notWritten(code) }
    }
  }

  private func notWritten(_ code: Int32) -> EvaluationError {
    .notWritten(file: journalPath, reason: systemErrorText(code))
  }

  deinit { if journal >= 0 { close(journal) } }

  /// Writes all completions in their order, whole or not at all, and removes the journal.
  func finish(_ records: [CompletionRecord]) throws {
    try Self.write(records.map { $0.line + "\n" }.joined(), to: completionsPath)
    if journal >= 0 { close(journal) }
    journal = -1
    try? FileManager.default.removeItem(atPath: journalPath)
  }

  /// Writes a file whole or not at all.
  static func write(_ text: String, to path: String) throws {
    try FileWriter.write(Array(text.utf8), to: path)
  }

  /// Reads records. Cuts off the unfinished line that a killed run may leave at a journal's end.
  package static func read(_ path: String, isJournal: Bool = false) throws -> [CompletionRecord] {
    let map = try MappedFile(path: path)
    var bytes = map.copy(0..<map.byteCount)
    let newline = UInt8(ascii: "\n")
    if isJournal, bytes.last != newline, !bytes.isEmpty {
      let whole = bytes.lastIndex(of: newline).map { $0 + 1 } ?? 0
      bytes.removeSubrange(whole...)
      guard unsafe truncate(path, off_t(whole)) == 0 else {
        throw EvaluationError.notWritten(file: path, reason: systemErrorText(errno))
      }
    }
    return try bytes.split(separator: newline, omittingEmptySubsequences: true).enumerated().map {
      number, line in
      let place = "line \(number + 1)"
      return try CompletionRecord(
        JSON.parse(Array(line), file: "\(path), \(place)"), file: path, place: place)
    }
  }
}
