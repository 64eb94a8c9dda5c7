import Foundation

/// The clipped policy gradient with a KL penalty (k3), as TRL computes it.
struct PolicyLoss {
  let settings: LossSettings

  /// One completion's numbers, token by token.
  struct Tokens {
    /// ln p now.
    let new: [Float]
    /// ln p when sampled; nil if nothing was learned since, so that the ratio is 1.
    let old: [Float]?
    /// ln p under the reference; nil if beta is 0.
    let reference: [Float]?
    let entropies: [Float]
    /// Tokens of a lower entropy have no policy gradient.
    var leastEntropy: Float?
    /// Weights of the policy loss, from ``SamplingCorrection``: one for each token, or one for all; nil for 1.
    var importance: [Double]?
  }

  /// The loss of one completion and its derivative with respect to each log-probability.
  ///
  /// - Parameter weight: from ``LossWeights``.
  func evaluate(_ tokens: Tokens, sequence: LossSequence, weight: Double) -> (
    sums: LossSums, gradient: [Float]
  ) {
    var sums = LossSums()
    let count = tokens.new.count
    var gradient = [Float](repeating: 0, count: count)
    let isWhole = settings.level == .sequence
    if isWhole { sums.clipUnits = 1 }
    if sequence.isMasked {
      // TRL's shares of clipped completions count those that are masked, as unclipped.
      if isWhole { (sums.lowShares, sums.highShares) = ([0], [0]) }
      return (sums, gradient)
    }
    let logRatios = tokens.old.map { old in zip(tokens.new, old).map { Double($0) - Double($1) } }
    let wholeRatio = isWhole ? exp((logRatios ?? []).reduce(0, +) / Double(max(count, 1))) : 1
    var low = 0
    var high = 0
    var slopeOfRatio = 0.0  // summed over tokens, where one ratio is all tokens'
    for t in 0..<count {
      let ratio = isWhole ? wholeRatio : logRatios.map { exp($0[t]) } ?? 1
      var term = policyTerm(ratio: ratio, advantage: sequence.advantage, new: Double(tokens.new[t]))
      if let least = tokens.leastEntropy, tokens.entropies[t] < least { term = Term() }
      if let importance = tokens.importance {
        term.weigh(importance.count == 1 ? importance[0] : importance[t])
      }
      var direct = term.direct
      var throughRatio = term.throughRatio
      var loss = term.loss
      if let reference = tokens.reference, settings.beta != 0 {
        let difference = Double(reference[t]) - Double(tokens.new[t])
        let factor = settings.correctsKL ? ratio : 1
        let divergence = (exp(difference) - difference - 1) * factor
        sums.kl += divergence
        loss += settings.beta * divergence
        let slope = (1 - exp(difference)) * factor
        if isWhole, settings.correctsKL { throughRatio += settings.beta * divergence }
        direct += settings.beta * (slope + (!isWhole && settings.correctsKL ? divergence : 0))
      }
      if isWhole {
        slopeOfRatio += throughRatio
      } else {
        direct += throughRatio
      }
      let clipped = isClipped(ratio: ratio, advantage: sequence.advantage)
      if clipped.low { low += 1 }
      if clipped.high { high += 1 }
      sums.loss += weight * loss
      sums.entropy += Double(tokens.entropies[t])
      gradient[t] = Float(weight * direct)
    }
    if isWhole {
      let share = weight * slopeOfRatio / Double(max(count, 1))
      for t in 0..<count { gradient[t] += Float(share) }
      (low, high) = (min(low, 1), min(high, 1))
    } else {
      sums.clipUnits = count
    }
    sums.tokens = count
    sums.lowClipped = low
    sums.highClipped = high
    sums.lowShares = [Double(low) / Double(max(sums.clipUnits, 1))]
    sums.highShares = [Double(high) / Double(max(sums.clipUnits, 1))]
    return (sums, gradient)
  }

  /// A token's policy loss, and its derivatives.
  private struct Term {
    var loss = 0.0
    /// With respect to ln p where it stands in the loss itself.
    var direct = 0.0
    /// With respect to the logarithm of the ratio.
    var throughRatio = 0.0

    mutating func weigh(_ factor: Double) {
      loss *= factor
      direct *= factor
      throughRatio *= factor
    }
  }

  private func policyTerm(ratio: Double, advantage: Double, new: Double) -> Term {
    if settings.type == .cispo {
      let factor = -min(ratio, settings.epsilonHigh) * advantage
      return Term(loss: factor * new, direct: factor)
    }
    let bounded = settings.delta.map { min(ratio, $0) } ?? ratio
    let clipped = min(max(ratio, 1 - settings.epsilon), 1 + settings.epsilonHigh)
    let moves = bounded * advantage <= clipped * advantage && bounded == ratio
    return Term(
      loss: -min(bounded * advantage, clipped * advantage), throughRatio: moves ? -ratio * advantage : 0)
  }

  private func isClipped(ratio: Double, advantage: Double) -> (low: Bool, high: Bool) {
    if settings.type == .cispo { return (false, ratio > settings.epsilonHigh && advantage > 0) }
    return (
      ratio < 1 - settings.epsilon && advantage < 0, ratio > 1 + settings.epsilonHigh && advantage > 0
    )
  }
}

/// Sums that add up over the completions of a micro-batch.
struct LossSums: Sendable {
  var loss = 0.0
  var tokens = 0
  var kl = 0.0
  var entropy = 0.0
  /// What can be clipped: tokens, or completions.
  var clipUnits = 0
  var lowClipped = 0
  var highClipped = 0
  /// Shares of clipped tokens by completion.
  var lowShares: [Double] = []
  var highShares: [Double] = []

  static func + (a: LossSums, b: LossSums) -> LossSums {
    LossSums(
      loss: a.loss + b.loss, tokens: a.tokens + b.tokens, kl: a.kl + b.kl, entropy: a.entropy + b.entropy,
      clipUnits: a.clipUnits + b.clipUnits, lowClipped: a.lowClipped + b.lowClipped,
      highClipped: a.highClipped + b.highClipped, lowShares: a.lowShares + b.lowShares,
      highShares: a.highShares + b.highShares)
  }
}
