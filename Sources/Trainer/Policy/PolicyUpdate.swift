import Foundation
import TinaRuntime

/// A prompt, its completions and their rewards.
struct ScoredGroup {
  let prompt: [Int]
  let completions: [[Int]]
  /// Whether a completion was cut off at the length limit.
  let isTruncated: [Bool]
  /// Total rewards; nil where every component is undecided.
  let rewards: [Double?]
  /// The sampler's log-probabilities under the loss's temperature; nil when the source tells none.
  let sampled: [[Float]]?
}

/// Settings of an update beyond loss and optimiser.
struct UpdateSettings: Sendable {
  var loss = LossSettings()
  var optimizer = OptimizerSettings()
  var scaling = RewardScaling.group
  /// Groups over which token losses are averaged together.
  var groupsPerMicroBatch = 1
  var iterations = 1
  var masksTruncated = false
  /// Divides the logits in the loss; 1 as in Tina.
  var temperature: Float = 1
  var seed: UInt64 = 42
  /// Most rows of a pass; a single longer completion is a pass of its own.
  var rowLimit = 4096
}

extension UpdateSettings {
  init(_ recipe: Recipe, rowLimit: Int) {
    self.init()
    loss = recipe.loss
    optimizer = recipe.optimizer
    scaling = recipe.scaling
    groupsPerMicroBatch = recipe.batchSize / recipe.generations
    iterations = recipe.iterations
    masksTruncated = recipe.masksTruncated
    temperature = recipe.scalesLogits ? recipe.sampling.temperature : 1
    seed = recipe.seed
    self.rowLimit = rowLimit
  }
}

/// Numbers of one step.
struct UpdateMetrics: Sendable {
  var loss = 0.0
  var gradientNorm = 0.0
  var learningRate = 0.0
  var kl: Double?
  var entropy = 0.0
  var lowClipMean = 0.0
  var lowClipMin = 0.0
  var highClipMean = 0.0
  var highClipMax = 0.0
  var regionClipMean = 0.0
  /// Tokens whose log-probability was compared with the sampler's, and how many of them differ in a bit.
  var checkedTokens = 0
  var differingTokens = 0
  /// Norm of the change of the adapter's matrices.
  var changeNorm = 0.0
  /// Why the step was not taken; nil if it was.
  var skipped: String?
  /// Billions of operations a second, in products with weights and adapter, and over whole passes.
  var productRate: Double?
  var passRate: Double?

  /// The numbers that the processes of a run add up.
  fileprivate var sums: [Double] {
    get {
      [
        loss, kl ?? 0, entropy, lowClipMean, lowClipMin, highClipMean, highClipMax, regionClipMean,
        Double(checkedTokens), Double(differingTokens),
      ]
    }
    set {
      loss = newValue[0]
      if kl != nil { kl = newValue[1] }
      (entropy, lowClipMean, lowClipMin) = (newValue[2], newValue[3], newValue[4])
      (highClipMean, highClipMax, regionClipMean) = (newValue[5], newValue[6], newValue[7])
      (checkedTokens, differingTokens) = (Int(newValue[8]), Int(newValue[9]))
    }
  }
}

/// Completions to learn from, in one or several steps.
struct Generation {
  let groups: [ScoredGroup]
  let advantages: [[Double]]
  /// ln p when sampled, under the loss's temperature; nil when one step learns from them.
  let old: [[[Float]]]?
  /// ln p under the base; nil if beta is 0.
  let reference: [[[Float]]]?
}

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
