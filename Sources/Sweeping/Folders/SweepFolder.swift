import Foundation
package import ModelFiles
package import Processes
package import Support
package import Trainer

/// A sweep's folder: one folder for each run, named after what it varies, and `sweep.json`.
package struct SweepFolder: Sendable {
  package static let name = "sweep.json"
  /// The base's place among the runs.
  package static let base = "base"

  package let path: String

  package init(_ path: String) { self.path = path }

  package func run(_ run: SweepRun) -> String { path + "/" + run.name }

  /// Keeps other sweeps out.
  ///
  /// - Throws: ``SweepError`` that tells who works in it.
  package func lock() throws(SweepError) -> FolderLock {
    let code = makeFolders(path)
    guard code == 0 else { throw Self.unwritable(path, "mkdir: " + systemErrorText(code)) }
    do throws(FolderLock.Failure) {
      return try FolderLock(file: path + "/" + FolderLock.name, purpose: "tina sweep")
    } catch {
      switch error {
      case .held(let holder):
        throw SweepError(
          .folder, file: path, found: "a sweep that goes on in it (\(holder))",
          expected: "a folder that no other process works in",
          advice: "Wait for that sweep, or name another folder with --output.")
      case .system(let call, let code): throw Self.unwritable(path, call + ": " + systemErrorText(code))
      }
    }
  }

  /// Tests that the first of several processes and this one see the same folder.
  package func checkShared(with processes: any ProcessGroup) throws {
    let file = path + "/" + FolderLock.name
    guard processes.count > 1, !FileManager.default.fileExists(atPath: file) else { return }
    throw SweepError(
      .folder, file: file, found: "nothing", expected: "the first process's lock",
      advice:
        "All processes of a sweep write into its folder: name one that every machine sees with --output.")
  }

  static func unwritable(_ path: String, _ found: String) -> SweepError {
    SweepError(
      .unwritable, file: path, found: found, expected: "to write a sweep's files",
      advice: "Check the folder, its permissions and the disk.")
  }

  static func write(_ object: JSONObject, to path: String) throws {
    try FileWriter.write(Array((JSONValue.object(object).text(indent: 1) + "\n").utf8), to: path)
  }

  /// What a run is: `run.json`.
  package static func about(_ run: SweepRun, of sweep: Sweep, recipe: Recipe) -> JSONObject {
    let text = { (value: String?) in value.map { JSONValue.string($0) } ?? .null }
    let all =
      sweep.changes.map { ($0.key, JSONValue.string($0.value)) }
      + run.values.map { ($0.key, JSONValue.string(RecipeChange.text($0.value))) }
    return JSONObject([
      ("recipe", .string(sweep.recipe)), ("recipe_sha256", .string(recipe.digest)),
      ("model", text(sweep.model)), ("data", text(sweep.data)), ("seed", .number(String(run.seed))),
      ("varied", .object(JSONObject(run.values.map { ($0.key, .string(RecipeChange.text($0.value))) }))),
      ("set", .object(JSONObject(all.map { (key: $0.0, value: $0.1) }))),
      (
        "command",
        .array((["tina"] + sweep.training(run, into: ".")).map { .string($0) })
      ),
    ])
  }

  /// Begins a run's folder, or checks that it holds this run.
  ///
  /// - Throws: ``SweepError`` if it holds another one.
  package func open(_ run: SweepRun, of sweep: Sweep, recipe: Recipe) throws {
    let folder = self.run(run)
    let code = makeFolders(folder)
    guard code == 0 else { throw Self.unwritable(folder, "mkdir: " + systemErrorText(code)) }
    let about = Self.about(run, of: sweep, recipe: recipe)
    let file = folder + "/run.json"
    guard FileManager.default.fileExists(atPath: file) else { return try Self.write(about, to: file) }
    let found = try JSON.parse(path: file).object ?? JSONObject([])
    for key in ["recipe_sha256", "model", "data", "seed"] where (found[key] ?? .null) != about[key] {
      let what = key == "recipe_sha256" ? "recipe" : key
      throw SweepError(
        .folder, file: file, place: key, found: "a run of another \(what), \((found[key] ?? .null).summary)",
        expected: (about[key] ?? .null).summary,
        advice: "Name another folder with --output, or remove \(folder) to make the run anew.")
    }
  }

  /// Whether a run is done: trained, and evaluated as the sweep asks.
  package func isDone(_ run: SweepRun, of sweep: Sweep, recipe: Recipe) -> Bool {
    guard let result = RunResult(of: self.run(run)) else { return false }
    return result.recipe == recipe.digest && isEvaluated(result, self.run(run), sweep)
  }

  private func isEvaluated(_ result: RunResult, _ folder: String, _ sweep: Sweep) -> Bool {
    guard let evaluation = sweep.evaluation else { return true }
    return result.evaluation == evaluation.folderName
      && Self.wanted(evaluation, result, folder).allSatisfy { result.score($0) != nil }
  }

  /// The steps that are to be evaluated.
  static func wanted(_ evaluation: SweepEvaluation, _ result: RunResult, _ folder: String) -> [Int] {
    var steps: Set<Int> = []
    for choice in evaluation.choices {
      if choice == .all { steps.formUnion(RunFolder(path: folder, seed: 0).steps) }
      if let step = result.step(choice) { steps.insert(step) }
    }
    return steps.sorted()
  }

  /// Notes what the sweep asks now, for its report.
  package func note(_ sweep: Sweep) throws {
    let axes = sweep.axes.map { axis in
      JSONValue.record([
        "keys": .array(axis.keys.map { .string($0) }),
        "points": .array(
          axis.points.map { .array($0.map { .string(RecipeChange.text($0)) }) }),
      ])
    }
    var members: [(key: String, value: JSONValue)] = [
      ("recipe", .string(sweep.recipe)), ("axes", .array(axes)),
      ("seeds", .array(sweep.seeds.map { .number(String($0)) })),
      ("runs", .array(sweep.runs.map { .string($0.name) })),
      (
        "evaluation",
        sweep.evaluation.map { evaluation in
          .object(
            JSONObject(
              evaluation.settings.map { ($0.key, .string($0.value)) } + [
                ("checkpoints", .array(evaluation.choices.map { .string($0.rawValue) })),
                ("folder", .string(evaluation.folderName)),
              ]))
        } ?? .null
      ),
    ]
    if let price = sweep.dollarsPerHour { members.append(("dollars_per_hour", JSONValue(price))) }
    try Self.write(JSONObject(members), to: path + "/" + Self.name)
  }
}

extension Sweep {
  /// What `tina` is told to train a run.
  package func training(_ run: SweepRun, into folder: String) -> [String] {
    var words = ["train", recipe, "--output", folder, "--seed", String(run.seed)]
    for change in changes(of: run) { words += ["--set", change.argument] }
    if let model { words += ["--model", model] }
    if let data { words += ["--data", data] }
    if let dollarsPerHour { words += ["--dollars-per-hour", "\(dollarsPerHour)"] }
    if ignoresMissingSignal { words.append("--ignore-missing-signal") }
    if untilTransition { words.append("--until-transition") }
    return words
  }

  /// What `tina` is told to evaluate a checkpoint of a run, or its base.
  func evaluating(
    _ evaluation: SweepEvaluation, _ recipe: Recipe, adapter: (name: String, path: String)?,
    into folder: String
  ) -> [String] {
    var words = ["eval"]
    if !recipe.model.isEmpty, recipe.model != "pico" { words.append(recipe.model) }
    if let adapter { words += ["--no-base", "--adapter", adapter.name + "=" + adapter.path] }
    words += ["--activations", recipe.activations.rawValue, "--out", folder]
    return words + evaluation.arguments
  }
}
