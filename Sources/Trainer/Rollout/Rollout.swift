import Foundation
import Grading
import TinaRuntime
import Tokenization

/// The completions of a step and what they earned.
struct Rollout {
  var groups: [ScoredGroup] = []
  var texts: [[String]] = []
  var problems: [Problem] = []
  /// `[component][group][completion]`
  var values: [[[Double?]]] = []
  var tokens = 0
  /// How long sampling and scoring took.
  var seconds = 0.0

  var lengths: [Int] { groups.flatMap { $0.completions.map(\.count) } }
  var truncated: [Bool] { groups.flatMap(\.isTruncated) }
  var truncatedShare: Double {
    let all = truncated
    return Double(all.count { $0 }) / Double(max(all.count, 1))
  }
}

extension TrainingRun {
  /// Samples the groups of the next step from the live adapter and scores them.
  func rollOut() async throws -> Rollout {
    let attached = try parameters.attach(to: model, step: state.step)
    let count = recipe.promptsPerStep
    let first = state.step / recipe.iterations * count
    var rollout = Rollout()
    var requests: [GenerationRequest] = []
    var epoch = -1
    var order: [Int] = []
    for place in first..<first + count {
      if place / problems.problems.count != epoch {
        epoch = place / problems.problems.count
        order = problems.order(epoch: epoch, seed: recipe.seed)
      }
      let problem = problems.problems[order[place % problems.problems.count]]
      rollout.problems.append(problem)
      requests.append(request(problem, attached, promptIndex: place))
    }
    rollout.values = reward.components.map { _ in [] }
    let all = try await source.complete(requests, samples: recipe.generations)
    for (g, completions) in all.enumerated() {
      let prompt = requests[g].prompt
      let texts = completions.map { builder.text($0.ids) }
      let values = score(texts, completions.map(\.ids.count), rollout.problems[g])
      for (i, row) in values.enumerated() { rollout.values[i].append(row) }
      rollout.texts.append(texts)
      rollout.tokens += prompt.count + completions.reduce(0) { $0 + $1.ids.count }
      rollout.groups.append(
        ScoredGroup(
          prompt: prompt, completions: completions.map(\.ids),
          isTruncated: completions.map { $0.reason != .stop },
          rewards: reward.totals(values),
          sampled: sampled(completions)))
    }
    return rollout
  }

  /// What the sampler said of its tokens under the loss's temperature; nil from a source that does not tell.
  private func sampled(_ completions: [CompletedText]) -> [[Float]]? {
    let said = completions.map { recipe.scalesLogits ? $0.temperedLogProbabilities : $0.logProbabilities }
    return zip(said, completions).allSatisfy { $0.count == $1.ids.count } ? said : nil
  }

  private func request(_ problem: Problem, _ adapter: AttachedAdapter, promptIndex: Int) -> GenerationRequest
  {
    GenerationRequest(
      prompt: builder.prompt(problem), adapter: adapter, sampling: recipe.sampling,
      maxTokens: recipe.maxCompletionLength, stopTokens: builder.stopTokens,
      allowedTokens: builder.tokenizer.idCount, promptIndex: promptIndex)
  }

  /// `[component][completion]`
  private func score(_ texts: [String], _ tokens: [Int], _ problem: Problem) -> [[Double?]] {
    let needsAnswer = reward.components.contains { $0.kind.needsAnswer }
    let gold = needsAnswer ? problem.gold.map { grader.prepare(gold: $0) } : nil
    return reward.values(
      zip(texts, tokens).map { text, count in
        RewardInput(
          text: text, gold: problem.gold, tokens: count,
          isCorrect: gold.flatMap { grader.grade($0, prediction: text).isEqual })
      })
  }

  /// Pass@1 and format rate on the held-out problems under the live adapter; marks the best checkpoint.
  func evaluateHeldOut() async throws {
    guard let heldOut else { return }
    let attached = try parameters.attach(to: model, step: state.step)
    var correct = 0
    var formatted = 0
    var total = 0
    let requests = heldOut.problems.enumerated().map { index, problem in
      request(problem, attached, promptIndex: 1 << 30 | index)
    }
    let all = try await source.complete(requests, samples: recipe.evalSamples)
    for (problem, completions) in zip(heldOut.problems, all) {
      for completion in completions {
        let text = builder.text(completion.ids)
        total += 1
        if let gold = problem.gold, grader.grade(gold: gold, prediction: text).isEqual == true {
          correct += 1
        }
        if TextRewards.format(text) == 1 { formatted += 1 }
      }
    }
    let pass = Double(correct) / Double(max(total, 1))
    let format = Double(formatted) / Double(max(total, 1))
    try log.write(step: state.step, [("eval/pass_at_1", pass), ("eval/format", format)])
    if pass > marks.bestPass, Checkpoint.steps(in: options.output).contains(state.step) {
      marks.best = state.step
      marks.bestPass = pass
      try Checkpoint.detach(state.step, initialSeed: recipe.seed, run: options.output)
      try marks.write(options.output)
    }
    onLine(
      String(
        format: "held out at step %d: Pass@1 %.1f %%, format %.1f %% (%d completions)", state.step,
        100 * pass,
        100 * format, total))
  }
}
