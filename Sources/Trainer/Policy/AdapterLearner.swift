import ModelFiles
import TinaRuntime

/// What every way of learning shares: an adapter's matrices, the pass through the model, gradient and optimiser.
@safe final class AdapterLearner {
  let pass: PolicyPass
  let parameters: LoRAParameters
  let schedule: LearningRateSchedule
  let optimizer: AdamW
  let gradient: FloatMemory
  let exchange: any GradientSum
  /// Number of passes with dropout so far; each has its own mask.
  var passes: UInt32 = 0
  private let seed: UInt64

  /// Matrices and moments, which a checkpoint stores.
  var memories: [FloatMemory] { [parameters.values, optimizer.first, optimizer.second] }

  init(
    _ pass: PolicyPass, _ parameters: LoRAParameters, _ optimizer: OptimizerSettings,
    _ schedule: LearningRateSchedule, seed: UInt64, exchange: any GradientSum
  ) {
    self.pass = pass
    self.parameters = parameters
    self.schedule = schedule
    self.optimizer = AdamW(optimizer, count: parameters.count)
    self.exchange = exchange
    self.seed = seed
    gradient = FloatMemory(parameters.count)
  }

  /// The dropout of the next pass that learns.
  func nextDropout() -> Dropout {
    passes += 1
    return Dropout(probability: parameters.settings.dropout, seed: seed, pass: passes)
  }

  /// Takes one optimiser step. A loss or gradient that is not finite leaves the adapter as it is.
  ///
  /// - Parameters:
  ///   - metrics: numbers of the step that are known before.
  ///   - learn: adds up gradient and metrics of this process's share of the step.
  /// - Throws: errors of the exchange with other processes, and ``TrainerError`` when a finite step leads to an adapter
  ///   that is not finite.
  func step(
    _ metrics: UpdateMetrics, learn: (inout UpdateMetrics) throws(TrainerError) -> Void
  ) throws -> UpdateMetrics {
    var metrics = metrics
    metrics.learningRate = optimizer.settings.learningRate * schedule.share(optimizer.step)
    pass.clock.reset()
    gradient.clear()
    do throws(TrainerError) {
      try learn(&metrics)
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
}
