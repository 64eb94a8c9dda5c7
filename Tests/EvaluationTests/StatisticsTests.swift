import Foundation
import Testing

@testable import Evaluation

@Suite struct StatisticsTests {
  /// Every subset of k samples, counted.
  private func bruteForce(_ n: Int, _ c: Int, _ k: Int) -> Double {
    var hits = 0
    var all = 0
    for subset in 0..<(1 << n) where subset.nonzeroBitCount == k {
      all += 1
      // The first c samples are the right ones.
      if subset & ((1 << c) - 1) != 0 { hits += 1 }
    }
    return Double(hits) / Double(all)
  }

  @Test func passAtKEqualsCountingEverySubset() throws {
    for n in 1...9 {
      for c in 0...n {
        for k in 1...n {
          let found = try #require(Statistics.passAt(k, [(n: n, c: c)]))
          #expect(abs(found - bruteForce(n, c, k)) < 1e-12, "n \(n), c \(c), k \(k)")
        }
      }
    }
    #expect(Statistics.passAt(3, [(n: 2, c: 1)]) == nil)
  }

  @Test func passAtKOfManySamplesDoesNotOverflow() throws {
    let found = try #require(Statistics.passAt(512, [(n: 1024, c: 3)]))
    #expect(abs(found - (1 - 0.124634)) < 1e-3)
  }

  @Test func passAt1IsTheMeanOverProblemsOfTheMeanOverSamples() {
    let correct = [[1.0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]]
    #expect(Statistics.passAt1(correct) == 0.5)
    #expect(Statistics.passAt1Estimate(correct).value == 0.5)
  }

  @Test func samplingErrorIsThatOfRepeatedRuns() throws {
    // Three problems of known chances, four samples each: the formula against the spread of many runs.
    let chances = [0.2, 0.5, 0.9]
    var draws = Draws(seed: 7)
    func run() -> [[Double]] {
      chances.map { p in (0..<4).map { _ in Double(draws.next() >> 11) * 0x1p-53 < p ? 1 : 0 } }
    }
    let runs = (0..<4000).map { _ in run() }
    let spread = Statistics.standardDeviation(runs.map(Statistics.passAt1))
    let errors = runs.compactMap(Statistics.samplingError).map { $0 * $0 }
    let told = Statistics.mean(errors).squareRoot()
    #expect(abs(told / spread - 1) < 0.05, "told \(told), observed \(spread)")
    #expect(Statistics.samplingError([[1], [0]]) == nil)
  }

  /// Problems drawn from a population of unequal chances, sampled a few times each: the 95 % interval must hold
  /// the population's mean in about 95 % of the evaluations.
  @Test(arguments: [(30, 1), (30, 4), (100, 8)])
  func theIntervalCoversWhatItPromises(problems: Int, samples: Int) {
    var draws = Draws(seed: UInt64(problems * 100 + samples))
    func uniform() -> Double { Double(draws.next() >> 11) * 0x1p-53 }
    let evaluations = 400
    var covered = 0
    for run in 0..<evaluations {
      // Chances are squares of uniform numbers: mean 1/3.
      let correct = (0..<problems).map { _ in
        let chance = pow(uniform(), 2)
        return (0..<samples).map { _ in uniform() < chance ? 1.0 : 0.0 }
      }
      let estimate = Statistics.bootstrapMean(correct.map(Statistics.mean), draws: 1000, seed: UInt64(run))
      if estimate.low <= 1 / 3.0, 1 / 3.0 <= estimate.high { covered += 1 }
    }
    let share = Double(covered) / Double(evaluations)
    #expect((0.92...0.985).contains(share), "covered \(share)")
  }

  @Test func equalOutcomesAreNotCertain() {
    let all = Statistics.passAt1Estimate(Array(repeating: [1.0], count: 30))
    #expect(all.value == 1 && all.high == 1)
    #expect(all.low < 0.95 && all.low > 0.8)
    let none = Statistics.passAt1Estimate(Array(repeating: [0.0], count: 30))
    #expect(none.low == 0 && none.high > 0.05)
  }

  @Test func studentsQuantileMatchesTheTable() {
    for (degrees, quantile) in [(4, 2.776), (9, 2.262), (29, 2.045), (99, 1.984), (999, 1.962)] {
      #expect(abs(Statistics.studentQuantile975(degrees: degrees) - quantile) < 0.008, "\(degrees)")
    }
  }
}

@Suite struct ComparisonTests {
  private func outcomes(_ chances: [Double], _ samples: Int, seed: UInt64) -> [[Double]] {
    var draws = Draws(seed: seed)
    return chances.map { p in (0..<samples).map { _ in Double(draws.next() >> 11) * 0x1p-53 < p ? 1 : 0 } }
  }

  @Test func aClearDifferenceIsSeenEitherWay() {
    let weak = outcomes(Array(repeating: 0.3, count: 100), 8, seed: 1)
    let strong = outcomes(Array(repeating: 0.6, count: 100), 8, seed: 2)
    #expect(PairedComparison(first: weak, second: strong).verdict == .better)
    #expect(PairedComparison(first: strong, second: weak).verdict == .worse)
    #expect(PairedComparison(first: weak, second: strong).remedy == .none)
  }

  @Test func theSameContestantIsNotDistinguishable() {
    let one = outcomes(Array(repeating: 0.5, count: 50), 4, seed: 3)
    let comparison = PairedComparison(first: one, second: one)
    #expect(comparison.verdict == .notDistinguishable)
    #expect(comparison.remedy == .unknown)
  }

  /// Two contestants that are equally good must be told apart in about one comparison of twenty.
  @Test func falseAlarmsAreRare() {
    var alarms = 0
    for run in 0..<400 {
      let chances = outcomes([Double](repeating: 0.5, count: 40), 3, seed: UInt64(run)).map(Statistics.mean)
      let first = outcomes(chances, 4, seed: UInt64(10_000 + run))
      let second = outcomes(chances, 4, seed: UInt64(20_000 + run))
      if PairedComparison(first: first, second: second).verdict != .notDistinguishable { alarms += 1 }
    }
    #expect(alarms < 36, "\(alarms) of 400")
  }

  @Test func theRemedySaysWhatDecides() {
    // Hard and easy problems, common to both: the difference lies in the samples' noise alone.
    let chances = (0..<60).map { Double($0) / 60 }
    let first = outcomes(chances.map { $0 * 0.9 }, 4, seed: 5)
    let second = outcomes(chances.map { min($0 * 0.97, 1) }, 4, seed: 11)
    let comparison = PairedComparison(first: first, second: second)
    if comparison.verdict == .notDistinguishable, comparison.difference.value != 0 {
      switch comparison.remedy {
      case .samples(let count): #expect(count > 4)
      case .problems(let count): #expect(count > 60)
      default: Issue.record("\(comparison.remedy)")
      }
    }
    // With one sample each nothing is known of their noise: only more problems can be advised.
    let single = PairedComparison(first: first.map { [$0[0]] }, second: second.map { [$0[1]] })
    if single.verdict == .notDistinguishable, single.difference.value != 0 {
      guard case .problems(let count) = single.remedy else {
        Issue.record("\(single.remedy)")
        return
      }
      #expect(count > 60)
    }
  }
}
