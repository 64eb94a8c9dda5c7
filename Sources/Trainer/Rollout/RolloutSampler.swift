import Grading
import Problems
import Support
import TinaRuntime
import Tokenization

/// Samples completions of problems under the adapter that is trained, and scores them.
struct RolloutSampler {
  let recipe: Recipe
  let builder: PromptBuilder
  let source: any CompletionSource
  private let reward: RewardFunction
  private let grader = Grader()

  init(_ recipe: Recipe, _ builder: PromptBuilder, _ source: any CompletionSource) {
    self.recipe = recipe
    self.builder = builder
    self.source = source
    reward = RewardFunction(recipe.rewards, settings: recipe.rewardSettings)
  }

  /// Samples and scores the groups of a rollout.
  ///
  /// With dynamic sampling, groups whose rewards are all equal are left out, and further problems are asked in their
  /// place, as DAPO does. What is still missing after the recipe's number of rounds is filled with such groups.
  ///
  /// - Parameter first: the place of the rollout's first problem within the run.
  func sample(_ set: ProblemSet, from first: Int, _ adapter: AttachedAdapter) async throws -> Rollout {
    let start = ContinuousClock.now
    let wanted = recipe.promptsPerStep
    var rollout = Rollout(reward.components.count)
    guard recipe.refillsGroups else {
      rollout = try await sample(set, first..<first + wanted, adapter)
      rollout.seconds = (ContinuousClock.now - start).inSeconds
      return rollout
    }
    var flat = Rollout(reward.components.count)
    for _ in 0..<recipe.maxSamplingRounds where rollout.groups.count < wanted {
      let place = first + rollout.asked
      let more = try await sample(set, place..<place + wanted - rollout.groups.count, adapter)
      for g in more.groups.indices {
        if Advantages.deviation(more.groups[g].rewards) < 1e-8 {
          flat.append(more, g)
        } else {
          rollout.append(more, g)
        }
      }
      rollout.tokens += more.tokens
      rollout.asked += more.asked
    }
    for g in flat.groups.indices.prefix(wanted - rollout.groups.count) { rollout.append(flat, g) }
    rollout.seconds = (ContinuousClock.now - start).inSeconds
    return rollout
  }

  /// Samples and scores the groups of the problems at some places of the run.
  private func sample(
    _ set: ProblemSet, _ places: Range<Int>, _ adapter: AttachedAdapter
  ) async throws -> Rollout {
    var rollout = Rollout(reward.components.count)
    rollout.asked = places.count
    rollout.problems = set.problems(at: places, seed: recipe.seed)
    let requests = try zip(places, rollout.problems).map { try request($1, adapter, promptIndex: $0) }
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
          isTruncated: completions.map { $0.reason != .stop }, rewards: reward.totals(values),
          sampled: sampled(completions)))
    }
    return rollout
  }

  /// The sampler's log-probabilities under the loss's temperature; nil when the source tells none.
  private func sampled(_ completions: [CompletedText]) -> [[Float]]? {
    let said = completions.map { recipe.scalesLogits ? $0.temperedLogProbabilities : $0.logProbabilities }
    return zip(said, completions).allSatisfy { $0.count == $1.ids.count } ? said : nil
  }

  private func request(_ problem: Problem, _ adapter: AttachedAdapter, promptIndex: Int) throws
    -> GenerationRequest
  {
    try builder.request(
      problem,
      AnswerSettings(adapter: adapter, sampling: recipe.sampling, maxTokens: recipe.maxCompletionLength),
      promptIndex: promptIndex)
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

  /// Samples and grades held-out problems.
  func evaluate(_ set: ProblemSet, _ adapter: AttachedAdapter) async throws -> HeldOutScore {
    var score = HeldOutScore()
    let requests = try set.problems.enumerated().map { index, problem in
      try request(problem, adapter, promptIndex: 1 << 30 | index)
    }
    let all = try await source.complete(requests, samples: recipe.evalSamples)
    for (problem, completions) in zip(set.problems, all) {
      for completion in completions {
        let text = builder.text(completion.ids)
        score.total += 1
        if let gold = problem.gold, grader.grade(gold: gold, prediction: text).isEqual == true {
          score.correct += 1
        }
        if TextRewards.format(text) == 1 { score.formatted += 1 }
      }
    }
    return score
  }
}

/// Counts of held-out problems' completions.
struct HeldOutScore {
  var correct = 0
  var formatted = 0
  var total = 0

  var pass: Double { Double(correct) / Double(max(total, 1)) }
  var format: Double { Double(formatted) / Double(max(total, 1)) }
}
