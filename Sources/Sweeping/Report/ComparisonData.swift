import Evaluation
import Foundation
package import ModelFiles

/// Many runs as data: an object with everything, and a table with a line for each run and checkpoint.
package struct ComparisonData {
  private let comparison: RunComparison

  package init(_ comparison: RunComparison) { self.comparison = comparison }

  private static func number(_ value: Double?) -> JSONValue {
    value.flatMap { $0.isFinite ? JSONValue($0) : nil } ?? .null
  }
  private static func number(_ value: Int?) -> JSONValue { value.map { JSONValue($0) } ?? .null }
  private static func estimate(_ estimate: Estimate) -> JSONValue {
    .record([
      "pass_at_1": number(estimate.value), "standard_error": number(estimate.standardError),
      "interval_95": .array([number(estimate.low), number(estimate.high)]),
    ])
  }

  private func settings(_ values: [String]) -> JSONValue {
    .object(JSONObject(zip(comparison.keys, values).map { ($0, .string($1)) }))
  }

  package var json: JSONObject {
    JSONObject([
      ("title", .string(comparison.title)), ("differs", .array(comparison.keys.map { .string($0) })),
      ("dollars_per_hour", Self.number(comparison.dollarsPerHour)),
      ("base", comparison.base.map { Self.estimate($0.estimate) } ?? .null),
      (
        "arms",
        .array(
          comparison.arms.map { arm in
            .record([
              "settings": settings(arm.values), "seeds": .array(arm.runs.map { .string($0.seed) }),
              "scores": .object(
                JSONObject(
                  comparison.choices.compactMap { choice in
                    arm.scores[choice].map { (choice.rawValue, Self.estimate($0.estimate)) }
                  })),
              "training_flops": Self.number(arm.mean { $0.cost.flops }),
              "training_seconds": Self.number(arm.mean { $0.cost.seconds }),
              "dollars": Self.number(arm.mean { comparison.dollars($0) }),
              "transitions": .array(arm.runs.map { Self.number($0.transition) }),
            ])
          })
      ),
      (
        "comparisons",
        .array(
          comparison.pairs.map { pair in
            let found = pair.comparison
            return .record([
              "first": .string(pair.first), "second": .string(pair.second),
              "checkpoint": .string(pair.choice.rawValue), "verdict": .string(found.verdict.rawValue),
              "difference": Self.number(found.difference.value),
              "interval_95": .array([Self.number(found.difference.low), Self.number(found.difference.high)]),
              "remedy": .string(found.remedy),
            ])
          })
      ),
      (
        "runs",
        .array(
          comparison.arms.flatMap { arm in
            arm.runs.map { run in
              .record([
                "name": .string(run.name), "settings": settings(arm.values), "seed": .string(run.seed),
                "last_step": Self.number(run.last), "best_step": Self.number(run.best),
                "transition_step": Self.number(run.transition),
                "before_transition_step": Self.number(run.beforeTransition),
                "tokens": Self.number(run.cost.tokens), "training_flops": Self.number(run.cost.flops),
                "training_seconds": Self.number(run.cost.seconds),
                "dollars": Self.number(comparison.dollars(run)),
              ])
            }
          })
      ),
    ])
  }

  /// Lines as RFC 4180 has them, with names in the first.
  package var csv: String {
    let head =
      ["run"] + comparison.keys + [
        "seed", "checkpoint", "step", "pass_at_1", "format", "truncated", "mean_tokens", "problems",
        "samples",
        "transition_step", "tokens", "training_flops", "training_seconds", "dollars",
      ]
    var rows = [head]
    for arm in comparison.arms {
      for run in arm.runs {
        let text = { (value: Double?) in value.map { "\($0)" } ?? "" }
        let common = [run.name] + arm.values + [run.seed]
        let costs = [
          run.transition.map { String($0) } ?? "", text(run.cost.tokens), text(run.cost.flops),
          text(run.cost.seconds),
          text(comparison.dollars(run)),
        ]
        var scores: [(String, RunResult.Score)] = comparison.choices.compactMap { choice in
          run.score(choice).map { (choice.rawValue, $0) }
        }
        let named = Set(scores.compactMap(\.1.step))
        for score in run.result?.scores ?? [] where score.step.map({ !named.contains($0) }) ?? false {
          scores.append(("", score))
        }
        if scores.isEmpty { rows.append(common + ["last", "\(run.last)", "", "", "", "", "", ""] + costs) }
        for (name, score) in scores {
          rows.append(
            common + [
              name, score.step.map { String($0) } ?? "", "\(score.passAt1)", "\(score.format)",
              "\(score.truncated)",
              "\(score.meanTokens)", "\(score.right.count)", "\(score.samples)",
            ] + costs)
        }
      }
    }
    return rows.map { $0.map(Self.field).joined(separator: ",") + "\r\n" }.joined()
  }

  private static func field(_ text: String) -> String {
    let needsQuotes = text.utf8.contains { [44, 34, 10, 13].contains($0) }
    return needsQuotes ? "\"" + text.replacingOccurrences(of: "\"", with: "\"\"") + "\"" : text
  }
}
