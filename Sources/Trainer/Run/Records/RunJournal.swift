import Foundation
import ModelFiles

/// A run's records beside its checkpoints: metrics, samples, marks, and lines for people.
struct RunJournal {
  let folder: RunFolder
  private var log: MetricsLog
  private(set) var marks = RunMarks()
  private(set) var transition = PhaseTransition()
  private var advice: RunAdvice
  /// Steps with a score on the held-out problems.
  private(set) var evaluated: Set<Int> = []
  /// What was sent to other processes up to the last step, and how long that took.
  private var exchanged = (bytes: 0, seconds: 0.0)
  /// Receives one line a step.
  var onLine: (String) -> Void = { _ in }

  /// Drops records of steps after the one from which the run continues.
  ///
  /// - Parameters:
  ///   - advice: what has an eye on the run.
  ///   - step: the step after which the run continues; nil for a new run.
  init(_ folder: RunFolder, _ advice: RunAdvice, goingOnAfter step: Int?) throws {
    self.folder = folder
    self.advice = advice
    log = MetricsLog(folder: folder.path)
    // Before the first checkpoint, nothing stays.
    try log.cut(after: step ?? -1)
    guard step != nil else { return }
    marks = RunMarks(readFrom: folder.path)
    for note in MetricsLog.objects(folder.path + "/" + MetricsLog.notes) {
      if let kind = note["kind"]?.string.flatMap(RunAdvice.Kind.init(rawValue:)) { self.advice.skip(kind) }
    }
    for line in MetricsLog.lines(folder.path + "/metrics.jsonl") {
      observe(line)
      _ = self.advice.after(line.step, line.values)
    }
  }

  /// Remarks on a run that has not begun.
  ///
  /// - Returns: those that were not made before, for people.
  mutating func advise(_ remarks: (inout RunAdvice) -> [RunAdvice.Note]) throws -> [String] {
    let notes = remarks(&advice)
    try log.write(notes)
    return notes.map(\.text)
  }

  /// Records a step.
  ///
  /// - Parameters:
  ///   - traffic: bytes sent to other processes so far, and seconds in exchanges; nil without others.
  ///   - line: tells it to people.
  ///   - totals: what the run has taken so far.
  mutating func write(
    _ report: some StepRecord, traffic: (bytes: Int, seconds: Double)? = nil, line: String,
    totals: [(String, Double)]
  ) throws {
    let step = report.state.step
    if let why = report.metrics.skipped {
      onLine("step \(step): not made, because \(why); the adapter is as it was")
    }
    var values = report.values + totals
    if let traffic {
      values.append(("speed/sent_megabytes", Double(traffic.bytes - exchanged.bytes) / 1e6))
      values.append(("speed/exchange_seconds", traffic.seconds - exchanged.seconds))
      exchanged = traffic
    }
    try log.write(step: step, values)
    if let rollout = report.sampled { try log.writeSamples(step: step, rollout) }
    let all = Dictionary(values) { $1 }
    observe(MetricsLog.Line(step: step, values: all))
    onLine(line)
    let notes = advice.after(step, all)
    try log.write(notes)
    for note in notes { onLine("note: " + note.text) }
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
