import ModelFiles
import TinaRuntime

/// GRPO from rewards to a changed adapter: advantages, loss, gradient, optimiser.
@safe final class PolicyUpdate {
  let pass: PolicyPass
  let parameters: LoRAParameters
  let settings: UpdateSettings
  let schedule: LearningRateSchedule
  let optimizer: AdamW
  /// Number of passes with dropout so far; each has its own mask.
  var passes: UInt32 = 0
  private let gradient: FloatMemory
  private let exchange: any GradientSum

  /// Matrices and moments, which a checkpoint stores.
  var memories: [FloatMemory] { [parameters.values, optimizer.first, optimizer.second] }

  init(
    _ pass: PolicyPass, _ parameters: LoRAParameters, _ settings: UpdateSettings,
    _ schedule: LearningRateSchedule, exchange: any GradientSum = SingleProcess()
  ) {
    self.exchange = exchange
    self.pass = pass
    self.parameters = parameters
    self.settings = settings
    self.schedule = schedule
    optimizer = AdamW(settings.optimizer, count: parameters.count)
    gradient = FloatMemory(parameters.count)
  }

  /// Computes advantages, and log-probabilities that stay fixed over the steps on these completions.
  func prepare(_ groups: [ScoredGroup]) throws(TrainerError) -> Generation {
    var old: [[[Float]]]?
    var reference: [[[Float]]]?
    if settings.iterations > 1 {
      old = try groups.map { (group) throws(TrainerError) in
        if let sampled = group.sampled { return sampled }
        return try logProbabilities(group, adapter: parameters)
      }
    }
    if settings.loss.beta != 0 {
      reference = try groups.map { (group) throws(TrainerError) in try logProbabilities(group, adapter: nil) }
    }
    return Generation(
      groups: groups, advantages: Advantages.compute(groups.map(\.rewards), scaling: settings.scaling),
      old: old, reference: reference)
  }

  private func logProbabilities(_ group: ScoredGroup, adapter: LoRAParameters?) throws(TrainerError)
    -> [[Float]]
  {
    var result: [[Float]] = []
    for range in slices(group) {
      let batch = GroupBatch(prompt: group.prompt, completions: Array(group.completions[range]))
      result += try pass.logProbabilities(batch, adapter: adapter, temperature: settings.temperature)
        .logProbabilities
    }
    return result
  }

  /// Divides a group's completions into runs that fit into one pass.
  private func slices(_ group: ScoredGroup) -> [Range<Int>] {
    var result: [Range<Int>] = []
    var start = 0
    var rows = group.prompt.count
    for (i, completion) in group.completions.enumerated() {
      if i > start, rows + completion.count > settings.rowLimit {
        result.append(start..<i)
        start = i
        rows = group.prompt.count
      }
      rows += completion.count
    }
    result.append(start..<group.completions.count)
    return result
  }

  /// Takes one optimiser step. A loss or gradient that is not finite leaves the adapter as it is.
  ///
  /// - Parameter iteration: number of earlier steps on the same generation.
  /// - Throws: errors of the exchange with other processes, and ``TrainerError`` when a finite step leads to an adapter
  ///   that is not finite.
  func step(_ generation: Generation, iteration: Int) throws -> UpdateMetrics {
    var metrics = UpdateMetrics(
      learningRate: settings.optimizer.learningRate * schedule.share(optimizer.step))
    if settings.loss.beta != 0 { metrics.kl = 0 }
    pass.clock.reset()
    gradient.clear()
    do throws(TrainerError) {
      try learn(generation, iteration: iteration, &metrics)
    } catch {
      guard error.kind == .notFinite else { throw error }
      // The loss tells the other processes too.
      metrics.loss = .nan
      metrics.skipped = error.found
    }
    try unsafe exchange.sum(
      gradient: UnsafeMutableBufferPointer(start: gradient.pointer, count: gradient.count))
    try exchange.sum(numbers: &metrics.sums)
    metrics.gradientNorm = gradient.norm
    metrics.productRate = pass.clock.rate([.maps, .backwardMaps, .head])
    metrics.passRate = pass.clock.wholeRate
    if !metrics.loss.isFinite {
      metrics.skipped = metrics.skipped ?? "the loss is \(metrics.loss)"
    } else if !metrics.gradientNorm.isFinite {
      let pair = parameters.pairs.first {
        !gradient.isFinite($0.a..<$0.a + $0.aCount) || !gradient.isFinite($0.b..<$0.b + $0.bCount)
      }
      metrics.skipped =
        "the gradient's norm is \(metrics.gradientNorm)" + (pair.map { ", not finite in " + $0.name } ?? "")
    } else {
      metrics.changeNorm = optimizer.update(
        parameters.values, gradient: gradient, factor: optimizer.clipFactor(norm: metrics.gradientNorm),
        rate: metrics.learningRate, pool: pass.pool)
      guard metrics.changeNorm.isFinite else {
        throw TrainerError(
          .notFinite, place: "step \(optimizer.step)", found: "matrices that overflowed",
          expected: "finite numbers",
          advice: "Lower learning_rate and go on from the last checkpoint.")
      }
    }
    return metrics
  }

  /// Adds up gradient and metrics of this process's share of the step.
  private func learn(
    _ generation: Generation, iteration: Int, _ metrics: inout UpdateMetrics
  ) throws(TrainerError) {
    let count = generation.groups.count
    let sequences = (0..<count).map { g in
      let group = generation.groups[g]
      return group.completions.indices.map { i in
        LossSequence(
          length: group.completions[i].count, advantage: generation.advantages[g][i],
          isMasked: settings.masksTruncated && group.isTruncated[i])
      }
    }
    let size = settings.groupsPerMicroBatch
    let microBatches = stride(from: 0, to: count, by: size).map { Array($0..<min($0 + size, count)) }
    let weights = LossWeights(microBatches.map { $0.flatMap { sequences[$0] } }, settings.loss)
    let share = 1 / Double(max(microBatches.count, 1))
    for m in exchange.share(ofMicroBatches: microBatches.count) {
      var sums = PolicyLoss.Sums()
      var next = 0
      for g in microBatches[m] {
        let size = sequences[g].count
        sums =
          try sums
          + learn(
            generation, g, sequences[g], Array(weights.weights[m][next..<next + size]),
            checks: iteration == 0 && (parameters.settings.dropout == 0 || g == 0), &metrics)
        next += size
      }
      if !sums.loss.isFinite {
        metrics.skipped = metrics.skipped ?? "the loss of micro-batch \(m + 1) is \(sums.loss)"
      }
      let tokens = Double(max(sums.tokens, 1))
      metrics.loss += sums.loss
      metrics.entropy += share * sums.entropy / tokens
      if settings.loss.beta != 0 { metrics.kl? += share * sums.kl / tokens }
      metrics.lowClipMean += share * Double(sums.lowClipped) / tokens
      metrics.highClipMean += share * Double(sums.highClipped) / tokens
      metrics.regionClipMean += share * Double(sums.lowClipped + sums.highClipped) / tokens
      metrics.lowClipMin += share * (sums.lowShares.min() ?? 0)
      metrics.highClipMax += share * (sums.highShares.max() ?? 0)
    }
  }

  /// Adds one group's gradient; returns its part of the loss.
  private func learn(
    _ generation: Generation, _ g: Int, _ sequences: [LossSequence], _ weights: [Double], checks: Bool,
    _ metrics: inout UpdateMetrics
  ) throws(TrainerError) -> PolicyLoss.Sums {
    let group = generation.groups[g]
    let loss = PolicyLoss(settings: settings.loss)
    var total = PolicyLoss.Sums()
    for range in slices(group) {
      let batch = GroupBatch(
        prompt: group.prompt, completions: Array(group.completions[range]), firstSequence: range.lowerBound)
      passes += 1
      let dropout = Dropout(probability: parameters.settings.dropout, seed: settings.seed, pass: passes)
      let values = try pass.logProbabilities(
        batch, adapter: parameters, dropout: dropout, temperature: settings.temperature, gradient: gradient
      ) { values in
        var isZero = true
        var slopes: [[Float]] = []
        for (i, index) in range.enumerated() {
          let (sums, slope) = loss.evaluate(
            new: values.logProbabilities[i], old: generation.old?[g][index],
            reference: generation.reference?[g][index], entropies: values.entropies[i],
            sequence: sequences[index],
            weight: weights[index])
          total = total + sums
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
