import Foundation
package import ModelFiles
import Support
package import Trainer

/// What a sweep will do, and about how long that takes and what it costs.
package struct SweepPlan: Sendable {
  private let sweep: Sweep
  private let done: Int
  /// Of the runs to do.
  private let steps: Int
  private let completions: Int
  private let evaluated: Int
  private let heldOut: Int
  private let measured: Measured?

  /// - Parameters:
  ///   - trial: makes a step where no run is there to be measured; nil for no estimate then.
  ///   - problems: of the benchmark; nil if nothing is evaluated.
  package init(
    _ sweep: Sweep, problems: Int?, trial: ChildProgram?, threads: Int, memory: Int?
  ) async throws {
    self.sweep = sweep
    let folder = SweepFolder(sweep.output)
    var (done, steps, completions, evaluated, heldOut) = (0, 0, 0, 0, 0)
    let asked = (problems ?? 0) * (sweep.evaluation?.samples ?? 0)
    for run in sweep.runs {
      let recipe = try sweep.recipe(of: run)
      guard !folder.isDone(run, of: sweep, recipe: recipe) else {
        done += 1
        continue
      }
      let size = try recipe.plannedSize()
      let left = max(0, size.steps - (RunFolder(path: folder.run(run), seed: 0).steps.last ?? 0))
      steps += left
      completions += left * recipe.completionsPerStep
      heldOut +=
        size.heldOut * recipe.evalSamples * (left > 0 ? left / (recipe.evalSteps ?? size.steps) + 1 : 0)
      evaluated += asked * (sweep.evaluation?.checkpoints(of: size.steps / recipe.saveSteps) ?? 0)
    }
    if done < sweep.runs.count { evaluated += asked }
    (self.done, self.steps, self.completions) = (done, steps, completions)
    (self.evaluated, self.heldOut) = (evaluated, heldOut)
    measured =
      done == sweep.runs.count
      ? nil : try await Measured.of(sweep, trial: trial, threads: threads, memory: memory)
  }

  /// Runs to do.
  private var left: Int { sweep.runs.count - done }
  private var trainingSeconds: Double? { measured.map { $0.secondsPerCompletion * Double(completions) } }
  private var evaluationSeconds: Double? {
    measured.map { Double(evaluated + heldOut) * $0.tokensPerCompletion / max($0.tokensPerSecond, 1e-6) }
  }
  private var seconds: Double? { trainingSeconds.flatMap { a in evaluationSeconds.map { a + $0 } } }
  private var flops: Double? { measured?.flopsPerCompletion.map { $0 * Double(completions) } }
  private var dollars: Double? { seconds.flatMap { s in sweep.dollarsPerHour.map { s / 3600 * $0 } } }

  /// For people.
  package var text: String {
    let points = sweep.runs.count / sweep.seeds.count
    var lines = [
      "\(sweep.output): \(Self.count(sweep.runs.count, "run")) (\(Self.count(points, "point")) × "
        + "\(Self.count(sweep.seeds.count, "seed"))), \(done) done, \(left) to do"
        + (sweep.jobs > 1 ? ", \(sweep.jobs) side by side" : "")
    ]
    for axis in sweep.axes {
      let values = axis.points.map { $0.map { RecipeChange.text($0) }.joined(separator: " & ") }
      lines.append("  \(axis.keys.joined(separator: " & ")): \(values.joined(separator: ", "))")
    }
    lines.append("  seeds: \(sweep.seeds.map { String($0) }.joined(separator: ", "))")
    guard left > 0 else { return lines.joined(separator: "\n") }
    let about = { (seconds: Double?) in seconds.map { ", about " + Self.duration($0) } ?? "" }
    lines.append(
      "training: \(Self.count(steps, "step")), \(Self.count(completions, "completion"))"
        + about(trainingSeconds)
        + (flops.map { String(format: ", about %.2g FLOPs", $0) } ?? ""))
    if evaluated + heldOut > 0 {
      lines.append(
        "evaluation: \(Self.count(evaluated, "completion")) at the end, \(heldOut) on held-out problems"
          + about(evaluationSeconds))
    }
    if let seconds, let measured {
      let price = sweep.dollarsPerHour.flatMap { price in
        dollars.map { String(format: ", about $%.2f at $%g an hour", $0, price) }
      }
      lines.append(
        "together about \(Self.duration(seconds))\(price ?? "") (\(measured.source)"
          + (sweep.jobs > 1 ? "; runs side by side share the processors)" : ")"))
    } else {
      lines.append("the time is not known: no run is there to be measured, and no trial was made")
    }
    return lines.joined(separator: "\n")
  }

  package var json: JSONObject {
    let number = { (value: Double?) in value.map { JSONValue($0) } ?? .null }
    return JSONObject([
      ("output", .string(sweep.output)), ("runs", JSONValue(sweep.runs.count)), ("done", JSONValue(done)),
      ("steps", JSONValue(steps)), ("completions", JSONValue(completions)),
      ("evaluated_completions", JSONValue(evaluated + heldOut)),
      ("training_seconds", number(trainingSeconds)), ("evaluation_seconds", number(evaluationSeconds)),
      ("flops", number(flops)), ("dollars", number(dollars)),
      ("source", measured.map { .string($0.source) } ?? .null),
    ])
  }

  private static func count(_ value: Int, _ noun: String) -> String {
    "\(value.formatted(.number.grouping(.automatic).locale(Locale(identifier: "en_US")))) \(noun)"
      + (value == 1 ? "" : "s")
  }

  private static func duration(_ seconds: Double) -> String {
    let whole = Int(min(seconds, 1e9).rounded(.up))
    if whole < 60 { return "\(whole) s" }
    if whole < 3600 { return "\(whole / 60) min" }
    return String(format: "%.1f h", seconds / 3600)
  }
}

extension SweepEvaluation {
  var samples: Int { setting("samples").flatMap { Int($0) } ?? 1 }

  /// About how many checkpoints of a run are evaluated, of so many that are saved.
  func checkpoints(of saved: Int) -> Int {
    choices.contains(.all) ? max(saved, 1) : choices.count
  }
}

extension Sweep {
  /// Refuses a run that can't be, before any begins.
  package func check() throws(TrainerError) {
    for run in runs {
      let recipe = try recipe(of: run)
      if recipe.heldOutPath == nil, evaluation?.choices.contains(.best) ?? false {
        throw TrainerError(
          .recipe, place: path + ": evaluation: checkpoints",
          found: "best, for a recipe without held-out problems",
          expected: "eval_dataset_path and eval_steps in the recipe",
          advice: "The best checkpoint is the one that is best on them. Give them under set.")
      }
    }
  }
}
