import Foundation
import ModelFiles

/// Ends a run that would teach nothing, or whose numbers are wrong.
struct SignalCheck {
  let recipe: Recipe
  /// Whether the run continues although it may teach nothing.
  let isIgnored: Bool
  /// A sampler that is further off on average has another model.
  private static let mostMismatch = 1.0
  private var truncatedInRow = 0
  private var skippedInRow = 0

  init(_ recipe: Recipe, isIgnored: Bool) {
    self.recipe = recipe
    self.isIgnored = isIgnored
  }

  /// - Parameter step: the step that learns from these completions.
  /// - Throws: ``TrainerError`` when most completions are cut off, or a reward is the same for all of the first step.
  ///   One that is already as good as it gets, as a format that was learnt before, is none where another differs.
  mutating func check(_ rollout: Rollout, step: Int) throws(TrainerError) {
    if isIgnored { return }
    let flag = " Give --ignore-missing-signal to go on all the same."
    truncatedInRow = rollout.truncatedShare > 0.5 ? truncatedInRow + 1 : 0
    if rollout.truncatedShare > 0.5, step == 1 || truncatedInRow >= 3 {
      throw TrainerError(
        .noSignal, place: "step \(step)",
        found: "\(Int(100 * rollout.truncatedShare)) % of completions cut off at "
          + "\(recipe.maxCompletionLength) tokens",
        expected: "at most half", advice: "Raise max_completion_length." + flag)
    }
    guard step == 1 else { return }
    let values = rollout.values.map { $0.flatMap { $0 } }
    let isConstant = values.map { all in all.allSatisfy { $0 == all.first } }
    for (index, component) in recipe.rewards.enumerated() where isConstant[index] {
      let all = values[index]
      guard let first = all.first else { continue }
      if let first, first == component.kind?.best, isConstant.contains(false) { continue }
      let sample = rollout.texts.first?.first ?? ""
      throw TrainerError(
        .noSignal, place: "step 1: the reward " + component.name,
        found: "\(first.map { "\($0)" } ?? "undecided") for all \(all.count) completions",
        expected: "values that differ",
        advice: "A constant component teaches nothing. The first completion ended in: "
          + "\"\(sample.suffix(120).replacingOccurrences(of: "\n", with: "\\n"))\"." + flag)
    }
  }

  /// - Throws: ``TrainerError`` when sampler and trainer disagree, or three steps in a row were not made.
  mutating func check(_ metrics: UpdateMetrics, step: Int) throws(TrainerError) {
    skippedInRow = metrics.skipped == nil ? 0 : skippedInRow + 1
    if metrics.differingTokens > 0 {
      throw TrainerError(
        .notFinite, place: "step \(step)",
        found: "\(metrics.differingTokens) of \(metrics.checkedTokens) log-probabilities of the sampler "
          + "that differ from the trainer's",
        expected: "the same bits", advice: "This is a defect of the program; please report it.")
    }
    if let mismatch = metrics.mismatch, mismatch.mean > Self.mostMismatch {
      throw TrainerError(
        .server, place: "step \(step)",
        found:
          "log-probabilities of the servers that differ from the trainer's by \(mismatch.mean) on average",
        expected: "at most \(Self.mostMismatch)",
        advice:
          "They sample from something else. Compare base, adapter and tokenizer; a quantised base differs by "
          + "a tenth or so.")
    }
    if skippedInRow >= 3 {
      throw TrainerError(
        .notFinite, place: "step \(step)",
        found: "three steps in a row that could not be made (\(metrics.skipped ?? ""))",
        expected: "finite numbers",
        advice: "Lower learning_rate or max_grad_norm and go on from the last checkpoint.")
    }
  }
}
