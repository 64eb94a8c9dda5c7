package import Evaluation
import Foundation

/// The scores of several trainings that differ in the seed alone, on the same problems.
package struct ArmScore: Sendable {
  /// For each seed and problem the share of right samples.
  package let shares: [[Double]]
  /// Samples of each problem.
  package let samples: Int
  package let estimate: Estimate

  /// - Parameter scores: one for each seed, of as many problems and samples each.
  package init?(_ scores: [RunResult.Score]) {
    guard let first = scores.first, !first.right.isEmpty,
      scores.allSatisfy({ $0.right.count == first.right.count && $0.samples == first.samples })
    else { return nil }
    samples = first.samples
    let shares = scores.map { score in score.right.map { Double($0) / Double(score.samples) } }
    self.shares = shares
    let spread = Spread(shares, samples: samples)
    let whole = Statistics.passAt1Estimate(first.right.indices.map { p in shares.map { $0[p] } })
    if shares.count < 2 {
      estimate = whole
    } else {
      let problems = whole.standardError ?? 0
      let (low, high) = spread.interval(whole.value, problems: problems)
      // Without any spread, a bound for equal outcomes stands in for the problems' part.
      estimate = Estimate(
        value: whole.value, standardError: spread.error(problems: problems),
        low: max(0, problems == 0 ? min(low, whole.low) : low),
        high: min(1, problems == 0 ? max(high, whole.high) : high))
    }
  }
}

/// How values of several seeds on the same problems spread: over problems, over seeds, and by the samples' chance.
struct Spread {
  let seeds: Int
  let problems: Int
  /// The variance of a seed's mean over new trainings, and what of it is not the samples' chance.
  let ofSeeds: Double
  let betweenSeeds: Double
  /// The variance of one sample's value about its problem's mean, on average.
  let noise: Double
  let samples: Int

  /// - Parameter values: for each seed and problem a mean over `samples` samples.
  init(_ values: [[Double]], samples: Int, noise given: Double? = nil) {
    seeds = values.count
    problems = values.first?.count ?? 0
    self.samples = samples
    let count = Double(samples)
    // Of shares of right samples, the variance of a single one is p (1 - p), n / (n - 1) times as large without bias.
    let own = values.flatMap { $0 }.map { samples > 1 ? $0 * (1 - $0) * count / (count - 1) : 0 }
    noise = given ?? Statistics.mean(own)
    ofSeeds = Statistics.variance(values.map { Statistics.mean($0) })
    betweenSeeds = max(0, ofSeeds - noise / count / Double(max(problems, 1)))
  }

  /// The standard error of the mean over problems and seeds.
  ///
  /// - Parameter error: that over problems.
  func error(problems error: Double) -> Double {
    (error * error + ofSeeds / Double(max(seeds, 1))).squareRoot()
  }

  /// The 95 % interval: each part's half-width by its own degrees of freedom, added as squares. The samples' chance is
  /// in both parts, which makes it a little wide; few seeds make it very wide.
  func interval(_ value: Double, problems error: Double) -> (low: Double, high: Double) {
    let a = Self.student(problems - 1) * error
    let b = seeds > 1 ? Self.student(seeds - 1) * (ofSeeds / Double(seeds)).squareRoot() : 0
    let half = (a * a + b * b).squareRoot()
    return (value - half, value + half)
  }

  /// Student's t at 97.5 %. The expansion for many degrees is too small for one or two.
  static func student(_ degrees: Int) -> Double {
    switch degrees {
    case ...1: 12.706
    case 2: 4.303
    case 3: 3.182
    default: Statistics.studentQuantile975(degrees: degrees)
    }
  }
}

/// Two arms on the same problems.
package struct ArmComparison: Sendable {
  /// The second less the first.
  package let difference: Estimate
  package let verdict: PairedComparison.Verdict
  /// What would decide in four cases of five, were the difference the observed one; empty if the verdict stands.
  package let remedy: String

  /// Nil if they were asked different problems.
  ///
  /// - Parameter pairsSeeds: whether the n-th seed of both is the same, so that what it decides drops out.
  package init?(_ first: ArmScore, _ second: ArmScore, pairsSeeds: Bool) {
    guard let count = first.shares.first?.count, second.shares.allSatisfy({ $0.count == count }) else {
      return nil
    }
    let mean = { (arm: ArmScore, problem: Int) in Statistics.mean(arm.shares.map { $0[problem] }) }
    let differences = (0..<count).map { mean(second, $0) - mean(first, $0) }
    let whole = PairedComparison(first: differences.map { _ in [0] }, second: differences.map { [$0] })
      .difference
    let isPaired = pairsSeeds && first.shares.count == second.shares.count
    let noise =
      Spread(first.shares, samples: first.samples).noise
      + Spread(second.shares, samples: second.samples).noise
    let problems = whole.standardError ?? 0
    var (low, high, between, seeds) = (whole.low, whole.high, 0.0, 1)
    if isPaired, first.shares.count > 1 {
      let rows = zip(first.shares, second.shares).map { a, b in zip(a, b).map { $1 - $0 } }
      let spread = Spread(rows, samples: min(first.samples, second.samples), noise: noise)
      (between, seeds) = (spread.betweenSeeds, spread.seeds)
      (low, high) = spread.interval(whole.value, problems: problems)
    } else if max(first.shares.count, second.shares.count) > 1 {
      // A base has one "seed": its part is zero.
      let parts = [first, second].map { Spread($0.shares, samples: $0.samples) }
      seeds = parts.map(\.seeds).filter { $0 > 1 }.min() ?? 1
      let sum = { (part: (Spread) -> Double) in
        parts.reduce(0) { $0 + part($1) / Double($1.seeds) } * Double(seeds)
      }
      between = sum(\.betweenSeeds)
      let joined = Spread(
        seeds: seeds, problems: count, ofSeeds: sum(\.ofSeeds), betweenSeeds: between, noise: noise,
        samples: first.samples)
      (low, high) = joined.interval(whole.value, problems: problems)
    }
    if problems == 0 { (low, high) = (min(low, whole.low), max(high, whole.high)) }
    difference = Estimate(value: whole.value, standardError: whole.standardError, low: low, high: high)
    verdict = low > 0 ? .better : high < 0 ? .worse : .notDistinguishable
    remedy =
      verdict == .notDistinguishable
      ? WhatDecides(
        observed: abs(whole.value), overProblems: problems * problems, betweenSeeds: between, noise: noise,
        problems: count, samples: min(first.samples, second.samples), seeds: seeds
      ).text : ""
  }
}

extension Spread {
  fileprivate init(
    seeds: Int, problems: Int, ofSeeds: Double, betweenSeeds: Double, noise: Double, samples: Int
  ) {
    (self.seeds, self.problems, self.betweenSeeds, self.noise) = (seeds, problems, betweenSeeds, noise)
    self.ofSeeds = ofSeeds
    self.samples = samples
  }
}
