import Foundation
import ModelFiles
package import Trainer

/// A run as its folder tells it, to be compared with others.
package struct RunRecord: Sendable {
  package let name: String
  package let folder: String
  /// The recipe's keys and values, as far as the folder tells them.
  package let settings: [String: String]
  package let seed: String
  package let lines: [MetricsLog.Line]
  package let cost: RunCost
  package let result: RunResult?
  package let last: Int
  package let best: Int?
  package let transition: Int?
  package let beforeTransition: Int?

  /// Keys that say nothing of what a run learns.
  private static let machinery: Set<String> = [
    "seed", "output_dir", "run_name", "stop_at_step", "hub_model_id", "save_total_limit", "logging_steps",
    "dollars_per_hour",
  ]

  /// - Throws: ``SweepError`` if the folder holds no run.
  package init(_ folder: String, name: String) throws(SweepError) {
    self.folder = folder
    self.name = name
    lines = MetricsLog.lines(folder + "/metrics.jsonl")
    guard !lines.isEmpty else {
      throw SweepError(
        .folder, file: folder, found: "no metrics.jsonl with steps",
        expected: "the folder of a run or of a sweep",
        advice: "Name folders that were given to tina train or tina sweep --output.")
    }
    let about = (try? JSON.parse(path: folder + "/about.json"))?.object ?? JSONObject([])
    let sweep = (try? JSON.parse(path: folder + "/run.json"))?.object
    var settings = Self.recipe(folder) ?? [:]
    if settings.isEmpty {
      for key in ["base", "data", "loss_type", "template", "system"] {
        settings[key] = about[key]?.string
      }
    }
    for (key, value) in sweep?["set"]?.object?.members.map({ ($0, $1) }) ?? [] {
      settings[key] = value.string
    }
    for key in ["model", "data"] { if let value = sweep?[key]?.string { settings[key] = value } }
    self.settings = settings.filter { !Self.machinery.contains($0.key) }
    seed = about["seed"]?.string ?? sweep?["seed"]?.int.map { String($0) } ?? "?"
    cost = RunCost(lines)
    result = RunResult(of: folder)
    let marks = RunMarks(allOf: folder)
    last = result?.last ?? lines.map(\.step).max() ?? 0
    (best, transition, beforeTransition) = (marks.best, marks.transition, marks.beforeTransition)
  }

  /// The recipe as the run keeps it.
  private static func recipe(_ folder: String) -> [String: String]? {
    let path = folder + "/recipe.yaml"
    guard FileManager.default.fileExists(atPath: path), let text = try? Recipe.text(path),
      let object = try? RecipeReader(yaml: text, path: path).all()
    else { return nil }
    return Dictionary(object.members.map { ($0, RecipeChange.text($1)) }) { $1 }
  }

  /// The base that was trained on, as the sweep or the run's recipe names it; for Pico empty or its path.
  package var model: String {
    (settings["model"] ?? settings["model_name_or_path"] ?? "").trimmingCharacters(in: ["\""])
  }

  /// The evaluated score of a choice of checkpoint.
  package func score(_ choice: SweepEvaluation.Choice) -> RunResult.Score? {
    result.flatMap { result in result.step(choice).flatMap { result.score($0) } }
  }
}
