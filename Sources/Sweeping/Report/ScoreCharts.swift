import Evaluation
import Foundation
import Reporting
import Trainer

/// The score of each arm against what is varied, and against what it cost.
struct ScoreCharts {
  let comparison: RunComparison
  let choice: SweepEvaluation.Choice

  private var arms: [RunComparison.Arm] { comparison.arms }
  private func estimate(_ arm: RunComparison.Arm) -> Estimate? { arm.scores[choice]?.estimate }

  private var scoreAxis: Axis {
    let all = arms.compactMap(estimate) + [comparison.base?.estimate].compactMap(\.self)
    return Axis("Pass@1, problems solved", values: all.flatMap { [$0.low, $0.high] }, unit: .percent)
  }

  var charts: [String] {
    guard arms.contains(where: { estimate($0) != nil }) else { return [] }
    // Runs that are told apart by their names have no order to draw them in.
    return comparison.keys.indices.filter { isAxis($0) && comparison.keys[$0] != "run" }
      .map { againstSetting($0) }
      + [
        against("training FLOPs", "FLOPs of training") { $0.cost.flops },
        comparison.dollarsPerHour == nil
          ? against("time", comparison.timeUnit.name + " of training") { comparison.timeUnit.value($0) }
          : against("dollars", "dollars of training") { comparison.dollars($0) },
        bySteps,
      ].compactMap(\.self)
  }

  /// Keys that move together with an earlier one need no chart of their own.
  private func isAxis(_ key: Int) -> Bool {
    !(0..<key).contains { earlier in
      let pairs = Set(arms.map { [$0.values[earlier], $0.values[key]] })
      return pairs.count == Set(arms.map { $0.values[earlier] }).count
        && pairs.count == Set(arms.map { $0.values[key] }).count
    }
  }

  private func againstSetting(_ key: Int) -> String {
    let names = arms.map { $0.values[key] }
    let (axis, places) = Self.axis(comparison.keys[key], names)
    // Arms that differ in other keys are series of their own.
    let others = arms.map { arm in
      arm.values.indices.filter { $0 != key && isAxis($0) }
        .map { "\(comparison.keys[$0]) \(arm.values[$0])" }.joined(separator: ", ")
    }
    var series: [String] = []
    for other in others where !series.contains(other) { series.append(other) }
    var chart = Chart(
      "Pass@1 against \(comparison.keys[key])", x: axis, y: scoreAxis,
      legend: series.count <= 8 ? series : [], colours: Palette.count(arms.count))
    drawBase(&chart, axis)
    for (number, name) in series.enumerated() {
      let own = arms.indices.filter { others[$0] == name }.sorted { places[$0] < places[$1] }
      chart.curve(own.compactMap { i in estimate(arms[i]).map { (places[i], $0.value) } }, number)
      for i in own { draw(&chart, arms[i], places[i], number) }
    }
    return chart.svg
  }

  /// The interval, the mean, and small the seeds.
  private func draw(_ chart: inout Chart, _ arm: RunComparison.Arm, _ x: Double, _ series: Int) {
    guard let score = arm.scores[choice] else { return }
    chart.line((x, score.estimate.low), (x, score.estimate.high), series)
    chart.dot(x, score.estimate.value, series)
    guard score.shares.count > 1 else { return }
    for share in score.shares { chart.ring(x, Statistics.mean(share), series) }
  }

  private func drawBase(_ chart: inout Chart, _ axis: Axis) {
    guard let base = comparison.base else { return }
    let (low, high) = (axis.range.lowerBound, axis.range.upperBound)
    chart.curve([(low, base.estimate.value), (high, base.estimate.value)], nil)
    chart.label("base", low, base.estimate.value, offset: (4, -4))
  }

  private func against(_ what: String, _ title: String, _ cost: (RunRecord) -> Double?) -> String? {
    let costs = arms.map { $0.mean(cost) }
    guard costs.contains(where: { $0 != nil }) else { return nil }
    let (axis, place) = Self.scale(title, costs.compactMap(\.self))
    var chart = Chart("Pass@1 against \(what)", x: axis, y: scoreAxis, colours: Palette.count(arms.count))
    drawBase(&chart, axis)
    for (i, arm) in arms.enumerated() {
      guard let cost = costs[i] else { continue }
      draw(&chart, arm, place(cost), i)
      guard let score = estimate(arm), arms.count <= 4 else { continue }
      chart.label(arm.values.joined(separator: ", "), place(cost), score.value, offset: (8, 4))
    }
    return chart.svg
  }

  /// The score of every checkpoint, where several of a run were evaluated.
  private var bySteps: String? {
    let points = arms.map { arm -> [(x: Double, y: Double)] in
      let steps = Set(arm.runs.flatMap { $0.result?.scores.compactMap(\.step) ?? [] }).sorted()
      return steps.compactMap { step in
        let scores = arm.runs.compactMap { $0.result?.score(step)?.passAt1 }
        return scores.count == arm.runs.count ? (Double(step), Statistics.mean(scores)) : nil
      }
    }
    guard points.contains(where: { $0.count > 2 }) else { return nil }
    let all = points.flatMap { $0 }
    var chart = Chart(
      "Pass@1 of every checkpoint", x: Axis("step", values: all.map(\.x), isWhole: true),
      y: Axis("Pass@1, problems solved", values: all.map(\.y), unit: .percent),
      colours: Palette.count(arms.count))
    for (i, own) in points.enumerated() {
      chart.curve(own, i)
      guard let turn = arms[i].mean({ $0.transition.map(Double.init) }),
        let there = own.min(by: { abs($0.x - turn) < abs($1.x - turn) })
      else { continue }
      chart.dot(turn, there.y, i)
    }
    return chart.svg
  }

  // MARK: Axes

  /// An axis of a setting: logarithmic for numbers of several magnitudes, names in a row for what is no number.
  static func axis(_ key: String, _ names: [String]) -> (Axis, [Double]) {
    let numbers = names.compactMap { Double($0) }
    guard numbers.count == names.count else {
      var known: [String] = []
      for name in names where !known.contains(name) { known.append(name) }
      // Some 60 letters fit below the axis: names are cut, and of many only some are told.
      let length = min(max(60 / known.count - 1, 6), 14)
      let places = 60 / (length + 1)
      let every = (known.count + places - 1) / places
      let ticks = known.enumerated().filter { $0.offset % every == 0 }.map { i, name in
        (value: Double(i), label: name.count > length ? name.prefix(length - 1) + "…" : name)
      }
      let axis = Axis(key, -0.5...(Double(known.count) - 0.5), ticks: ticks)
      return (axis, names.map { Double(known.firstIndex(of: $0) ?? 0) })
    }
    let (low, high) = (numbers.min() ?? 0, numbers.max() ?? 1)
    let isLogarithmic = low > 0 && high / low >= 8
    let place = { (value: Double) in isLogarithmic ? log(value) : value }
    let margin = max((place(high) - place(low)) * 0.04, 1e-9)
    var ticks: [(value: Double, label: String)] = []
    for (number, name) in zip(numbers, names).sorted(by: { $0.0 < $1.0 })
    where !ticks.contains(where: { abs($0.value - place(number)) < margin }) {
      ticks.append((place(number), name))
    }
    return (Axis(key, (place(low) - margin)...(place(high) + margin), ticks: ticks), numbers.map(place))
  }

  /// An axis of costs: logarithmic if they are of several magnitudes.
  static func scale(_ title: String, _ values: [Double]) -> (Axis, (Double) -> Double) {
    let (low, high) = (values.min() ?? 0, values.max() ?? 1)
    guard low > 0, high / low >= 8 else {
      return (Axis(title, values: values), { $0 })
    }
    let first = Int(log10(low).rounded(.down))
    let last = max(Int(log10(high).rounded(.up)), first + 1)
    let ticks = (first...last).map { power in
      (
        value: Double(power),
        label: abs(power) <= 3 ? String(format: "%g", pow(10, Double(power))) : "1e\(power)"
      )
    }
    return (Axis(title, Double(first)...Double(last), ticks: ticks), { log10($0) })
  }
}
