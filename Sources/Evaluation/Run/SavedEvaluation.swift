import Foundation
public import Grading
import ModelFiles
public import Problems

/// A saved evaluation, read to be graded again. That needs no model.
public struct SavedEvaluation: Sendable {
  /// What was evaluated and how.
  public let settings: EvaluationSettings
  /// The problems that were asked.
  public let problems: [Problem]
  /// Every completion with its present verdict, in the order of contestants, problems and samples.
  public let records: [CompletionRecord]
  /// The number of verdicts that differ from the saved ones.
  public let changedVerdicts: Int

  /// Reads `settings.json`, `problems.jsonl` and `completions.jsonl`.
  ///
  /// - Throws: `EvaluationError.badFile` when completions are missing or damaged; `ProblemError`;
  ///   `ModelFilesError`.
  public init(directory: String, grader: Grader) throws {
    let path = directory + "/settings.json"
    guard let object = try JSON.parse(path: path).object else {
      throw EvaluationError.badFile(file: path, place: "", found: "no object", expected: "settings")
    }
    settings = try EvaluationSettings(object, file: path)
    problems = try ProblemFile(directory + "/problems.jsonl", for: .evaluation).problems
    let completions = directory + "/completions.jsonl"
    guard FileManager.default.fileExists(atPath: completions) else {
      throw EvaluationError.badFile(
        file: directory, place: "", found: "an evaluation that did not come to its end",
        expected: "completions.jsonl: run the same command again to finish it")
    }
    let saved = try CompletionStore.read(completions)
    let expected = settings.contestants.count * problems.count * settings.samples
    guard saved.count == expected else {
      throw EvaluationError.badFile(
        file: completions, place: "", found: "\(saved.count) completions", expected: "\(expected)")
    }
    records = Self.regraded(saved, problems: problems, grader: grader)
    changedVerdicts = zip(saved, records).count { $0.correct != $1.correct }
  }

  static func regraded(
    _ records: [CompletionRecord], problems: [Problem], grader: Grader
  ) -> [CompletionRecord] {
    let answers = Dictionary(problems.map { (Array($0.id.utf8), $0.answer) }) { first, _ in first }
    return records.map { record in
      var record = record
      if let answer = answers[Array(record.key.id.utf8)] ?? nil { record.grade(gold: answer, grader: grader) }
      return record
    }
  }
}
