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
}

/// Settings of the loss.
public struct LossSettings: Sendable, Equatable {
  /// How tokens are averaged.
  public var type: LossType
  /// Weight of the KL divergence from the base; 0 leaves it out.
  public var beta: Double
  /// A probability ratio is clipped this far below 1.
  public var epsilon: Double
  /// A probability ratio is clipped this far above 1.
  public var epsilonHigh: Double
  /// Whether the KL divergence is weighted by the probability ratio, as in newer TRL.
  public var correctsKL: Bool
  /// The length that `dr_grpo` divides by.
  public var maxCompletionLength: Int

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
  }
}
