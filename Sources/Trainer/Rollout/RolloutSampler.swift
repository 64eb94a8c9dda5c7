import Grading
import Problems
import Processes
import Support
import TinaRuntime
import Tokenization

/// Samples completions of problems under the adapter that is trained, and scores them.
struct RolloutSampler {
  let recipe: Recipe
  let builder: PromptBuilder
  let source: any CompletionSource
  /// Rewards of one's own that this process computes, in the order of the recipe.
  private let own: [any Reward]
  private let processes: any ProcessGroup
  private let reward: RewardFunction
  private let grader = Grader()

  /// - Parameters:
  ///   - own: the recipe's rewards of one's own; none in all processes but the first.
  ///   - processes: those that need the same values.
  init(
    _ recipe: Recipe, _ builder: PromptBuilder, _ source: any CompletionSource, own: [any Reward] = [],
    processes: any ProcessGroup = SingleProcess()
  ) {
    self.own = own
    self.processes = processes
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
  /// - Parameters:
  ///   - first: the place of the rollout's first problem within the run.
  ///   - defers: whether rewards of commands may be missing still, where no group's advantages need another's and
  ///     no other process needs them.
  func sample(
    _ set: ProblemSet, from first: Int, _ adapter: AttachedAdapter, defers: Bool = false
  ) async throws -> Rollout {
    let start = ContinuousClock.now
    let wanted = recipe.promptsPerStep
    var rollout = Rollout(reward.components.count)
    guard recipe.refillsGroups else {
      rollout = try await sample(
        set, first..<first + wanted, adapter,
        defers: defers && recipe.scaling != .batch && processes.count == 1)
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
      if let wait = more.rewardWait { rollout.rewardWait = (rollout.rewardWait ?? 0) + wait }
      rollout.asked += more.asked
    }
    for g in flat.groups.indices.prefix(wanted - rollout.groups.count) { rollout.append(flat, g) }
    rollout.seconds = (ContinuousClock.now - start).inSeconds
    return rollout
  }

  /// Samples and scores the groups of the problems at some places of the run.
  private func sample(
    _ set: ProblemSet, _ places: Range<Int>, _ adapter: AttachedAdapter, defers: Bool = false
  ) async throws -> Rollout {
    var rollout = Rollout(reward.components.count)
    rollout.asked = places.count
    rollout.problems = set.problems(at: places, seed: recipe.seed)
    let requests = try zip(places, rollout.problems).map { try request($1, adapter, promptIndex: $0) }
    let scores = OwnScores(own)
    let all = try await complete(requests, rollout.problems, scores)
    let needsVerdicts = reward.components.contains(where: \.needsAnswer)
    let groups = zip(all, rollout.problems).map { inputs($0, $1, graded: needsVerdicts) }
    let isPending = defers && !own.isEmpty && scores.canBlock
    let ownValues = isPending ? all.map { _ in [] } : try await values(scores, &rollout)
    if isPending { rollout.pending = PendingRewards(scores, reward, recipe.scaling, groups) }
    for (g, completions) in all.enumerated() {
      let prompt = requests[g].prompt
      let texts = groups[g].map(\.text)
      let values = reward.values(groups[g], own: ownValues[g])
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

  /// Completes requests; rewards of one's own begin with each group while others are sampled.
  private func complete(
    _ requests: [GenerationRequest], _ problems: [Problem], _ scores: OwnScores
  ) async throws -> [[CompletedText]] {
    guard !own.isEmpty else { return try await source.complete(requests, samples: recipe.generations) }
    let needsVerdicts = own.contains(where: \.needsVerdicts)
    do {
      return try await source.complete(requests, samples: recipe.generations) { g, completions in
        let problem = problems[g]
        scores.begin(
          g,
          RewardGroup(
            prompt: problem.text, answer: problem.answer, columns: problem.columns,
            completions: inputs(completions, problem, graded: needsVerdicts)))
      }
    } catch {
      scores.cancel()
      throw error
    }
  }

  /// Waits for rewards of one's own, `[group][own reward][completion]`.
  private func values(_ scores: OwnScores, _ rollout: inout Rollout) async throws -> [[[Double?]]] {
    guard reward.components.contains(where: { $0.kind == nil }) else {
      return rollout.problems.map { _ in [] }
    }
    let start = ContinuousClock.now
    var mine: [[[Double?]]] = []
    var failure: (any Error)?
    if !own.isEmpty {
      do {
        for g in rollout.problems.indices { mine.append(try await scores.values(g)) }
      } catch {
        scores.cancel()
        failure = error
      }
    }
    let values = try processes.rewardsOfFirst(mine, failure)
    rollout.rewardWait = (ContinuousClock.now - start).inSeconds
    return values
  }

  /// A problem's completions as rewards see them.
  private func inputs(_ completions: [CompletedText], _ problem: Problem, graded: Bool) -> [RewardInput] {
    let gold = graded ? problem.gold.map { grader.prepare(gold: $0) } : nil
    return completions.map { completion in
      let text = builder.text(completion.ids)
      return RewardInput(
        text: text, gold: problem.gold, tokens: completion.ids.count,
        isCorrect: gold.flatMap { grader.grade($0, prediction: text).isEqual },
        finishReason: completion.reason.rawValue)
    }
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
