import Evaluation
import Foundation
package import ModelFiles
import Trainer

/// What a run of a sweep came to: `result.json`. It holds no times, so the same run gives the same file.
package struct RunResult: Sendable {
  /// One evaluated checkpoint, or the base.
  package struct Score: Sendable {
    /// The checkpoint's step; nil for the base.
    package let step: Int?
    /// Samples of each problem.
    package let samples: Int
    /// For each problem the number of right samples.
    package let right: [Int]
    /// Shares of completions.
    package let format: Double
    package let truncated: Double
    package let meanTokens: Double

    package var passAt1: Double {
      Double(right.reduce(0, +)) / Double(max(samples * right.count, 1))
    }
  }

  package static let name = "result.json"

  /// The digest of the run's recipe.
  package let recipe: String
  /// The folder of the evaluation within the run's; nil if nothing was evaluated.
  package let evaluation: String?
  /// A digest of the problems that were asked; nil if nothing was evaluated.
  package var problems: String?
  package var last: Int?
  package var best: Int?
  package var transition: Int?
  package var beforeTransition: Int?
  package var scores: [Score] = []

  package init(recipe: String, evaluation: String?) {
    self.recipe = recipe
    self.evaluation = evaluation
  }

  /// The checkpoint that a choice means; nil where a run has none.
  package func step(_ choice: SweepEvaluation.Choice) -> Int? {
    switch choice {
    case .last, .all: last
    case .best: best
    case .beforeTransition: beforeTransition ?? last
    }
  }

  package func score(_ step: Int?) -> Score? { scores.first { $0.step == step } }

  // MARK: The file

  package var json: JSONObject {
    let number = { (value: Int?) in value.map { JSONValue($0) } ?? .null }
    let text = { (value: String?) in value.map { JSONValue.string($0) } ?? .null }
    return JSONObject([
      ("recipe_sha256", .string(recipe)), ("evaluation", text(evaluation)), ("problems", text(problems)),
      ("last", number(last)), ("best", number(best)), ("transition", number(transition)),
      ("before_transition", number(beforeTransition)),
      (
        "scores",
        .array(
          scores.map { score in
            .record([
              "step": number(score.step), "samples": JSONValue(score.samples),
              "pass_at_1": JSONValue(score.passAt1), "right": .array(score.right.map { JSONValue($0) }),
              "format": JSONValue(score.format), "truncated": JSONValue(score.truncated),
              "mean_tokens": JSONValue(score.meanTokens),
            ])
          })
      ),
    ])
  }

  /// Reads a run's result; nil if there is none, or none that is whole.
  package init?(of folder: String) {
    guard let object = (try? JSON.parse(path: folder + "/" + Self.name))?.object,
      let recipe = object["recipe_sha256"]?.string
    else { return nil }
    self.init(recipe: recipe, evaluation: object["evaluation"]?.string)
    problems = object["problems"]?.string
    last = object["last"]?.int
    best = object["best"]?.int
    transition = object["transition"]?.int
    beforeTransition = object["before_transition"]?.int
    for value in object["scores"]?.array ?? [] {
      guard let samples = value.object?["samples"]?.int, samples > 0,
        let right = value.object?["right"]?.array?.compactMap(\.int),
        right.allSatisfy({ (0...samples).contains($0) })
      else { return nil }
      let share = { (key: String) in value.object?[key]?.double ?? 0 }
      scores.append(
        Score(
          step: value.object?["step"]?.int, samples: samples, right: right, format: share("format"),
          truncated: share("truncated"), meanTokens: share("mean_tokens")))
    }
  }

  package func write(to folder: String) throws {
    try FileWriter.write(
      Array((JSONValue.object(json).text(indent: 1) + "\n").utf8), to: folder + "/" + Self.name)
  }
}

extension RunResult.Score {
  /// Reads an evaluation of one contestant.
  ///
  /// - Parameter folder: that of `tina eval`.
  package init(step: Int?, evaluation folder: String) throws {
    guard let settings = try JSON.parse(path: folder + "/settings.json").object else {
      throw SweepError(
        .run, file: folder + "/settings.json", found: "no object", expected: "an evaluation's settings")
    }
    let samples = try EvaluationSettings(settings, file: folder + "/settings.json").samples
    let records = try CompletionStore.read(folder + "/completions.jsonl")
    let count = Double(max(records.count, 1))
    let share = { (isCounted: (CompletionRecord) -> Bool) in Double(records.count(where: isCounted)) / count }
    self.init(
      step: step, samples: samples,
      right: stride(from: 0, to: records.count, by: samples).map { first in
        records[first..<min(first + samples, records.count)].count { $0.correct == true }
      },
      format: share(\.isWellFormed), truncated: share { $0.finishReason == "length" },
      meanTokens: Double(records.reduce(0) { $0 + $1.tokens }) / count)
  }
}
