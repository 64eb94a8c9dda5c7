import AdapterFormat
import Foundation
import ModelFiles
import Processes
import TestSupport

@testable import TinaRuntime
@testable import Trainer

/// A short run on Pico that a test can disturb.
struct ShortRun {
  private let temporary = TemporaryFolder()
  private var values = [
    "dataset_path": "\(pico)/train.jsonl", "prompt_template": "model", "system_prompt": "\"\"",
    "rl_post_train_reward_funcs": "[format, accuracy]", "rl_post_train_reward_weights": "[1, 2]",
    "lora_r": "4", "lora_alpha": "16", "lora_dropout": "0.0", "learning_rate": "1.0e-3",
    "num_generations": "4", "per_device_train_batch_size": "4", "gradient_accumulation_steps": "2",
    "max_prompt_length": "128", "max_completion_length": "96", "max_steps": "8", "save_steps": "1",
    "temperature": "1.0",
  ]
  /// Beside the recipe.
  var options: TrainingOptions

  /// - Parameters:
  ///   - changes: keys of the recipe, with other values than usual.
  ///   - removed: keys that it lacks.
  init(_ changes: [String: String] = [:], without removed: [String] = []) {
    for key in removed { values[key] = nil }
    values.merge(changes) { $1 }
    options = TrainingOptions(output: temporary.path)
    options.ignoresMissingSignal = true
    options.memory = 2 << 30
  }

  /// A run of supervised fine-tuning.
  init(supervised changes: [String: String]) {
    let all = ["method": "sft", "per_device_train_batch_size": "4", "gradient_accumulation_steps": "1"]
    self.init(
      all.merging(changes) { $1 },
      without: [
        "rl_post_train_reward_funcs", "rl_post_train_reward_weights", "num_generations", "max_steps",
      ])
  }

  func run(
    stopAt: Int? = nil, threads: Int = 2, processes: any ProcessGroup = SingleProcess(),
    completions: (any CompletionSource)? = nil
  ) async throws -> TrainingResult {
    try await training(stopAt: stopAt, threads: threads, processes: processes, completions: completions).run()
  }

  func training(
    stopAt: Int? = nil, threads: Int = 2, processes: any ProcessGroup = SingleProcess(),
    completions: (any CompletionSource)? = nil
  ) throws -> TrainingRun {
    var recipe = try recipe()
    recipe.stopStep = stopAt
    return try TrainingRun(
      recipe, model: try Model(path: pico, threads: threads, activations: recipe.activations.choice),
      options: options, completions: completions,
      processes: processes)
  }

  func recipe() throws -> Recipe {
    let yaml = values.sorted { $0.key < $1.key }.map { $0 + ": " + $1 }.joined(separator: "\n")
    return try Recipe(yaml: yaml, path: "r.yaml")
  }

  func adapter(_ step: Int) throws -> [Data] {
    let archive = try TinaFile(path: files.adapter(step)).archive()
    return try archive.entries.flatMap { entry -> [Data] in
      guard case .lowRank(let pair) = entry.content else { throw CancellationError() }
      return [pair.a, pair.b].map { tensor in unsafe tensor.bytes.withUnsafeBytes { unsafe Data($0) } }
    }
  }

  var folder: String { temporary.path }
  var files: RunFolder { RunFolder(path: folder, seed: 42) }
  var lines: [MetricsLog.Line] { MetricsLog.lines(folder + "/metrics.jsonl") }
}
