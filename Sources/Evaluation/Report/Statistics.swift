import Foundation
import Support

/// A number and its uncertainty.
public struct Estimate: Sendable, Equatable {
  /// The value measured.
  public let value: Double
  /// Its standard error; nil when unknown.
  public let standardError: Double?
  /// The lower end of the 95 % interval.
  public let low: Double
  /// The upper end of the 95 % interval.
  public let high: Double

  package init(value: Double, standardError: Double?, low: Double, high: Double) {
    (self.value, self.standardError, self.low, self.high) = (value, standardError, low, high)
  }
}

/// The formulas of an evaluation. `correct[p][s]` is 1 if sample s of problem p is right, else 0.
public enum Statistics {
  /// Pass@1: the mean over problems of the mean over their samples.
  public static func passAt1(_ correct: [[Double]]) -> Double { mean(correct.map(mean)) }

  /// The chance that at least one of k samples of a problem is right, estimated without bias from n ≥ k:
  /// 1 − C(n−c, k) / C(n, k) (Chen et al. 2021), mean over problems.
  ///
  /// - Parameters:
  ///   - k: the number of samples drawn.
  ///   - counts: of each problem the samples n and the right ones c.
  /// - Returns: nil when a problem has fewer than k samples.
  public static func passAt(_ k: Int, _ counts: [(n: Int, c: Int)]) -> Double? {
    guard k > 0, !counts.isEmpty, counts.allSatisfy({ $0.n >= k }) else { return nil }
    return mean(
      counts.map { n, c in
        // The product form keeps large binomials out: Π (1 − k/i) for i = n−c+1 … n.
        if n - c < k { return 1 }
        var none = 1.0
        for i in stride(from: n - c + 1, through: n, by: 1) { none *= 1 - Double(k) / Double(i) }
        return 1 - none
      })
  }

  /// Pass@1 with its uncertainty over problems and samples: as if other problems of the same kind were asked.
  ///
  /// The bootstrap draws whole problems, each with all its samples. The observed spread between problems holds the
  /// noise of their samples already, so drawing samples too would count it twice.
  public static func passAt1Estimate(_ correct: [[Double]], seed: UInt64 = 0) -> Estimate {
    bootstrapMean(correct.map(mean), seed: seed).clamped(to: 0...1)
  }

  /// The standard error of Pass@1 over new samples of the same problems; nil with fewer than two samples.
  public static func samplingError(_ correct: [[Double]]) -> Double? {
    guard !correct.isEmpty, correct.allSatisfy({ $0.count > 1 }) else { return nil }
    // The mean over P problems of m samples each has the variance Σ s²/m / P²: an exact formula needs no bootstrap.
    let sum = correct.reduce(0) { $0 + variance($1) / Double($1.count) }
    return sum.squareRoot() / Double(correct.count)
  }

  /// The mean of independent values with a bootstrapped 95 % interval.
  ///
  /// The interval is the expanded percentile interval (Hesterberg 2015). A bootstrap over n values is too narrow by
  /// √((n−1)/n), and Student's t has wider quantiles than the normal distribution; quantiles further out correct both.
  /// For equal values, where a bootstrap shows no spread, Wilson's interval for n equal outcomes is taken.
  public static func bootstrapMean(_ values: [Double], draws: Int = 4000, seed: UInt64 = 0) -> Estimate {
    let n = values.count
    let value = mean(values)
    guard n > 1 else { return Estimate(value: value, standardError: nil, low: 0, high: 1) }
    guard values.contains(where: { $0 != values[0] }) else {
      let z = 1.96
      let edge = z * z / (Double(n) + z * z)
      return Estimate(
        value: value, standardError: 0, low: value - edge * value, high: value + edge * (1 - value))
    }
    var random = Draws(seed: seed)
    var means = (0..<draws).map { _ in
      var sum = 0.0
      for _ in 0..<n { sum += values[random.below(n)] }
      return sum / Double(n)
    }
    means.sort()
    let spread = standardDeviation(means) * (Double(n) / Double(n - 1)).squareRoot()
    let t = studentQuantile975(degrees: n - 1) * (Double(n) / Double(n - 1)).squareRoot()
    let tail = 0.5 * erfc(t / 2.0.squareRoot())
    return Estimate(
      value: value, standardError: spread, low: quantile(means, tail), high: quantile(means, 1 - tail))
  }

  /// Student's t at 97.5 %: the expansion about the normal quantile (Abramowitz and Stegun 26.7.5).
  package static func studentQuantile975(degrees: Int) -> Double {
    let z = 1.959964
    let v = Double(max(degrees, 1))
    func power(_ n: Int) -> Double { pow(z, Double(n)) }
    let g1 = (power(3) + z) / 4
    let g2 = (5 * power(5) + 16 * power(3) + 3 * z) / 96
    let g3 = (3 * power(7) + 19 * power(5) + 17 * power(3) - 15 * z) / 384
    return z + g1 / v + g2 / (v * v) + g3 / (v * v * v)
  }

  package static func mean(_ values: [Double]) -> Double {
    values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count)
  }

  /// The unbiased variance: divided by n − 1.
  package static func variance(_ values: [Double]) -> Double {
    guard values.count > 1 else { return 0 }
    let center = mean(values)
    return values.reduce(0) { $0 + ($1 - center) * ($1 - center) } / Double(values.count - 1)
  }

  static func standardDeviation(_ values: [Double]) -> Double { variance(values).squareRoot() }

  /// The quantile of sorted values, with linear interpolation.
  static func quantile(_ sorted: [Double], _ share: Double) -> Double {
    let place = min(max(share, 0), 1) * Double(sorted.count - 1)
    let low = Int(place)
    let high = min(low + 1, sorted.count - 1)
    return sorted[low] + (sorted[high] - sorted[low]) * (place - Double(low))
  }
}

extension Estimate {
  func clamped(to range: ClosedRange<Double>) -> Estimate {
    Estimate(
      value: value, standardError: standardError, low: max(low, range.lowerBound),
      high: min(high, range.upperBound))
  }
}

/// Reproducible random numbers for the bootstrap.
struct Draws {
  private var source: SplitMix64

  init(seed: UInt64) { source = SplitMix64(state: seed &+ 0x5851_f42d_4c95_7f2d) }

  mutating func next() -> UInt64 { source.next() }

  /// A number in 0 ..< count. The bias of the multiplication is below 2⁻³² for the counts of an evaluation.
  mutating func below(_ count: Int) -> Int { Int(((next() >> 32) * UInt64(count)) >> 32) }
}
