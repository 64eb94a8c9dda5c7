import ModelFiles

/// How a group's rewards become advantages.
public enum RewardScaling: String, Sendable, CaseIterable {
  /// Divided by the group's standard deviation.
  case group
  /// Divided by the standard deviation of the whole step.
  case batch
  /// Not divided.
  case none
}

/// How token losses are averaged.
public enum LossType: String, Sendable, CaseIterable {
  /// The mean over completions of the mean over their tokens.
  case grpo
  /// The mean over the tokens of a micro-batch.
  case bnpo
  /// The sum over tokens divided by completions times the longest length allowed.
  case drGRPO = "dr_grpo"
  /// The sum over tokens divided by the tokens of the whole step.
  case dapo
  /// As `dapo`, of ln p weighted by the probability ratio, which is cut off above and not differentiated.
  case cispo
}

/// What a probability ratio compares.
public enum ImportanceSamplingLevel: String, Sendable, CaseIterable {
  /// Each token on its own.
  case token
  /// Whole completions: the geometric mean of their tokens' ratios, as in GSPO.
  case sequence
}

/// Settings of the loss.
public struct LossSettings: Sendable, Equatable {
  /// How tokens are averaged.
  public var type: LossType
  /// Weight of the KL divergence from the reference; 0 leaves it out.
  public var beta: Double
  /// A probability ratio is clipped this far below 1.
  public var epsilon: Double
  /// A probability ratio is clipped this far above 1; the largest ratio itself with `cispo`.
  public var epsilonHigh: Double
  /// Whether the KL divergence is weighted by the probability ratio, as in newer TRL.
  public var correctsKL: Bool
  /// The length that `dr_grpo` divides by.
  public var maxCompletionLength: Int
  /// What a probability ratio compares.
  public var level = ImportanceSamplingLevel.token
  /// The largest ratio that a loss not clipped by epsilon may have, of either sign of the advantage.
  public var delta: Double?
  /// The share of a micro-batch's tokens, those of the highest entropies, that the policy gradient is taken of.
  public var topEntropyShare = 1.0

  /// Tina's loss by default.
  public init(
    type: LossType = .grpo, beta: Double = 0.04, epsilon: Double = 0.2, epsilonHigh: Double? = nil,
    correctsKL: Bool = false, maxCompletionLength: Int = 3584
  ) {
    self.type = type
    self.beta = beta
    self.epsilon = epsilon
    self.epsilonHigh = epsilonHigh ?? epsilon
    self.correctsKL = correctsKL
    self.maxCompletionLength = maxCompletionLength
  }

  mutating func read(_ reader: inout RecipeReader) throws(TrainerError) {
    type = try reader.choice("loss_type") ?? type
    beta = try reader.number("beta", 0...1000) ?? beta
    epsilon = try reader.number("epsilon", 0...1) ?? epsilon
    epsilonHigh = epsilon
    epsilonHigh = try reader.number("epsilon_high", 0...1000) ?? epsilonHigh
    correctsKL = try reader.flag("use_bias_correction_kl") ?? correctsKL
    level = try reader.choice("importance_sampling_level") ?? level
    delta = try reader.number("delta", 0...1e6)
    topEntropyShare = try reader.number("top_entropy_quantile", 0...1) ?? topEntropyShare
    if type == .cispo, !reader.stated.contains("epsilon_high") {
      throw reader.error(
        "epsilon_high", found: "none, with loss_type: cispo",
        expected: "the largest probability ratio itself",
        advice: "CISPO's authors use 5.0. With other losses the key is a distance above 1.")
    }
    if type == .cispo, delta != nil {
      throw reader.error(
        "delta", found: "it with loss_type: cispo", expected: "one bound on the ratio",
        advice: "CISPO has epsilon_high alone. Leave delta out.")
    }
    if let delta, delta <= 1 + epsilonHigh, type != .cispo {
      throw reader.error(
        "delta", found: "\(delta)", expected: "more than 1 + epsilon_high = \(1 + epsilonHigh)",
        advice: "It bounds ratios that epsilon_high does not, where the advantage is negative.")
    }
  }
}
