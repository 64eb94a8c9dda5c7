import Foundation
import ModelFiles
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
    let marks = try? JSON.parse(path: folder + "/marks.json").object
    let turn = marks?["transition_step"]?.int
    var names = ["reward"]
    for name in lines.flatMap(\.values.keys).sorted()
    where name.hasPrefix("rewards/") && name.hasSuffix("/mean") {
      if !names.contains(name) { names.append(name) }
    }
    names += [
      "eval/pass_at_1", "eval/format", "completions/mean_length", "completions/clipped_ratio", "kl",
      "grad_norm",
      "adapter_norm", "entropy", "frac_reward_zero_std", "learning_rate", "tokens_per_second",
      "speed/product_gflops",
    ]
    let charts = names.compactMap { name -> String? in
      let points = lines.compactMap { line in line.values[name].map { (Double(line.step), $0) } }
      return points.isEmpty ? nil : chart(name, points, turn: turn)
    }
    var facts = ["\(lines.map(\.step).max() ?? 0) steps"]
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
    return """
      <!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
      <title>Training run</title><style>
      body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222;\
      background:#fff}
      .grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(20rem,1fr));gap:1.5rem}
      figure{margin:0}figcaption{font-weight:600}svg{width:100%;height:auto}
      pre{white-space:pre-wrap;background:#f5f5f5;padding:.7rem;border-radius:4px}
      </style><h1>Training run</h1><p>\(htmlEscaped(facts.joined(separator: " · ")))</p>
      <div class="grid">\(charts.joined(separator: "\n"))</div>
      <h2>Completions over time</h2>
      \(samples.joined(separator: "\n"))
      </html>
      """ + "\n"
  }

  /// The run's length and gains, in a few words.
  private static func summary(_ lines: [MetricsLog.Line]) -> [String] {
    var facts: [String] = []
    let seconds = lines.compactMap { $0.values["step_time"] }.reduce(0, +)
    if seconds > 0 {
      facts.append(
        seconds < 600
          ? String(format: "%.0f s in steps", seconds) : String(format: "%.1f h in steps", seconds / 3600))
    }
    if let tokens = lines.compactMap({ $0.values["num_tokens"] }).last {
      facts.append(String(format: "%.2f million tokens", tokens / 1e6))
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

  /// A chart: values in grey, smoothed values in blue, the transition as a red line.
  private static func chart(_ name: String, _ points: [(Double, Double)], turn: Int?) -> String {
    let (width, height, left, bottom) = (360.0, 180.0, 48.0, 20.0)
    let xs = points.map(\.0)
    let ys = points.map(\.1)
    let (x0, x1) = (xs.min() ?? 0, max((xs.max() ?? 1), (xs.min() ?? 0) + 1))
    let low = ys.min() ?? 0
    let high = max(ys.max() ?? 1, low + max(abs(low) * 1e-6, 1e-9))
    func x(_ value: Double) -> Double { left + (value - x0) / (x1 - x0) * (width - left - 8) }
    func y(_ value: Double) -> Double { 8 + (high - value) / (high - low) * (height - bottom - 8) }
    func path(_ values: [(Double, Double)]) -> String {
      values.map { String(format: "%.1f,%.1f", x($0.0), y($0.1)) }.joined(separator: " ")
    }
    var smooth = ys[0]
    let smoothed = points.map { point -> (Double, Double) in
      smooth += 0.1 * (point.1 - smooth)
      return (point.0, smooth)
    }
    let mark =
      turn.map {
        String(
          format: "<line x1='%.1f' x2='%.1f' y1='8' y2='%.1f' stroke='#c00' stroke-dasharray='4 3'/>",
          x(Double($0)),
          x(Double($0)), height - bottom)
      } ?? ""
    func label(_ value: Double, _ at: Double) -> String {
      String(
        format: "<text x='%.1f' y='%.1f' text-anchor='end' font-size='10'>%.3g</text>", left - 4, at, value)
    }
    return """
      <figure><figcaption>\(htmlEscaped(name))</figcaption><svg viewBox='0 0 \(Int(width)) \(Int(height))' role='img'>
      <polyline points='\(path(points))' fill='none' stroke='#bbb'/>
      <polyline points='\(path(points.count > 4 ? smoothed : points))' fill='none' stroke='#06c' stroke-width='2'/>
      \(mark)\(label(high, 14))\(label(low, height - bottom))
      <text x='\(left)' y='\(height - 6)' font-size='10'>\(Int(x0))</text>
      <text x='\(width - 8)' y='\(height - 6)' font-size='10' text-anchor='end'>\(Int(x1))</text></svg></figure>
      """
  }
}
