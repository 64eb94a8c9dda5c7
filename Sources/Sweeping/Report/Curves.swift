import Foundation
import Reporting
import Trainer

/// Metrics of many runs over their steps: a line for each arm, and a band from its lowest to its highest seed.
struct Curves {
  /// So many points of a curve at most: more can't be seen, and make the page large.
  static let points = 120

  let arms: [RunComparison.Arm]

  /// The metrics that are drawn, if runs have them.
  private var names: [String] {
    let known = Set(arms.flatMap(\.runs).flatMap { $0.lines.flatMap(\.values.keys) })
    let rewards = known.filter { $0.hasPrefix("rewards/") && $0.hasSuffix("/mean") }.sorted()
    let names =
      ["reward"] + rewards + [
        "eval/pass_at_1", "eval/format", "loss", "completions/mean_length", "completions/clipped_ratio", "kl",
        "entropy", "grad_norm", "adapter_norm", "frac_reward_zero_std", "tokens_per_second",
      ]
    return names.filter { known.contains($0) }
  }

  /// The charts as SVG.
  var charts: [String] { names.map { chart($0) } }

  private func chart(_ name: String) -> String {
    let bands = arms.map { Self.band(of: $0, name) }
    let all = bands.flatMap { $0 }
    let (title, unit) = name == "loss" ? ("loss", .plain) : RunReport.axis(name)
    var chart = Chart(
      name, x: Axis("step", values: all.map(\.x), isWhole: true),
      y: Axis(title, values: all.flatMap { [$0.low, $0.high] }, unit: unit),
      colours: Palette.count(arms.count))
    for (i, band) in bands.enumerated() where arms[i].runs.count > 1 {
      chart.band(band.map { ($0.x, $0.low, $0.high) }, i)
    }
    for (i, band) in bands.enumerated() {
      chart.curve(band.map { ($0.x, $0.mean) }, i)
      guard let turn = arms[i].mean({ $0.transition.map(Double.init) }),
        let there = band.min(by: { abs($0.x - turn) < abs($1.x - turn) })
      else { continue }
      chart.dot(turn, there.mean, i)
    }
    return chart.svg
  }

  struct Place {
    let x: Double
    let mean: Double
    let low: Double
    let high: Double
  }

  /// An arm's values, smoothed as in a run's own report, over all its seeds.
  static func band(of arm: RunComparison.Arm, _ name: String) -> [Place] {
    var byStep: [Int: [Double]] = [:]
    for run in arm.runs {
      for (step, value) in smoothed(run.lines, name) { byStep[step, default: []].append(value) }
    }
    // A step that not all seeds have would make the mean jump.
    let steps = byStep.filter { $0.value.count == arm.runs.count }.keys.sorted()
    let width = max(1, Int((Double(steps.count) / Double(points)).rounded(.up)))
    return stride(from: 0, to: steps.count, by: width).map { first in
      let bin = steps[first..<min(first + width, steps.count)]
      let values = bin.map { byStep[$0] ?? [] }
      let mean = { (values: [Double]) in values.reduce(0, +) / Double(max(values.count, 1)) }
      return Place(
        x: mean(bin.map(Double.init)), mean: mean(values.map(mean)), low: mean(values.map { $0.min() ?? 0 }),
        high: mean(values.map { $0.max() ?? 0 }))
    }
  }

  private static func smoothed(_ lines: [MetricsLog.Line], _ name: String) -> [(Int, Double)] {
    let points = lines.compactMap { line in line.values[name].map { (line.step, $0) } }
    guard points.count > 4, !name.hasPrefix("eval/"), var smooth = points.first?.1 else { return points }
    return points.map { step, value in
      smooth += 0.1 * (value - smooth)
      return (step, smooth)
    }
  }
}

/// The colours of arms: the page's own for a few; a row from blue to red for many.
enum Palette {
  static func count(_ arms: Int) -> Int { max(arms, Chart.colourCount) }

  /// Rules for the colours that the page's common style lacks.
  static func style(_ arms: Int) -> String {
    guard arms > Chart.colourCount else { return "" }
    let rules = (0..<arms).map { i in
      let hue = 250 - 250 * Double(i) / Double(arms - 1)
      let colour = "hsl(\(Int(hue)) 65% var(--bright))"
      return ".series\(i){stroke:\(colour)}.series\(i).fill{fill:\(colour);stroke:none}"
    }
    return ":root{--bright:40%}@media(prefers-color-scheme:dark){:root{--bright:68%}}\n"
      + rules.joined(separator: "\n")
  }
}
