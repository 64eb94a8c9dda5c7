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

/// What the loss is made of.
public struct LossSettings: Sendable, Equatable {
  /// How tokens are averaged.
  public var type: LossType
  /// Weight of the KL divergence from the base; 0 leaves it out.
  public var beta: Double
  /// How far below 1 a probability ratio counts.
  public var epsilon: Double
  /// How far above 1 a probability ratio counts.
  public var epsilonHigh: Double
  /// Whether the KL divergence is weighted by the probability ratio, as newer TRL does; the default does not.
  public var correctsKL: Bool
  /// The length that `dr_grpo` divides by.
  public var maxCompletionLength: Int

  /// Tina's loss unless told otherwise.
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
    try reader.read("loss_type", into: &type)
    try reader.read("beta", into: &beta, 0...1000)
    try reader.read("epsilon", into: &epsilon, 0...1)
    epsilonHigh = epsilon
    try reader.read("epsilon_high", into: &epsilonHigh, 0...1000)
    try reader.read("use_bias_correction_kl", into: &correctsKL)
  }
}
