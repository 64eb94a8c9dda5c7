import Evaluation
import Foundation
import ModelFiles
import Trainer

/// Many runs beside each other: those that differ in the seed alone make an arm.
package struct RunComparison: Sendable {
  /// Runs of the same settings.
  package struct Arm: Sendable {
    /// The settings that differ, in the order of ``RunComparison/keys``.
    package let values: [String]
    package let title: String
    package var runs: [RunRecord]
    /// The evaluated score by choice of checkpoint.
    package var scores: [SweepEvaluation.Choice: ArmScore] = [:]

    package func mean(_ value: (RunRecord) -> Double?) -> Double? {
      let all = runs.compactMap(value)
      return all.isEmpty ? nil : all.reduce(0, +) / Double(all.count)
    }
  }

  /// The second arm against the first.
  package struct Pair: Sendable {
    package let first: String
    package let second: String
    package let choice: SweepEvaluation.Choice
    package let comparison: ArmComparison
  }

  package let title: String
  /// The settings that differ.
  package let keys: [String]
  package let arms: [Arm]
  /// Those without an adapter, if the base was evaluated.
  package let base: ArmScore?
  package let pairs: [Pair]
  package let choices: [SweepEvaluation.Choice]
  package let dollarsPerHour: Double?
  /// Settings that all runs share, for the page's head.
  package let shared: [(key: String, value: String)]

  var timeUnit: TimeUnit { TimeUnit(longest: arms.flatMap(\.runs).map(\.cost.seconds).max() ?? 0) }

  /// - Parameters:
  ///   - runs: in the order in which they are shown.
  ///   - base: the base's evaluation.
  ///   - order: keys that come first, as a sweep has them.
  package init(
    _ title: String, _ runs: [RunRecord], base: RunResult?, dollarsPerHour: Double?, order: [String] = []
  ) {
    self.title = title
    self.dollarsPerHour = dollarsPerHour
    var keys = Self.differing(runs, order)
    func values(_ run: RunRecord) -> [String] {
      keys.map { $0 == "run" ? run.name : run.settings[$0] ?? "–" }
    }
    // Two runs of the same settings and seed differ in something that their folders don't tell.
    if Set(runs.map { values($0) + [$0.seed] }).count < runs.count { keys.append("run") }
    self.keys = keys
    var arms: [Arm] = []
    for run in runs {
      let own = values(run)
      if let index = arms.firstIndex(where: { $0.values == own }) {
        arms[index].runs.append(run)
      } else {
        let title = zip(keys, own).map { $0 == "run" ? $1 : "\($0) \($1)" }.joined(separator: ", ")
        arms.append(Arm(values: own, title: title.isEmpty ? "all runs" : title, runs: [run]))
      }
    }
    // Only scores of the same problems are compared.
    let problems = runs.compactMap { $0.result?.problems }.first ?? base?.problems
    var choices: [SweepEvaluation.Choice] = []
    for choice in [SweepEvaluation.Choice.last, .best, .beforeTransition] {
      // Where no run had a transition, that is the last checkpoint again.
      guard choice != .beforeTransition || runs.contains(where: { $0.result?.beforeTransition != nil }) else {
        continue
      }
      for i in arms.indices {
        let scores = arms[i].runs.compactMap { $0.result?.problems == problems ? $0.score(choice) : nil }
        guard scores.count == arms[i].runs.count else { continue }
        arms[i].scores[choice] = ArmScore(scores)
      }
      if arms.contains(where: { $0.scores[choice] != nil }) { choices.append(choice) }
    }
    self.choices = choices
    self.arms = arms
    let own = base?.problems == problems ? base?.score(nil).flatMap { ArmScore([$0]) } : nil
    self.base = own
    pairs = Self.pairs(arms, own, choices)
    let differing = keys
    shared = (runs.first?.settings ?? [:]).filter { !differing.contains($0.key) }.sorted { $0.key < $1.key }
      .map { ($0.key, $0.value) }
  }

  /// The keys in which runs differ, in their order or the alphabet's; those of numbers first.
  private static func differing(_ runs: [RunRecord], _ order: [String]) -> [String] {
    let keys = Set(runs.flatMap(\.settings.keys))
    let different = keys.filter { key in
      let values = Set(runs.map { run in canonical(run.settings[key] ?? "–") })
      return values.count > 1
    }
    let own = different.filter { order.contains($0) }
    let shown = different.filter { own.contains($0) || !follows($0, from: own, runs) }
    return shown.sorted { a, b in
      let places = [a, b].map { order.firstIndex(of: $0) ?? order.count }
      if places[0] != places[1] { return places[0] < places[1] }
      let numbers = [a, b].map { key in runs.allSatisfy { Double($0.settings[key] ?? "") != nil } }
      return numbers[0] == numbers[1] ? a < b : numbers[0]
    }
  }

  /// Whether a key's value follows from those of a sweep's keys, as a default does: it is no difference of its own.
  private static func follows(_ key: String, from keys: Set<String>, _ runs: [RunRecord]) -> Bool {
    guard !keys.isEmpty else { return false }
    var values: [[String]: String] = [:]
    return runs.allSatisfy { run in
      let value = run.settings[key] ?? "–"
      let known = values.updateValue(value, forKey: keys.sorted().map { run.settings[$0] ?? "–" })
      return known == nil || known == value
    }
  }

  private static func canonical(_ text: String) -> String { Double(text).map { "\($0)" } ?? text }

  /// Every pair of a few arms; of many, each against the base and against the best.
  private static func pairs(
    _ arms: [Arm], _ base: ArmScore?, _ choices: [SweepEvaluation.Choice]
  ) -> [Pair] {
    var pairs: [Pair] = []
    guard let choice = choices.first else { return [] }
    func add(
      _ first: (String, ArmScore?), _ second: (String, ArmScore?), _ pairsSeeds: Bool,
      _ choice: SweepEvaluation.Choice
    ) {
      guard let a = first.1, let b = second.1, let found = ArmComparison(a, b, pairsSeeds: pairsSeeds) else {
        return
      }
      pairs.append(Pair(first: first.0, second: second.0, choice: choice, comparison: found))
    }
    for arm in arms { add(("base", base), (arm.title, arm.scores[choice]), false, choice) }
    let seeds = arms.map { Set($0.runs.map(\.seed)) }
    let best = arms.indices.max {
      (arms[$0].scores[choice]?.estimate.value ?? -1) < (arms[$1].scores[choice]?.estimate.value ?? -1)
    }
    for i in arms.indices {
      for j in arms.indices where j > i && (arms.count <= 8 || i == best || j == best) {
        add(
          (arms[i].title, arms[i].scores[choice]), (arms[j].title, arms[j].scores[choice]),
          seeds[i] == seeds[j], choice)
      }
    }
    // The same runs, stopped elsewhere.
    for other in choices.dropFirst() {
      for arm in arms {
        let name = { (choice: SweepEvaluation.Choice) in arm.title + ", " + choice.title }
        add((name(choice), arm.scores[choice]), (name(other), arm.scores[other]), true, other)
      }
    }
    return pairs
  }

  /// Dollars of a run's steps; nil without a price.
  package func dollars(_ run: RunRecord) -> Double? { dollarsPerHour.map { run.cost.seconds / 3600 * $0 } }
}

extension SweepEvaluation.Choice {
  /// For people.
  package var title: String {
    switch self {
    case .last: "last checkpoint"
    case .best: "best on held-out problems"
    case .beforeTransition: "before the transition"
    case .all: "all checkpoints"
    }
  }
}
