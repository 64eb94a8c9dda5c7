import Foundation
import ModelFiles
import Support
import Trainer

/// Makes the runs of a sweep that its folder lacks, several side by side, each as a child of this program.
package final class SweepRunner: Sendable {
  /// How a sweep stands.
  package struct Progress: Sendable {
    package let done: Int
    package let total: Int
    /// What runs now, with the last line of each.
    package let running: [String]
  }

  /// A run that failed, with the last lines that it wrote.
  package struct Failure: Sendable {
    package let name: String
    package let text: String
  }

  private struct State: Sendable {
    var next = 0
    var done = 0
    /// This process's runs; nil before they are known.
    var total: Int?
    var running: [String: String] = [:]
    var failures: [Failure] = []
  }

  private let sweep: Sweep
  private let folder: SweepFolder
  private let children: ChildProgram
  private let threads: Int
  /// Bytes that all runs together may take; nil for what `tina train` takes.
  private let memory: Int?
  private let state = Locked(State())
  /// This process's number among those that share out the runs, and how many there are.
  private let rank: Int
  private let processes: Int
  private let onLine: @Sendable (String) -> Void

  /// - Parameters:
  ///   - threads: of all runs together.
  ///   - rank: this process's number among those that share out the runs.
  ///   - processes: how many these are.
  ///   - onLine: receives what happened, for people.
  package init(
    _ sweep: Sweep, children: ChildProgram, threads: Int, memory: Int?, rank: Int = 0, of processes: Int = 1,
    onLine: @escaping @Sendable (String) -> Void
  ) {
    (self.rank, self.processes) = (rank, processes)
    self.sweep = sweep
    folder = SweepFolder(sweep.output)
    self.children = children
    self.threads = max(1, threads / sweep.jobs)
    self.memory = memory
    self.onLine = onLine
  }

  package var progress: Progress {
    state.withLock { state in
      let running = state.running.sorted { $0.key < $1.key }.map { name, log in
        name + (ChildProgram.lastLine(log).map { ": " + $0 } ?? "")
      }
      return Progress(done: state.done, total: state.total ?? sweep.runs.count, running: running)
    }
  }

  /// Runs to the end, or to a request to stop.
  ///
  /// - Returns: the runs that failed. The others are done, unless the children were stopped.
  package func run() async throws -> [Failure] {
    let runs = sweep.runs
    if rank == 0 { try folder.note(sweep) }
    let bases = sweep.evaluation == nil ? [] : try bases(of: runs)
    let total = runs.indices.count { ($0 + bases.count) % processes == rank }
    state.withLock { $0.total = total }
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      for _ in 0..<sweep.jobs {
        tasks.addTask { [self] in
          while !children.isStopping {
            let turn = state.withLock { state in
              state.next += 1
              return state.next - 1
            }
            let number = turn * processes + rank
            if number < bases.count {
              try await evaluateBase(bases[number])
            } else if number - bases.count < runs.count {
              try await make(runs[number - bases.count])
            } else {
              return
            }
          }
        }
      }
      try await tasks.waitForAll()
    }
    return state.withLock { $0.failures }
  }

  // MARK: One run

  private func make(_ run: SweepRun) async throws {
    let recipe = try sweep.recipe(of: run)
    let path = folder.run(run)
    if folder.isDone(run, of: sweep, recipe: recipe) {
      state.withLock { $0.done += 1 }
      return
    }
    try folder.open(run, of: sweep, recipe: recipe)
    var words = sweep.training(run, into: path) + ["--threads", String(threads)]
    // Side by side, none may take what is free for all.
    let share = memory ?? (sweep.jobs > 1 ? MachineMemory.total / 10 * 6 : nil)
    if let share { words += ["--memory", "\(Double(share / sweep.jobs) / 1e9)"] }
    let isTrained = try await child(run.name, words, in: path, log: path + "/train.log")
    guard isTrained else { return }
    var result = result(path, recipe)
    if let evaluation = sweep.evaluation {
      let folder = path + "/" + evaluation.folderName
      for step in SweepFolder.wanted(evaluation, result, path) {
        let adapter = RunFolder(path: path, seed: run.seed).adapter(step)
        let name = "checkpoint-\(step)"
        guard
          let score = try await score(
            run.name, recipe, evaluation, step, (name, adapter), folder + "/" + name, path + "/evaluation.log"
          )
        else { return }
        result.scores.append(score)
        result.problems = Self.problems(folder + "/" + name)
      }
    }
    try result.write(to: path)
    state.withLock { $0.done += 1 }
    let told = result.score(result.last).map { String(format: ", Pass@1 %.1f %%", 100 * $0.passAt1) } ?? ""
    onLine("\(run.name): done at step \(result.last ?? 0)\(told)")
  }

  private func result(_ path: String, _ recipe: Recipe) -> RunResult {
    var result = RunResult(recipe: recipe.digest, evaluation: sweep.evaluation?.folderName)
    let marks = RunMarks(allOf: path)
    result.last = RunFolder(path: path, seed: recipe.seed).steps.last
    result.best = marks.best
    result.transition = marks.transition
    result.beforeTransition = marks.beforeTransition
    return result
  }

  /// The recipes whose bases are evaluated, one for each base.
  private func bases(of runs: [SweepRun]) throws -> [Recipe] {
    var models: [String: Recipe] = [:]
    for run in runs {
      let recipe = try sweep.recipe(of: run)
      if models[recipe.model] == nil { models[recipe.model] = recipe }
    }
    return models.sorted { $0.key < $1.key }.map(\.value)
  }

  private func evaluateBase(_ recipe: Recipe) async throws {
    guard let evaluation = sweep.evaluation else { return }
    let path = folder.path + "/" + SweepFolder.base(recipe.model)
    if let result = RunResult(of: path), result.evaluation == evaluation.folderName { return }
    let code = makeFolders(path)
    guard code == 0 else { throw SweepFolder.unwritable(path, "mkdir: " + systemErrorText(code)) }
    let into = path + "/" + evaluation.folderName
    guard
      let score = try await score(
        SweepFolder.base(recipe.model), recipe, evaluation, nil, nil, into, path + "/evaluation.log")
    else { return }
    var result = RunResult(recipe: "", evaluation: evaluation.folderName)
    result.scores = [score]
    result.problems = Self.problems(into)
    try result.write(to: path)
    onLine(String(format: "%@: Pass@1 %.1f %%", SweepFolder.base(recipe.model), 100 * score.passAt1))
  }

  private static func problems(_ evaluation: String) -> String? {
    (try? JSON.parse(path: evaluation + "/settings.json"))?.object?["problems"]?.string
  }

  /// Evaluates, unless that is done. Nil if it failed or was stopped.
  private func score(
    _ name: String, _ recipe: Recipe, _ evaluation: SweepEvaluation, _ step: Int?,
    _ adapter: (String, String)?, _ into: String, _ log: String
  ) async throws -> RunResult.Score? {
    // The page is the last file that an evaluation writes.
    if !FileManager.default.fileExists(atPath: into + "/report.html") {
      let words = sweep.evaluating(evaluation, recipe, adapter: adapter, into: into)
      guard try await child(name, words + ["--threads", String(threads)], in: into, log: log) else {
        return nil
      }
    }
    return try RunResult.Score(step: step, evaluation: into)
  }

  /// Runs a child in a folder. False if it was stopped, or failed, which is noted.
  private func child(
    _ name: String, _ words: [String], in folder: String, log: String
  ) async throws -> Bool {
    try await waitUntilFree(folder)
    state.withLock { $0.running[name] = log }
    defer { state.withLock { _ = $0.running.removeValue(forKey: name) } }
    let code = try await children.run(words, log: log)
    if children.isStopping { return false }
    guard code != 0 else { return true }
    let text =
      ChildProgram.lines(log).joined(separator: "\n")
      + "\n(exit code \(code) of tina \(words[0]); its whole output is in \(log))"
    state.withLock { $0.failures.append(Failure(name: name, text: text)) }
    onLine("\(name): failed")
    return false
  }

  /// A child of a sweep that was killed ends a moment after it; until then it has its folder.
  private func waitUntilFree(_ path: String) async throws {
    guard FileManager.default.fileExists(atPath: path) else { return }
    for attempt in 0... {
      do throws(FolderLock.Failure) {
        _ = try FolderLock(file: path + "/" + FolderLock.name, purpose: "tina sweep")
        return
      } catch {
        guard case .held(let holder) = error else { return }
        guard attempt < 100 else {
          throw SweepError(
            .folder, file: path, found: "a run that goes on in it (\(holder))",
            expected: "a folder that no other process works in",
            advice: "Wait for that run, or name another folder with --output.")
        }
      }
      try await Task.sleep(for: .milliseconds(200))
    }
  }
}

extension SweepFolder {
  /// The folders that may hold the evaluation of a run's base: a run's own recipe names Pico by its path, the sweep by
  /// its name.
  static func bases(_ model: String) -> [String] {
    let own = base(model)
    return own != base && NSString(string: model).lastPathComponent == "pico" ? [own, base] : [own]
  }

  /// The folder of a base's evaluation.
  static func base(_ model: String) -> String {
    model.isEmpty || model == "pico"
      ? base : base + "=" + FolderName.part(NSString(string: model).lastPathComponent)
  }
}
