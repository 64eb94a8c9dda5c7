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
}

/// Group-relative advantages.
public enum Advantages {
  /// What is added to a standard deviation before it divides.
  static let epsilon = 1e-4

  /// The advantage of each completion over the mean of its group.
  ///
  /// - Parameters:
  ///   - rewards: a group's total rewards each; nil for a completion that no component could judge, which
  ///     counts in no mean and has advantage 0.
  ///   - scaling: what the differences to the mean are divided by.
  public static func compute(_ rewards: [[Double?]], scaling: RewardScaling) -> [[Double]] {
    let whole = deviation(rewards.flatMap { $0 })
    return rewards.map { group in
      let known = group.compactMap { $0 }
      if known.isEmpty { return group.map { _ in 0 } }
      let mean = known.reduce(0, +) / Double(known.count)
      let divisor =
        switch scaling {
        case .group: deviation(group) + epsilon
        case .batch: whole + epsilon
        case .none: 1.0
        }
      return group.map { $0.map { ($0 - mean) / divisor } ?? 0 }
    }
  }

  /// The standard deviation with n - 1 in the denominator; 0 for fewer than two known values.
  public static func deviation(_ values: [Double?]) -> Double {
    let known = values.compactMap { $0 }
    if known.count < 2 { return 0 }
    let mean = known.reduce(0, +) / Double(known.count)
    return (known.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(known.count - 1)).squareRoot()
  }
}
