import Foundation
public import ModelFiles
package import Reporting
import Support

/// A run's curves and sample completions as one HTML page, which needs no other file.
public enum RunReport {
  /// Makes the page from a run's folder.
  ///
  /// - Throws: ``TrainerError`` if the folder holds no run.
  public static func html(run folder: String) throws(TrainerError) -> String {
    let lines = MetricsLog.lines(folder + "/metrics.jsonl")
    guard !lines.isEmpty else {
      throw TrainerError(
        .checkpoint, place: folder, found: "no metrics.jsonl with steps", expected: "the folder of a run",
        advice: "Name the folder that was given to tina train --output.")
    }
    let origin = Origin(folder)
    let marks = try? JSON.parse(path: folder + "/marks.json").object
    let turn = marks?["transition_step"]?.int
    var names = ["reward"]
    for name in lines.flatMap(\.values.keys).sorted()
    where name.hasPrefix("rewards/") && name.hasSuffix("/mean") {
      if !names.contains(name) { names.append(name) }
    }
    names += [
      "eval/pass_at_1", "eval/format", "loss", "mean_token_accuracy", "completions/mean_length",
      "completions/clipped_ratio", "kl",
      "grad_norm",
      "adapter_norm", "entropy", "frac_reward_zero_std", "learning_rate", "tokens_per_second",
      "speed/product_gflops",
    ]
    let charts = names.compactMap { name -> String? in
      let points = lines.compactMap { line in line.values[name].map { (x: Double(line.step), y: $0) } }
      return points.isEmpty ? nil : chart(name, points, turn: turn)
    }
    var facts = origin.facts + ["\(lines.map(\.step).max() ?? 0) steps"]
    facts += summary(lines)
    if let best = marks?["best_on_held_out"]?.int {
      facts.append("best on held-out problems: checkpoint-\(best)")
    }
    if let turn { facts.append("phase transition at step \(turn)") }
    if let last = marks?["last_before_transition"]?.int {
      facts.append("last checkpoint before it: checkpoint-\(last)")
    }
    let samples = spread(MetricsLog.objects(folder + "/samples.jsonl"), 12).map { sample in
      let reward = sample["reward"]?.double.map { String(format: "%.2f", $0) } ?? "none"
      let text = { (key: String) in htmlEscaped(sample[key]?.string ?? "") }
      return "<h3>Step \(sample["step"]?.int ?? 0), reward \(reward)</h3>"
        + "<p>\(text("problem"))</p><pre>\(text("completion"))</pre>"
    }
    let notes = MetricsLog.objects(folder + "/" + MetricsLog.notes).map { note in
      let step = note["step"]?.int ?? 0
      return "<li>\(step > 0 ? "Step \(step): " : "")\(htmlEscaped(note["note"]?.string ?? ""))</li>"
    }
    return ReportFrame(title: origin.title).page(
      """
      <h1>\(htmlEscaped(origin.title))</h1><p class="lead">\(htmlEscaped(facts.joined(separator: " · ")))</p>
      \(notes.isEmpty ? "" : "<h2>Notes</h2><ul>\(notes.joined())</ul>")
      <div class="plots">\(charts.joined(separator: "\n"))</div>
      <h2>Completions over time</h2>
      \(samples.joined(separator: "\n"))
      """)
  }

  /// The run's length and gains, in a few words.
  private static func summary(_ lines: [MetricsLog.Line]) -> [String] {
    var facts: [String] = []
    let last = { (key: String) in lines.compactMap { $0.values[key] }.last }
    let seconds = lines.compactMap { $0.values["step_time"] }.reduce(0, +)
    if seconds > 0 {
      facts += RunCosts.parts(
        seconds: seconds, tokens: Int(clamping: Int64(last("num_tokens") ?? 0)), flops: last("flops/total"),
        dollars: last("dollars"))
    }
    for (name, title) in [("eval/pass_at_1", "held-out Pass@1"), ("eval/format", "format")] {
      let values = lines.compactMap { $0.values[name] }
      guard let first = values.first, let last = values.last, values.count > 1 else { continue }
      facts.append(String(format: "%@ %.1f %% → %.1f %%", title, 100 * first, 100 * last))
    }
    if let skipped = lines.compactMap({ $0.values["skipped_steps"] }).last, skipped > 0 {
      facts.append("\(Int(skipped)) steps not made")
    }
    return facts
  }

  private static func spread(_ all: [JSONObject], _ count: Int) -> [JSONObject] {
    guard all.count > count else { return all }
    return (0..<count).map { all[$0 * (all.count - 1) / (count - 1)] }
  }

  /// What a number is called, and how its axis is.
  package static func axis(_ name: String) -> (title: String, unit: Axis.Unit) {
    switch name {
    case "eval/pass_at_1": ("held-out problems solved", .percent)
    case "eval/format": ("held-out answers in the format", .percent)
    case "completions/mean_length": ("tokens", .plain)
    case "completions/clipped_ratio": ("completions cut off", .percent)
    case "frac_reward_zero_std": ("groups of one reward", .percent)
    case "loss": ("loss", .plain)
    case "mean_token_accuracy": ("most probable tokens", .percent)
    case "entropy": ("nats a token", .plain)
    case "kl": ("nats a token", .plain)
    case "tokens_per_second": ("tokens/s", .plain)
    case "speed/product_gflops": ("GFLOP/s", .plain)
    case "learning_rate": ("learning rate", .plain)
    case "grad_norm", "adapter_norm": ("norm", .plain)
    default: ("reward", .plain)
    }
  }

  /// A chart: values in grey, smoothed values in colour, the transition as a line.
  private static func chart(_ name: String, _ points: [(x: Double, y: Double)], turn: Int?) -> String {
    var smooth = points[0].y
    let smoothed = points.map { point -> (x: Double, y: Double) in
      smooth += 0.1 * (point.y - smooth)
      return (point.x, smooth)
    }
    let (title, unit) = axis(name)
    var chart = Chart(
      name, x: Axis("step", values: points.map(\.x), isWhole: true),
      y: Axis(title, values: points.map(\.y), unit: unit))
    let isSmoothed = points.count > 4
    if isSmoothed { chart.curve(points, nil) }
    chart.curve(isSmoothed ? smoothed : points, 0)
    if let turn { chart.mark(x: Double(turn), "transition") }
    return chart.svg
  }

  /// Where a run's adapter comes from.
  private struct Origin {
    var title = "Training run"
    var facts: [String] = []

    init(_ folder: String) {
      if let about = (try? JSON.parse(path: folder + "/about.json"))?.object {
        let text = { (key: String) in about[key]?.string }
        facts += RunSetup.facts(about)
        let name = URL(fileURLWithPath: folder).standardizedFileURL.lastPathComponent
        title = [text("base"), name, text("data").map { "trained on \($0)" }].compactMap(\.self)
          .joined(separator: " · ")
      }
      let attributes = try? FileManager.default.attributesOfItem(atPath: folder + "/metrics.jsonl")
      if let date = attributes?[.modificationDate] as? Date {
        facts.append(date.formatted(.iso8601.year().month().day()))
      }
    }
  }
}
