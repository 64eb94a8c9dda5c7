import Foundation
import ModelFiles

/// A run's records beside its checkpoints: metrics, samples, marks, and lines for people.
struct RunJournal {
  let folder: RunFolder
  private var log: MetricsLog
  private(set) var marks = RunMarks()
  private(set) var transition = PhaseTransition()
  /// Steps with a score on the held-out problems.
  private(set) var evaluated: Set<Int> = []
  /// What was sent to other processes up to the last step, and how long that took.
  private var exchanged = (bytes: 0, seconds: 0.0)
  /// Receives one line a step.
  var onLine: (String) -> Void = { _ in }

  /// - Parameter step: the step after which the run continues; nil for a new run. Drops records of later steps.
  init(_ folder: RunFolder, goingOnAfter step: Int?) throws {
    self.folder = folder
    log = MetricsLog(folder: folder.path)
    // Before the first checkpoint, nothing stays.
    try log.cut(after: step ?? -1)
    guard step != nil else { return }
    marks = RunMarks(readFrom: folder.path)
    for line in MetricsLog.lines(folder.path + "/metrics.jsonl") { observe(line) }
  }

  /// Records a step.
  ///
  /// - Parameter traffic: bytes sent to other processes so far, and seconds in exchanges; nil without others.
  mutating func write(
    _ report: some StepRecord, traffic: (bytes: Int, seconds: Double)? = nil, line: String
  ) throws {
    let step = report.state.step
    if let why = report.metrics.skipped {
      onLine("step \(step): not made, because \(why); the adapter is as it was")
    }
    var values = report.values
    if let traffic {
      values.append(("speed/sent_megabytes", Double(traffic.bytes - exchanged.bytes) / 1e6))
      values.append(("speed/exchange_seconds", traffic.seconds - exchanged.seconds))
      exchanged = traffic
    }
    try log.write(step: step, values)
    if let rollout = report.sampled { try log.writeSamples(step: step, rollout) }
    observe(MetricsLog.Line(step: step, values: Dictionary(values) { $1 }))
    onLine(line)
  }

  /// Records a score on the held-out problems, and marks the best checkpoint.
  mutating func write(_ score: HeldOutScore, step: Int) throws {
    evaluated.insert(step)
    try log.write(step: step, [("eval/pass_at_1", score.pass), ("eval/format", score.format)])
    if score.pass > marks.bestPass, folder.steps.contains(step) {
      marks.best = step
      marks.bestPass = score.pass
      try folder.detach(step)
      try marks.write(folder.path)
    }
    onLine(
      String(
        format: "held out at step %d: Pass@1 %.1f %%, format %.1f %% (%d completions)", step,
        100 * score.pass, 100 * score.format, score.total))
  }

  /// Feeds the detector of the phase transition; after a resumption also with the earlier steps.
  private mutating func observe(_ line: MetricsLog.Line) {
    if line.values["eval/pass_at_1"] != nil { evaluated.insert(line.step) }
    guard let format = line.values["rewards/format_reward/mean"],
      let length = line.values["completions/mean_length"],
      transition.add(step: line.step, format: format, length: length), let turn = transition.turn
    else { return }
    marks.transition = turn
    marks.beforeTransition = folder.steps.last { $0 <= turn }
    try? marks.write(folder.path)
    if let step = marks.beforeTransition { try? folder.detach(step) }
    onLine("phase transition at step \(turn), certain at step \(line.step)")
  }
}
