import Evaluation
import Foundation
import Testing

@testable import Sweeping

/// Whether intervals over problems and seeds hold what they promise, by simulation of trainings whose true score is
/// known.
@Suite struct ArmStatisticsTests {
  private struct Random: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var z = state
      z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
      z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
      return z ^ (z >> 31)
    }
    mutating func uniform() -> Double { Double.random(in: 0..<1, using: &self) }
    mutating func normal() -> Double {
      (-2 * log(1 - uniform())).squareRoot() * cos(2 * .pi * uniform())
    }
  }

  /// Scores of some seeds: problems of varied difficulty, seeds that move all of them.
  private func scores(
    _ random: inout Random, difficulties: [Double], shift: Double, seedSpread: Double, seeds: Int,
    samples: Int
  ) -> [RunResult.Score] {
    (0..<seeds).map { _ in
      let seed = seedSpread * random.normal()
      let right = difficulties.map { difficulty in
        let p = 1 / (1 + exp(-(difficulty + shift + seed)))
        return (0..<samples).count { _ in random.uniform() < p }
      }
      return RunResult.Score(step: 1, samples: samples, right: right, format: 1, truncated: 0, meanTokens: 1)
    }
  }

  private func truth(shift: Double, seedSpread: Double) -> Double {
    var random = Random(state: 99)
    let draws = (0..<200_000).map { _ in
      1 / (1 + exp(-(1.2 * random.normal() + shift + seedSpread * random.normal())))
    }
    return draws.reduce(0, +) / Double(draws.count)
  }

  @Test(arguments: [(3, 0.0), (3, 0.3), (5, 0.3), (1, 0.0)])
  func intervalsHoldTheTruth(seeds: Int, seedSpread: Double) throws {
    var random = Random(state: UInt64(seeds) &+ UInt64(seedSpread * 1000))
    let expected = truth(shift: 0.4, seedSpread: seedSpread)
    let rounds = 160
    var held = 0
    for _ in 0..<rounds {
      let difficulties = (0..<80).map { _ in 1.2 * random.normal() }
      let arm = try #require(
        ArmScore(
          scores(
            &random, difficulties: difficulties, shift: 0.4, seedSpread: seedSpread, seeds: seeds, samples: 4)
        ))
      if arm.estimate.low <= expected, expected <= arm.estimate.high { held += 1 }
    }
    // 95 % of 160 is 152, with a standard deviation of 2.8.
    #expect(held >= 143, "\(held) of \(rounds)")
  }

  /// Two arms that are equal in truth are told apart in about one comparison of twenty.
  @Test func equalArmsAreSeldomToldApart() throws {
    var random = Random(state: 5)
    var told = 0
    for _ in 0..<160 {
      let difficulties = (0..<80).map { _ in 1.2 * random.normal() }
      let arms = try (0..<2).map { _ in
        try #require(
          ArmScore(
            scores(&random, difficulties: difficulties, shift: 0, seedSpread: 0.3, seeds: 3, samples: 4)))
      }
      let found = try #require(ArmComparison(arms[0], arms[1], pairsSeeds: true))
      if found.verdict != .notDistinguishable { told += 1 }
    }
    #expect(told <= 17, "\(told) of 160")
  }

  @Test func aClearDifferenceIsTold() throws {
    var random = Random(state: 6)
    let difficulties = (0..<100).map { _ in random.normal() }
    let (low, high) = try (
      #require(
        ArmScore(
          scores(&random, difficulties: difficulties, shift: 0, seedSpread: 0.05, seeds: 3, samples: 4))),
      #require(
        ArmScore(
          scores(&random, difficulties: difficulties, shift: 1.5, seedSpread: 0.05, seeds: 3, samples: 4)))
    )
    let found = try #require(ArmComparison(low, high, pairsSeeds: true))
    #expect(found.verdict == .better && found.remedy.isEmpty)
    #expect(try #require(ArmComparison(high, low, pairsSeeds: true)).verdict == .worse)
  }

  @Test func whatWouldDecideIsSaid() throws {
    func score(_ right: [Int], _ samples: Int) -> RunResult.Score {
      RunResult.Score(step: 1, samples: samples, right: right, format: 1, truncated: 0, meanTokens: 1)
    }
    func arm(_ right: [[Int]], _ samples: Int) throws -> ArmScore {
      try #require(ArmScore(right.map { score($0, samples) }))
    }
    // The same problems at chance: only more samples are needed.
    let chance = try #require(
      ArmComparison(
        arm([[1, 2, 3, 2, 1, 2, 3, 2]], 4), arm([[2, 3, 2, 2, 2, 3, 2, 3]], 4), pairsSeeds: true))
    #expect(
      chance.verdict == .notDistinguishable && chance.remedy.contains("samples a problem"), "\(chance.remedy)"
    )
    // Every problem has one outcome: more problems are needed.
    let fixed = try #require(
      ArmComparison(
        arm([[4, 0, 4, 0, 4, 0, 4, 4]], 4), arm([[4, 4, 0, 0, 4, 4, 4, 0]], 4), pairsSeeds: true))
    #expect(fixed.remedy == "no difference was observed")
    // Seeds disagree by far more than they differ.
    let seeds = try #require(
      ArmComparison(
        arm([[4, 4, 4, 4], [0, 0, 0, 0], [2, 2, 2, 2]], 4),
        arm([[2, 2, 2, 3], [2, 3, 2, 2], [2, 2, 3, 2]], 4), pairsSeeds: false))
    #expect(seeds.verdict == .notDistinguishable)
    #expect(seeds.remedy.contains("seeds") || seeds.remedy.contains("problems"), "\(seeds.remedy)")
  }

  @Test func otherProblemsAreNotCompared() throws {
    let score = { (right: [Int]) in
      RunResult.Score(step: 1, samples: 2, right: right, format: 1, truncated: 0, meanTokens: 1)
    }
    #expect(ArmScore([score([1, 2]), score([1])]) == nil)
    let (a, b) = try (#require(ArmScore([score([1, 2])])), #require(ArmScore([score([1, 2, 0])])))
    #expect(ArmComparison(a, b, pairsSeeds: true) == nil)
  }
}
