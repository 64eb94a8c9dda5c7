import Foundation

/// The numbers of a step of supervised fine-tuning under TRL's names, and its line for people.
struct SupervisedReport: StepRecord {
  let state: RunState
  let metrics: UpdateMetrics
  /// Passes through all documents so far.
  let epoch: Double
  let documents: Int
  /// Floating-point operations, by their names in the log.
  let flops: [(String, Double)]
  /// Tokens of the step's documents.
  let tokens: Int
  let seconds: Double
  /// Norm of the adapter's matrices.
  let adapterNorm: Double

  var sampled: Rollout? { nil }

  var values: [(String, Double)] {
    var values: [(String, Double)] = [
      ("loss", metrics.loss), ("grad_norm", metrics.gradientNorm), ("learning_rate", metrics.learningRate),
      ("entropy", metrics.entropy), ("mean_token_accuracy", metrics.accuracy ?? 0),
      ("num_tokens", Double(state.tokens)), ("epoch", epoch), ("documents", Double(documents)),
      ("step_time", seconds), ("tokens_per_second", Double(tokens) / max(seconds, 1e-6)),
      ("adapter_norm", adapterNorm), ("update_norm", metrics.changeNorm),
      ("skipped_steps", Double(state.skipped)),
    ]
    values += flops
    if let rate = metrics.productRate { values.append(("speed/product_gflops", rate)) }
    if let rate = metrics.passRate { values.append(("speed/pass_gflops", rate)) }
    return values
  }

  func line(stopStep: Int) -> String {
    let left = Double(stopStep - state.step) * state.spentSeconds / Double(max(state.step, 1))
    return [
      "step \(state.step)/\(stopStep)", String(format: "loss %.4f", metrics.loss),
      String(format: "most probable %.1f %%", 100 * (metrics.accuracy ?? 0)),
      String(format: "entropy %.2f", metrics.entropy), String(format: "gradient %.2g", metrics.gradientNorm),
      String(format: "adapter %.2f + %.1e", adapterNorm, metrics.changeNorm),
      String(format: "epoch %.2f", epoch),
      String(format: "%.0f tokens/s", Double(tokens) / max(seconds, 1e-6)),
      state.dollars.map { String(format: "$%.2f", $0) },
      left >= 90 ? String(format: "%.0f min left", left / 60) : String(format: "%.0f s left", left),
    ].compactMap(\.self).joined(separator: " · ")
  }
}
