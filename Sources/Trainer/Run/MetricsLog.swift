import Foundation
import ModelFiles

/// A run's numbers: `metrics.jsonl` and TensorBoard's files, under TRL's names; `samples.jsonl` with completions.
struct MetricsLog {
  struct Line {
    let step: Int
    let values: [String: Double]
  }

  let folder: String
  private var events: EventFile?
  private var path: String { folder + "/metrics.jsonl" }

  init(folder: String) { self.folder = folder }

  mutating func write(step: Int, _ values: [(String, Double)]) throws(TrainerError) {
    let finite = values.filter { $0.1.isFinite }
    let members: [(key: String, value: JSONValue)] =
      [("step", JSONValue(step))] + finite.map { ($0.0, JSONValue($0.1)) }
    try AppendingFile.append(Array((JSONValue.object(JSONObject(members)).text() + "\n").utf8), to: path)
    let now = Date().timeIntervalSince1970
    if events == nil { events = try EventFile(folder: folder, step: step, time: now) }
    try events?.write(finite, step: step, time: now)
  }

  /// One completion of each of the first two groups.
  func writeSamples(step: Int, _ rollout: Rollout) throws(TrainerError) {
    for g in rollout.groups.indices.prefix(2) {
      guard let text = rollout.texts[g].first else { continue }
      let object = JSONObject([
        ("step", JSONValue(step)), ("problem", .string(rollout.problems[g].text)),
        ("completion", .string(text)),
        ("reward", rollout.groups[g].rewards[0].map { JSONValue($0) } ?? .null),
      ])
      try AppendingFile.append(
        Array((JSONValue.object(object).text() + "\n").utf8), to: folder + "/samples.jsonl")
    }
  }

  func lines() -> [Line] { Self.lines(path) }

  static func objects(_ path: String) -> [JSONObject] {
    guard let data = FileManager.default.contents(atPath: path) else { return [] }
    return data.split(separator: UInt8(ascii: "\n")).compactMap {
      (try? JSON.parse(Array($0), file: path))?.object
    }
  }

  static func lines(_ path: String) -> [Line] {
    objects(path).compactMap { object in
      guard let step = object["step"]?.int else { return nil }
      var values: [String: Double] = [:]
      for key in object.keys where key != "step" { values[key] = object[key]?.double }
      return Line(step: step, values: values)
    }
  }

  /// Drops what was written after a step that the run goes back to.
  func cut(after step: Int) throws {
    for name in ["metrics.jsonl", "samples.jsonl"]
    where FileManager.default.fileExists(atPath: folder + "/" + name) {
      let kept = Self.objects(folder + "/" + name).filter { ($0["step"]?.int ?? .max) <= step }
      try Checkpoint.writeText(
        kept.map { JSONValue.object($0).text() + "\n" }.joined(), to: folder + "/" + name)
    }
  }

  // MARK: What is logged

  static func values(
    _ run: TrainingRun, _ metrics: UpdateMetrics, _ rollout: Rollout, seconds: Double
  ) -> [(String, Double)] {
    let lengths = rollout.lengths.map(Double.init)
    let ended = zip(lengths, rollout.truncated).filter { !$0.1 }.map(\.0)
    let mean = { (values: [Double]) in values.reduce(0, +) / Double(max(values.count, 1)) }
    let totals = rollout.groups.flatMap(\.rewards)
    var values: [(String, Double)] = [
      ("loss", metrics.loss), ("grad_norm", metrics.gradientNorm), ("learning_rate", metrics.learningRate),
      ("reward", mean(totals.compactMap { $0 })), ("reward_std", Advantages.deviation(totals)),
      ("frac_reward_zero_std", flatShare(rollout)), ("completion_length", mean(lengths)),
      ("completions/mean_length", mean(lengths)), ("completions/min_length", lengths.min() ?? 0),
      ("completions/max_length", lengths.max() ?? 0), ("completions/clipped_ratio", rollout.truncatedShare),
      ("completions/mean_terminated_length", mean(ended)),
      ("completions/min_terminated_length", ended.min() ?? 0),
      ("completions/max_terminated_length", ended.max() ?? 0), ("entropy", metrics.entropy),
      ("clip_ratio/low_mean", metrics.lowClipMean), ("clip_ratio/low_min", metrics.lowClipMin),
      ("clip_ratio/high_mean", metrics.highClipMean), ("clip_ratio/high_max", metrics.highClipMax),
      ("clip_ratio/region_mean", metrics.regionClipMean), ("num_tokens", Double(run.state.tokens)),
      ("step_time", seconds), ("tokens_per_second", Double(rollout.tokens) / seconds),
      ("speed/rollout_seconds", rollout.seconds), ("adapter_norm", run.parameters.values.norm),
      ("update_norm", metrics.changeNorm),
      ("sampling/checked_tokens", Double(metrics.checkedTokens)),
      ("sampling/differing_tokens", Double(metrics.differingTokens)),
      ("skipped_steps", Double(run.state.skipped)),
    ]
    if let kl = metrics.kl { values.append(("kl", kl)) }
    if let rate = metrics.productRate { values.append(("speed/product_gflops", rate)) }
    if let rate = metrics.passRate { values.append(("speed/pass_gflops", rate)) }
    for (component, rows) in zip(run.reward.components, rollout.values) {
      let all = rows.flatMap { $0 }
      values.append(("rewards/\(component.kind.loggedName)/mean", mean(all.compactMap { $0 })))
      values.append(("rewards/\(component.kind.loggedName)/std", Advantages.deviation(all)))
    }
    return values
  }

  private static func flatShare(_ rollout: Rollout) -> Double {
    let flat = rollout.groups.count { Advantages.deviation($0.rewards) < 1e-8 }
    return Double(flat) / Double(max(rollout.groups.count, 1))
  }

  /// A step in a line for people.
  static func health(_ run: TrainingRun, _ metrics: UpdateMetrics, _ rollout: Rollout, seconds: Double)
    -> String
  {
    let v = Dictionary(values(run, metrics, rollout, seconds: seconds)) { $1 }
    let f = { (format: String, key: String) in String(format: format, v[key] ?? 0) }
    let parts = run.reward.components.map { component in
      let name = "rewards/" + component.kind.loggedName
      return component.kind.rawValue + " " + f("%.2f", name + "/mean") + " ± " + f("%.2f", name + "/std")
    }
    let left = Double(run.stopStep - run.state.step) * run.state.spentSeconds / Double(max(run.state.step, 1))
    let dollars = run.state.spentSeconds / 3600 * run.options.dollarsPerHour
    return [
      "step \(run.state.step)/\(run.stopStep)",
      "reward " + f("%.2f", "reward") + " (" + parts.joined(separator: ", ") + ")",
      "flat groups " + String(format: "%.0f %%", 100 * (v["frac_reward_zero_std"] ?? 0)),
      metrics.kl.map { String(format: "KL %.4f", $0) }, "gradient " + f("%.2g", "grad_norm"),
      "adapter " + f("%.2f", "adapter_norm") + " + " + f("%.1e", "update_norm"),
      "length " + f("%.0f", "completions/mean_length"),
      "cut " + String(format: "%.0f %%", 100 * rollout.truncatedShare),
      f("%.0f tokens/s", "tokens_per_second"),
      run.options.dollarsPerHour > 0 ? String(format: "$%.2f", dollars) : nil,
      left >= 90 ? String(format: "%.0f min left", left / 60) : String(format: "%.0f s left", left),
    ].compactMap(\.self).joined(separator: " · ")
  }
}

/// Checkpoints that stand out, in `marks.json`.
struct RunMarks {
  var best: Int?
  var bestPass = -1.0
  var transition: Int?
  var beforeTransition: Int?

  func write(_ folder: String) throws(ModelFilesError) {
    let number = { (value: Int?) in value.map { JSONValue($0) } ?? .null }
    let object = JSONObject([
      ("best_on_held_out", number(best)), ("best_pass_at_1", bestPass < 0 ? .null : JSONValue(bestPass)),
      ("transition_step", number(transition)), ("last_before_transition", number(beforeTransition)),
    ])
    try Checkpoint.writeText(JSONValue.object(object).text(indent: 1) + "\n", to: folder + "/marks.json")
  }

  static func read(_ folder: String) -> RunMarks {
    var marks = RunMarks()
    guard let object = (try? JSON.parse(path: folder + "/marks.json"))?.object else { return marks }
    marks.best = object["best_on_held_out"]?.int
    marks.bestPass = object["best_pass_at_1"]?.double ?? -1
    return marks
  }
}
