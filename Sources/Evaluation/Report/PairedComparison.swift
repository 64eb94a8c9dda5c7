import Foundation

/// Two contestants on the same problems, compared problem by problem.
public struct PairedComparison: Sendable {
  /// The second contestant against the first.
  public enum Verdict: String, Sendable {
    /// The 95 % interval of the difference lies above zero.
    case better
    /// The interval lies below zero.
    case worse
    /// The interval holds zero.
    case notDistinguishable = "not distinguishable"
  }

  /// What would decide in four cases of five, if the observed difference is the true one.
  public enum Remedy: Sendable, Equatable {
    /// The verdict stands.
    case none
    /// This many samples of each of these problems.
    case samples(Int)
    /// About this many problems of the same kind. No number of samples of these problems decides.
    case problems(Int)
    /// Unknown, because no difference was observed.
    case unknown
  }

  /// Pass@1 of the second less that of the first.
  public let difference: Estimate
  /// What the difference means.
  public let verdict: Verdict
  /// What would decide.
  public let remedy: Remedy

  /// Compares by paired differences: the common difficulty of a problem drops out.
  ///
  /// - Precondition: both have the same problems in the same order.
  public init(first: [[Double]], second: [[Double]], seed: UInt64 = 0) {
    precondition(first.count == second.count, "compared on different problems")
    let differences = zip(first, second).map { Statistics.mean($1) - Statistics.mean($0) }
    difference = Self.interval(differences, seed: seed)
    verdict =
      difference.low > 0 ? .better : difference.high < 0 ? .worse : .notDistinguishable
    remedy =
      verdict == .notDistinguishable
      ? Self.remedy(first, second, differences, observed: abs(difference.value)) : .none
  }

  private static func interval(_ differences: [Double], seed: UInt64) -> Estimate {
    guard differences.count > 1, differences.contains(where: { $0 != differences[0] }) else {
      // Without spread: equality is no difference, and a constant difference over few problems proves little.
      let value = Statistics.mean(differences)
      let edge = value == 0 ? 0 : 3.84 / (Double(differences.count) + 3.84)
      return Estimate(
        value: value, standardError: differences.count > 1 ? 0 : nil, low: value - edge * (1 + abs(value)),
        high: value + edge * (1 + abs(value)))
    }
    return Statistics.bootstrapMean(differences, seed: seed)
  }

  /// A difference of 1.96 + 0.84 standard errors gives an interval that excludes zero with 80 % power.
  private static func remedy(
    _ first: [[Double]], _ second: [[Double]], _ differences: [Double], observed: Double
  ) -> Remedy {
    guard observed > 0, differences.count > 1 else { return .unknown }
    let wanted = pow(observed / 2.8, 2)  // variance of the mean difference
    let count = Double(differences.count)
    let total = Statistics.variance(differences)
    let m = zip(first, second).map { min($0.count, $1.count) }.min() ?? 1
    let problems = Remedy.problems(max(differences.count + 1, Int((total / wanted).rounded(.up))))
    guard m > 1 else { return problems }
    // The part of the differences' variance that is noise of the samples.
    let noise = Statistics.mean(zip(first, second).map { Statistics.variance($0) + Statistics.variance($1) })
    let between = max(total - noise / Double(m), 0)
    let left = wanted * count - between
    guard left > 0 else { return problems }
    return .samples(max(m + 1, Int((noise / left).rounded(.up))))
  }
}
