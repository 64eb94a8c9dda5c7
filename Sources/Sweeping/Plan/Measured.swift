import Foundation
import ModelFiles
import Support
package import Trainer

/// What a step of a run took, from the metrics of a run that is there or of a trial.
struct Measured: Sendable {
  /// Where the numbers come from, for people.
  let source: String
  let secondsPerCompletion: Double
  let flopsPerCompletion: Double?
  let tokensPerCompletion: Double
  /// Tokens that the sampler drew in a second.
  let tokensPerSecond: Double

  /// Nil if the metrics hold no step.
  ///
  /// - Parameter completions: of a step.
  init?(run folder: String, completions: Int, source: String) {
    let lines = MetricsLog.lines(folder + "/metrics.jsonl").filter { $0.values["step_time"] != nil }
    guard let last = lines.last, let tokens = last.values["num_tokens"], tokens > 0 else { return nil }
    let sum = { (key: String) in lines.reduce(0) { $0 + ($1.values[key] ?? 0) } }
    let count = Double(lines.count * completions)
    self.source = source
    secondsPerCompletion = sum("step_time") / count
    let flops = RunCost(lines).flops
    flopsPerCompletion = flops.map { $0 / count }
    tokensPerCompletion = tokens / count
    // A run that samples nothing tells how fast it reads.
    let sampling = sum("speed/rollout_seconds") > 0 ? sum("speed/rollout_seconds") : sum("step_time")
    tokensPerSecond = tokens / max(sampling, 1e-6)
  }

  /// The run of a sweep that has most steps, or else a trial of one step.
  static func of(
    _ sweep: Sweep, trial: ChildProgram?, threads: Int, memory: Int?
  ) async throws -> Measured? {
    let folder = SweepFolder(sweep.output)
    let known = sweep.runs.compactMap { run -> (SweepRun, Int)? in
      guard let step = RunFolder(path: folder.run(run), seed: 0).steps.last else { return nil }
      return (run, step)
    }
    if let run = known.max(by: { $0.1 < $1.1 })?.0 {
      return Measured(
        run: folder.run(run), completions: try sweep.recipe(of: run).completionsPerStep,
        source: "measured in \(run.name)")
    }
    guard let trial, let run = sweep.runs.first else { return nil }
    let place = NSTemporaryDirectory() + "tina-trial-\(getpid())"
    TemporaryPaths.add(place)
    defer {
      try? FileManager.default.removeItem(atPath: place)
      TemporaryPaths.forget(place)
    }
    guard makeFolders(place) == 0 else { return nil }
    var words = sweep.training(run, into: place) + ["--stop-at", "1", "--set", "eval_dataset_path=null"]
    words += ["--threads", "\(threads)"]
    if !sweep.ignoresMissingSignal { words.append("--ignore-missing-signal") }
    if let memory { words += ["--memory", "\(Double(memory) / 1e9)"] }
    let log = place + "/train.log"
    let code = try await trial.run(words, log: log)
    guard code == 0 else {
      if trial.isStopping { return nil }
      throw SweepError(
        .run, file: run.name, place: "a trial of one step",
        found: "exit code \(code): " + ChildProgram.lines(log).joined(separator: " / "),
        expected: "a run that begins", advice: "Mend the recipe; --no-trial leaves the trial out.")
    }
    return Measured(
      run: place, completions: try sweep.recipe(of: run).completionsPerStep,
      source: "from a trial of one step of \(run.name)")
  }
}

/// What a run cost so far, by its metrics.
package struct RunCost: Sendable {
  /// Operations of forward and backward passes and of rollouts; nil for a run that did not count them.
  package let flops: Double?
  package let seconds: Double
  package let tokens: Double?

  /// - Parameter lines: of a run's metrics, in order.
  package init(_ lines: some Sequence<MetricsLog.Line>) {
    var (flops, seconds): (Double?, Double) = (nil, 0)
    var tokens: Double?
    for line in lines {
      seconds += line.values["step_time"] ?? 0
      if let step = Self.flops(line) { flops = (flops ?? 0) + step }
      tokens = line.values["num_tokens"] ?? tokens
    }
    (self.flops, self.seconds, self.tokens) = (flops, seconds, tokens)
  }

  /// The operations of one step.
  package static func flops(_ line: MetricsLog.Line) -> Double? { line.values["flops/step"] }
}
