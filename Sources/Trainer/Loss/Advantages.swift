/// Group-relative advantages.
public enum Advantages {
  /// Added to a standard deviation before dividing by it.
  static let epsilon = 1e-4

  /// The advantage of each completion over the mean of its group.
  ///
  /// - Parameters:
  ///   - rewards: the total rewards of each group. An undecided completion, nil, counts in no mean and has advantage 0.
  ///   - scaling: what divides the differences from the mean.
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
