import Foundation
public import Grading
public import Judging
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
  private let savedVerdicts: [Bool?]

  /// Reads `settings.json`, `problems.jsonl` and `completions.jsonl`. Verdicts of a command stay as they are.
  ///
  /// - Throws: `EvaluationError.badFile` when completions are missing or damaged; `ProblemError`;
  ///   `ModelFilesError`.
  public init(directory: String, grader: Grader) throws {
    let path = directory + "/settings.json"
    guard let object = try JSON.parse(path: path).object else {
      throw EvaluationError.badFile(file: path, place: "", found: "no object", expected: "settings")
    }
    settings = try EvaluationSettings(object, file: path)
    problems = try ProblemFile(directory + "/problems.jsonl", for: .evaluation, keepsColumns: true).problems
      .map { problem in
        var problem = problem
        problem.columns = problem.columns?["columns"]?.object
        return problem
      }
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
    records = Self.regraded(saved, problems: problems, grader: grader, keepsVerdicts: settings.grader != nil)
    savedVerdicts = saved.map(\.correct)
    changedVerdicts = zip(saved, records).count { $0.correct != $1.correct }
  }

  private init(
    _ old: SavedEvaluation, _ settings: EvaluationSettings, _ records: [CompletionRecord]
  ) {
    self.settings = settings
    self.records = records
    problems = old.problems
    savedVerdicts = old.savedVerdicts
    changedVerdicts = zip(old.savedVerdicts, records).count { $0 != $1.correct }
  }

  /// The same completions with the verdicts of a command, and settings that name it.
  ///
  /// - Throws: `JudgeError`.
  public func judged(by judge: Judge) async throws -> SavedEvaluation {
    let byID = Dictionary(problems.map { (Array($0.id.utf8), $0) }) { first, _ in first }
    var judged = records
    let known = records.indices.filter { byID[Array(records[$0].key.id.utf8)] != nil }
    let answers = known.compactMap { index in
      byID[Array(records[index].key.id.utf8)].map { AnsweredProblem(record: records[index], problem: $0) }
    }
    for (index, verdict) in zip(known, try await judge.verdicts(answers)) { judged[index].correct = verdict }
    var settings = settings
    settings.grader = judge.command.identity
    return SavedEvaluation(self, settings, judged)
  }

  /// - Parameter keepsVerdicts: whether only what was found in completions is read again.
  static func regraded(
    _ records: [CompletionRecord], problems: [Problem], grader: Grader, keepsVerdicts: Bool = false
  ) -> [CompletionRecord] {
    let answers = Dictionary(problems.map { (Array($0.id.utf8), $0.answer) }) { first, _ in first }
    return records.map { record in
      var record = record
      let verdict = record.correct
      if let answer = answers[Array(record.key.id.utf8)] ?? nil { record.grade(gold: answer, grader: grader) }
      if keepsVerdicts { record.correct = verdict }
      return record
    }
  }
}
