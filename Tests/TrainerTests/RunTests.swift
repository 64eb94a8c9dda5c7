import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import TinaRuntime
@testable import Trainer

/// Short runs on Pico, from recipe to checkpoint.
@Suite struct RunTests {
  private static let yaml = """
    dataset_path: \(pico)/train.jsonl
    prompt_template: model
    system_prompt: ""
    rl_post_train_reward_funcs: [format, accuracy]
    rl_post_train_reward_weights: [1, 2]
    lora_r: 4
    lora_alpha: 16
    lora_dropout: 0.05
    learning_rate: 1.0e-3
    num_generations: 4
    per_device_train_batch_size: 4
    gradient_accumulation_steps: 3
    max_prompt_length: 128
    max_completion_length: 128
    max_steps: 4
    save_steps: 1
    temperature: 1.0
    """

  private let folder = TemporaryFolder()

  private func run(_ folder: String, threads: Int, stopAt: Int? = nil, dropout: Double = 0.05) async throws
    -> Data
  {
    let model = try Model(path: pico, threads: threads)
    var recipe = try Recipe(
      yaml: Self.yaml.replacingOccurrences(of: "lora_dropout: 0.05", with: "lora_dropout: \(dropout)"),
      path: "r.yaml")
    recipe.stopStep = stopAt
    var options = TrainingOptions(output: folder)
    options.ignoresMissingSignal = true
    options.memory = 2 << 30
    let result = try await TrainingRun(recipe, model: model, options: options).run()
    return try Data(contentsOf: URL(fileURLWithPath: result.adapter))
  }

  /// Stopped after any step and gone on with other threads, a run ends in the same file.
  @Test func resumedRunsEndInTheSameBytes() async throws {
    let (whole, parts) = (folder.path("whole"), folder.path("parts"))
    let expected = try await run(whole, threads: 2)
    _ = try await run(parts, threads: 1, stopAt: 1)
    _ = try await run(parts, threads: 2, stopAt: 3)
    // What a kill leaves behind: a checkpoint that was not finished, and metrics beyond the last whole one.
    try FileManager.default.createDirectory(
      atPath: parts + "/.partial-checkpoint-4", withIntermediateDirectories: true)
    try AppendingFile.append(Array("{\"step\":4,\"loss\":1}\n{\"st".utf8), to: parts + "/metrics.jsonl")
    let resumed = try await run(parts, threads: 2)
    #expect(resumed == expected)
    let lines = MetricsLog.lines(parts + "/metrics.jsonl")
    #expect(lines.map(\.step) == [1, 2, 3, 4])
    #expect(lines.allSatisfy { ($0.values["sampling/checked_tokens"] ?? 0) > 0 })
    #expect(lines.allSatisfy { $0.values["sampling/differing_tokens"] == 0 })
    // The file holds the matrices of the run's state, and knows its base.
    let file = try TinaFile(path: parts + "/checkpoint-4/adapter.tina")
    #expect(file.isExact && file.base != nil)
    let archive = try file.archive()
    #expect(archive.entries.count == 35)
    #expect(archive.training?["step"]?.int == 4)
    let page = try RunReport.html(run: parts)
    #expect(page.contains("<svg") && page.contains("4 steps") && page.contains("million tokens"))
    #expect(!page.contains("http") && !page.contains("src="))
  }

  /// Without dropout every token of every step is compared with the sampler's, and equal.
  @Test func samplerAndTrainerAgreeInEveryBit() async throws {
    _ = try await run(folder.path, threads: 2, stopAt: 3, dropout: 0)
    for line in MetricsLog.lines(folder.path("metrics.jsonl")) {
      #expect((line.values["sampling/checked_tokens"] ?? 0) > 300)
      #expect(line.values["sampling/differing_tokens"] == 0)
      #expect(line.values["adapter_norm"] ?? 0 > 0)
    }
  }

  /// A reward that is always the same stops the run with an explanation.
  @Test func constantRewardsStopTheRun() async throws {
    let recipe = try Recipe(
      yaml: Self.yaml.replacingOccurrences(
        of: "[format, accuracy]", with: "[soft_overlong_punishment, accuracy]\nsoft_punish_cache: 8"),
      path: "r.yaml")
    var options = TrainingOptions(output: folder.path)
    options.memory = 2 << 30
    let training = try TrainingRun(recipe, model: try Model(path: pico, threads: 2), options: options)
    await #expect(throws: TrainerError.self) { try await training.run() }
  }
}
