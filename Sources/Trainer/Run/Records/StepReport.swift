import Foundation

/// A step's numbers under TRL's names, and its line for people.
struct StepReport: StepRecord {
  let recipe: Recipe
  /// The run's state after the step.
  let state: RunState
  let metrics: UpdateMetrics
  let rollout: Rollout
  let seconds: Double
  /// Whether the sampler's log-probabilities are the trainer's bits.
  let isExact: Bool
  /// Norm of the adapter's matrices.
  let adapterNorm: Double
  let flops: StepFlops

  var sampled: Rollout? { rollout }

  var values: [(String, Double)] {
    let lengths = rollout.lengths.map(Double.init)
    let ended = zip(lengths, rollout.truncated).filter { !$0.1 }.map(\.0)
    let mean = { (values: [Double]) in values.reduce(0, +) / Double(max(values.count, 1)) }
    let totals = rollout.groups.flatMap(\.rewards)
    var values: [(String, Double)] = [
      ("loss", metrics.loss), ("grad_norm", metrics.gradientNorm), ("learning_rate", metrics.learningRate),
      ("reward", mean(totals.compactMap { $0 })), ("reward_std", Advantages.deviation(totals)),
      ("frac_reward_zero_std", flatShare), ("completion_length", mean(lengths)),
      ("completions/mean_length", mean(lengths)), ("completions/min_length", lengths.min() ?? 0),
      ("completions/max_length", lengths.max() ?? 0), ("completions/clipped_ratio", rollout.truncatedShare),
      ("completions/mean_terminated_length", mean(ended)),
      ("completions/min_terminated_length", ended.min() ?? 0),
      ("completions/max_terminated_length", ended.max() ?? 0), ("entropy", metrics.entropy),
      ("num_tokens", Double(state.tokens)),
      ("step_time", seconds), ("tokens_per_second", Double(rollout.tokens) / max(seconds, 1e-6)),
      ("speed/rollout_seconds", rollout.seconds), ("adapter_norm", adapterNorm),
      ("update_norm", metrics.changeNorm), ("skipped_steps", Double(state.skipped)),
    ]
    values += sampling
    if recipe.loss.type == .cispo {
      values.append(("cispo_clip_ratio", metrics.highClipMean))
    } else {
      values += [
        ("clip_ratio/low_mean", metrics.lowClipMean), ("clip_ratio/low_min", metrics.lowClipMin),
        ("clip_ratio/high_mean", metrics.highClipMean), ("clip_ratio/high_max", metrics.highClipMax),
        ("clip_ratio/region_mean", metrics.regionClipMean),
      ]
    }
    if recipe.refillsGroups { values.append(("sampling/asked_problems", Double(rollout.asked))) }
    let isFirst = (state.step - 1).isMultiple(of: recipe.stepsPerRollout)
    values += flops.values(
      rollout.groups.map { ($0.prompt.count, $0.completions.map(\.count)) }, samples: isFirst,
      hasReference: isFirst && recipe.loss.beta != 0, share: 1 / Double(recipe.rolloutParts))
    if let wait = rollout.rewardWait { values.append(("speed/reward_wait_seconds", wait)) }
    if let kl = metrics.kl { values.append(("kl", kl)) }
    if let rate = metrics.productRate { values.append(("speed/product_gflops", rate)) }
    if let rate = metrics.passRate { values.append(("speed/pass_gflops", rate)) }
    for (component, rows) in zip(recipe.rewards, rollout.values) {
      let all = rows.flatMap { $0 }
      values.append(("rewards/\(component.loggedName)/mean", mean(all.compactMap { $0 })))
      values.append(("rewards/\(component.loggedName)/std", Advantages.deviation(all)))
    }
    return values
  }

  /// Whether the sampler agrees with the trainer: to the bit, or how far it is off.
  private var sampling: [(String, Double)] {
    guard !isExact else {
      return [
        ("sampling/checked_tokens", Double(metrics.checkedTokens)),
        ("sampling/differing_tokens", Double(metrics.differingTokens)),
      ]
    }
    guard let mismatch = metrics.mismatch else { return [] }
    let differences = [
      ("sampling/sampling_logp_difference/mean", mismatch.mean),
      ("sampling/sampling_logp_difference/max", mismatch.largest),
    ]
    guard recipe.correction.isOn else { return differences }
    let ratio = mismatch.ratio
    return differences + [
      ("sampling/importance_sampling_ratio/min", ratio.least),
      ("sampling/importance_sampling_ratio/mean", ratio.mean),
      ("sampling/importance_sampling_ratio/max", ratio.most),
    ]
  }

  private var flatShare: Double {
    let flat = rollout.groups.count { Advantages.deviation($0.rewards) < 1e-8 }
    return Double(flat) / Double(max(rollout.groups.count, 1))
  }

  func line(stopStep: Int) -> String {
    let v = Dictionary(values) { $1 }
    let f = { (format: String, key: String) in String(format: format, v[key] ?? 0) }
    let parts = recipe.rewards.map { component in
      let name = "rewards/" + component.loggedName
      return component.name + " " + f("%.2f", name + "/mean") + " ± " + f("%.2f", name + "/std")
    }
    let left = Double(stopStep - state.step) * state.spentSeconds / Double(max(state.step, 1))
    return [
      "step \(state.step)/\(stopStep)",
      "reward " + f("%.2f", "reward") + " (" + parts.joined(separator: ", ") + ")",
      "flat groups " + String(format: "%.0f %%", 100 * flatShare),
      metrics.kl.map { String(format: "KL %.4f", $0) },
      metrics.mismatch.map { String(format: "sampler off by %.4f", $0.mean) },
      "gradient " + f("%.2g", "grad_norm"),
      "adapter " + f("%.2f", "adapter_norm") + " + " + f("%.1e", "update_norm"),
      "length " + f("%.0f", "completions/mean_length"),
      "cut " + String(format: "%.0f %%", 100 * rollout.truncatedShare),
      f("%.0f tokens/s", "tokens_per_second"),
      state.dollars.map { String(format: "$%.2f", $0) },
      left >= 90 ? String(format: "%.0f min left", left / 60) : String(format: "%.0f s left", left),
    ].compactMap(\.self).joined(separator: " · ")
  }
}
