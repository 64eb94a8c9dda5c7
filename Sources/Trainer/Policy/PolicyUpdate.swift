import ModelFiles
import TinaRuntime

/// GRPO from rewards to a changed adapter: advantages, loss, gradient, optimiser.
@safe final class PolicyUpdate {
  let learner: AdapterLearner
  let settings: UpdateSettings
  /// What the KL divergence is from; nil for the base.
  let reference: LoRAParameters?

  private var pass: PolicyPass { learner.pass }
  private var parameters: LoRAParameters { learner.parameters }
  private var loss: PolicyLoss { PolicyLoss(settings: settings.loss) }

  init(_ learner: AdapterLearner, _ settings: UpdateSettings, reference: LoRAParameters? = nil) {
    self.learner = learner
    self.settings = settings
    self.reference = reference
  }

  /// Computes advantages, and log-probabilities that stay fixed over the steps on these completions.
  ///
  /// - Parameter pending: what the advantages are asked from instead, each group's when it is learnt from.
  func prepare(
    _ groups: [ScoredGroup], pending: PendingRewards? = nil
  ) throws(TrainerError) -> Generation {
    var old: [[[Float]]]?
    var reference: [[[Float]]]?
    if settings.stepsPerGeneration > 1 {
      old = try groups.map { (group) throws(TrainerError) in
        if let sampled = group.sampled { return sampled }
        return try logProbabilities(group, adapter: parameters)
      }
    }
    if settings.loss.beta != 0 {
      reference = try groups.map { (group) throws(TrainerError) in
        try logProbabilities(group, adapter: self.reference)
      }
    }
    let advantages = Advantages.compute(groups.map(\.rewards), scaling: settings.scaling)
    return Generation(
      groups: groups, advantages: advantages,
      sequences: groups.indices.map { g in
        groups[g].completions.indices.map { i in
          LossSequence(
            length: groups[g].completions[i].count, advantage: advantages[g][i],
            isMasked: settings.masksTruncated && groups[g].isTruncated[i])
        }
      }, old: old, reference: reference, pending: pending)
  }

  private func logProbabilities(_ group: ScoredGroup, adapter: LoRAParameters?) throws(TrainerError)
    -> [[Float]]
  {
    var result: [[Float]] = []
    for range in slices(group, group.completions.indices) {
      let batch = GroupBatch(prompt: group.prompt, completions: Array(group.completions[range]))
      result += try pass.logProbabilities(batch, adapter: adapter, temperature: settings.temperature)
        .logProbabilities
    }
    return result
  }

  /// Divides some of a group's completions into runs that fit into one pass.
  private func slices(_ group: ScoredGroup, _ indices: Range<Int>) -> [Range<Int>] {
    var result: [Range<Int>] = []
    var start = indices.lowerBound
    var rows = group.prompt.count
    for i in indices {
      let count = group.completions[i].count
      if i > start, rows + count > settings.rowLimit {
        result.append(start..<i)
        start = i
        rows = group.prompt.count
      }
      rows += count
    }
    result.append(start..<indices.upperBound)
    return result
  }

  /// Takes one optimiser step. A loss or gradient that is not finite leaves the adapter as it is.
  ///
  /// - Parameter number: number of earlier steps on the same generation: first one over each of its parts, then once
  ///   more for each further iteration.
  /// - Throws: as ``AdapterLearner/step(_:learn:)``.
  func step(_ generation: Generation, number: Int) throws -> UpdateMetrics {
    var metrics = UpdateMetrics()
    if settings.loss.beta != 0 { metrics.kl = 0 }
    return try learner.step(metrics) { (metrics) throws(TrainerError) in
      try learn(generation, number: number, &metrics)
    }
  }

  /// Adds up gradient and metrics of this process's share of the step.
  private func learn(
    _ generation: Generation, number: Int, _ metrics: inout UpdateMetrics
  ) throws(TrainerError) {
    let plan = MicroBatches(generation, settings, part: number % settings.parts)
    let share = 1 / Double(max(plan.count, 1))
    let mine = learner.exchange.share(ofMicroBatches: plan.count)
    let least = try leastEntropies(generation, plan, mine)
    var sums = [LossSums](repeating: LossSums(), count: plan.count)
    for (g, range) in plan.groups(of: mine) {
      // Later steps learn with other numbers than those that sampled.
      let checks = number == 0 && (parameters.settings.dropout == 0 || g == 0)
      let part = try learn(generation, g, range, plan, least, checks: checks, &metrics)
      for (m, more) in part { sums[m] = sums[m] + more }
    }
    for m in mine {
      let sums = sums[m]
      if !sums.loss.isFinite {
        metrics.skipped = metrics.skipped ?? "the loss of micro-batch \(m + 1) is \(sums.loss)"
      }
      let tokens = Double(max(sums.tokens, 1))
      let units = Double(max(sums.clipUnits, 1))
      metrics.loss += sums.loss
      metrics.entropy += share * sums.entropy / tokens
      if settings.loss.beta != 0 { metrics.kl? += share * sums.kl / tokens }
      metrics.lowClipMean += share * Double(sums.lowClipped) / units
      metrics.highClipMean += share * Double(sums.highClipped) / units
      metrics.regionClipMean += share * Double(sums.lowClipped + sums.highClipped) / units
      metrics.lowClipMin += share * (sums.lowShares.min() ?? 0)
      metrics.highClipMax += share * (sums.highShares.max() ?? 0)
    }
  }

  /// The entropy below which tokens of each micro-batch have no policy gradient, where the recipe asks for that. A pass
  /// of its own finds it, under the masks of the pass that learns.
  private func leastEntropies(
    _ generation: Generation, _ plan: MicroBatches, _ mine: Range<Int>
  ) throws(TrainerError) -> [Float?] {
    var least = [Float?](repeating: nil, count: plan.count)
    guard settings.loss.topEntropyShare < 1 else { return least }
    var entropies = [[Float]](repeating: [], count: plan.count)
    let passes = learner.passes
    for (g, range) in plan.groups(of: mine) {
      let group = generation.groups[g]
      for range in slices(group, range) {
        let values = try pass.logProbabilities(
          batch(group, range), adapter: parameters, dropout: learner.nextDropout(),
          temperature: settings.temperature)
        for (i, index) in range.enumerated() where !generation.sequences[g][index].isMasked {
          entropies[plan.microBatch(g, index)] += values.entropies[i]
        }
      }
    }
    learner.passes = passes
    for m in mine { least[m] = EntropyQuantile.value(entropies[m], 1 - settings.loss.topEntropyShare) }
    return least
  }

  private func batch(_ group: ScoredGroup, _ range: Range<Int>) -> GroupBatch {
    GroupBatch(
      prompt: group.prompt, completions: Array(group.completions[range]), firstSequence: range.lowerBound)
  }

  /// Adds the gradient of some of a group's completions; returns their parts of the loss by micro-batch.
  private func learn(
    _ generation: Generation, _ g: Int, _ indices: Range<Int>, _ plan: MicroBatches, _ least: [Float?],
    checks: Bool, _ metrics: inout UpdateMetrics
  ) throws(TrainerError) -> [(Int, LossSums)] {
    let group = generation.groups[g]
    let loss = loss
    var total: [(Int, LossSums)] = []
    for range in slices(group, indices) {
      let batch = batch(group, range)
      let dropout = learner.nextDropout()
      let values = try pass.logProbabilities(
        batch, adapter: parameters, dropout: dropout, temperature: settings.temperature,
        gradient: learner.gradient
      ) { (values) throws(TrainerError) in
        // After the forward pass: until now, commands had time to value the group.
        let sequences = try generation.sequences(of: g)
        var isZero = true
        var slopes: [[Float]] = []
        for (i, index) in range.enumerated() {
          let m = plan.microBatch(g, index)
          let (sums, slope) = loss.evaluate(
            PolicyLoss.Tokens(
              new: values.logProbabilities[i], old: generation.old?[g][index],
              reference: generation.reference?[g][index], entropies: values.entropies[i],
              leastEntropy: least[m]),
            sequence: sequences[index], weight: plan.weight(g, index))
          if total.last?.0 != m { total.append((m, LossSums())) }
          total[total.count - 1].1 = total[total.count - 1].1 + sums
          isZero = isZero && slope.allSatisfy { $0 == 0 }
          slopes.append(slope)
        }
        return isZero ? nil : slopes
      }
      guard checks, let sampled = group.sampled else { continue }
      // The sampler uses no dropout: compare with a pass without it.
      let mine =
        dropout.isActive
        ? try pass.logProbabilities(batch, adapter: parameters, temperature: settings.temperature)
          .logProbabilities : values.logProbabilities
      for (i, index) in range.enumerated() {
        for (a, b) in zip(mine[i], sampled[index]) {
          metrics.checkedTokens += 1
          if a.bitPattern != b.bitPattern { metrics.differingTokens += 1 }
        }
      }
    }
    return total
  }
}
