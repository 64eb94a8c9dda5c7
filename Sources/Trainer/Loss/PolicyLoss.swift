import Foundation

/// One completion as the loss sees it.
struct LossSequence {
  /// Number of its tokens.
  let length: Int
  let advantage: Double
  /// Whether it weighs nothing: it was cut off, and the recipe masks such completions.
  let isMasked: Bool
}

/// The weight of each completion's tokens in a step's loss, which depends on lengths alone.
struct LossWeights {
  /// `[micro-batch][completion]`
  let weights: [[Double]]

  /// - Parameter microBatches: the completions of a step, by the micro-batches over which losses are averaged.
  init(_ microBatches: [[LossSequence]], _ settings: LossSettings) {
    let active = { (s: LossSequence) in s.isMasked ? 0 : s.length }
    let stepTokens = microBatches.reduce(0) { $0 + $1.reduce(0) { $0 + active($1) } }
    let accumulation = Double(max(microBatches.count, 1))
    weights = microBatches.map { batch in
      let batchTokens = batch.reduce(0) { $0 + active($1) }
      return batch.map { sequence in
        if sequence.isMasked { return 0 }
        return switch settings.type {
        case .grpo: 1 / Double(max(sequence.length, 1)) / Double(batch.count) / accumulation
        case .bnpo: 1 / Double(max(batchTokens, 1)) / accumulation
        case .drGRPO: 1 / Double(batch.count * settings.maxCompletionLength) / accumulation
        case .dapo: 1 / Double(max(stepTokens, 1))
        }
      }
    }
  }
}

/// The clipped policy gradient with a KL penalty (k3), as TRL computes it.
struct PolicyLoss {
  let settings: LossSettings

  /// Sums that add up over the completions of a micro-batch.
  struct Sums: Sendable {
    var loss = 0.0
    var tokens = 0
    var kl = 0.0
    var entropy = 0.0
    var lowClipped = 0
    var highClipped = 0
    /// Shares of clipped tokens by completion.
    var lowShares: [Double] = []
    var highShares: [Double] = []

    static func + (a: Sums, b: Sums) -> Sums {
      Sums(
        loss: a.loss + b.loss, tokens: a.tokens + b.tokens, kl: a.kl + b.kl, entropy: a.entropy + b.entropy,
        lowClipped: a.lowClipped + b.lowClipped, highClipped: a.highClipped + b.highClipped,
        lowShares: a.lowShares + b.lowShares, highShares: a.highShares + b.highShares)
    }
  }

  /// The loss of one completion and its derivative with respect to each log-probability.
  ///
  /// - Parameters:
  ///   - new: ln p of each token now.
  ///   - old: ln p when sampled; nil if nothing was learned since, so that the ratio is 1.
  ///   - reference: ln p under the base; nil if beta is 0.
  ///   - weight: from ``LossWeights``.
  func evaluate(
    new: [Float], old: [Float]?, reference: [Float]?, entropies: [Float], sequence: LossSequence,
    weight: Double
  ) -> (sums: Sums, gradient: [Float]) {
    var sums = Sums()
    var gradient = [Float](repeating: 0, count: new.count)
    if sequence.isMasked { return (sums, gradient) }
    let advantage = sequence.advantage
    var low = 0
    var high = 0
    for t in new.indices {
      let ratio = old.map { exp(Double(new[t]) - Double($0[t])) } ?? 1
      let clipped = min(max(ratio, 1 - settings.epsilon), 1 + settings.epsilonHigh)
      var loss = -min(ratio * advantage, clipped * advantage)
      var slope = ratio * advantage <= clipped * advantage ? -ratio * advantage : 0
      if let reference, settings.beta != 0 {
        let difference = Double(reference[t]) - Double(new[t])
        let factor = settings.correctsKL ? ratio : 1
        let divergence = (exp(difference) - difference - 1) * factor
        sums.kl += divergence
        loss += settings.beta * divergence
        slope += settings.beta * ((1 - exp(difference)) * factor + (settings.correctsKL ? divergence : 0))
      }
      if ratio < 1 - settings.epsilon, advantage < 0 { low += 1 }
      if ratio > 1 + settings.epsilonHigh, advantage > 0 { high += 1 }
      sums.loss += weight * loss
      sums.entropy += Double(entropies[t])
      gradient[t] = Float(weight * slope)
    }
    sums.tokens = new.count
    sums.lowClipped = low
    sums.highClipped = high
    sums.lowShares = [Double(low) / Double(max(new.count, 1))]
    sums.highShares = [Double(high) / Double(max(new.count, 1))]
    return (sums, gradient)
  }
}
