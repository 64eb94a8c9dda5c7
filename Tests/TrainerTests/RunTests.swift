import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import TinaRuntime
@testable import Trainer

/// Short runs on Pico, from recipe to checkpoint.
@Suite struct RunTests {
  private let settings = [
    "gradient_accumulation_steps": "3", "max_completion_length": "128", "max_steps": "4",
  ]

  /// Stopped after any step and gone on with other threads, a run ends in the same file.
  @Test func resumedRunsEndInTheSameBytes() async throws {
    let dropout = settings.merging(["lora_dropout": "0.05"]) { $1 }
    let (whole, parts) = (ShortRun(dropout), ShortRun(dropout))
    func bytes(_ result: TrainingResult) throws -> Data {
      try Data(contentsOf: URL(fileURLWithPath: result.adapter))
    }
    let expected = try bytes(await whole.run())
    _ = try await parts.run(stopAt: 1, threads: 1)
    _ = try await parts.run(stopAt: 3)
    // What a kill leaves behind: a checkpoint that was not finished, and metrics beyond the last whole one.
    try FileManager.default.createDirectory(
      atPath: parts.folder + "/.partial-checkpoint-4", withIntermediateDirectories: true)
    try AppendingFile.append(
      Array("{\"step\":4,\"loss\":1}\n{\"st".utf8), to: parts.folder + "/metrics.jsonl")
    #expect(try bytes(await parts.run()) == expected)
    #expect(parts.lines.map(\.step) == [1, 2, 3, 4])
    #expect(parts.lines.allSatisfy { ($0.values["sampling/checked_tokens"] ?? 0) > 0 })
    #expect(parts.lines.allSatisfy { $0.values["sampling/differing_tokens"] == 0 })
    // The file holds the matrices of the run's state, and knows its base.
    let file = try TinaFile(path: parts.files.adapter(4))
    #expect(file.isExact && file.base != nil)
    let archive = try file.archive()
    #expect(archive.entries.count == 35)
    #expect(archive.training?["step"]?.int == 4)
    let page = try RunReport.html(run: parts.folder)
    #expect(page.contains("<svg") && page.contains("4 steps") && page.contains("million tokens"))
    #expect(!page.contains("http") && !page.contains("src="))
  }

  /// Without dropout every token of every step is compared with the sampler's, and equal.
  @Test func samplerAndTrainerAgreeInEveryBit() async throws {
    let short = ShortRun(settings)
    _ = try await short.run(stopAt: 3)
    for line in short.lines {
      #expect((line.values["sampling/checked_tokens"] ?? 0) > 300)
      #expect(line.values["sampling/differing_tokens"] == 0)
      #expect(line.values["adapter_norm"] ?? 0 > 0)
    }
  }

  /// A reward that is always the same stops the run with an explanation.
  @Test func constantRewardsStopTheRun() async throws {
    var short = ShortRun([
      "rl_post_train_reward_funcs": "[soft_overlong_punishment, accuracy]", "soft_punish_cache": "8",
    ])
    short.options.ignoresMissingSignal = false
    await #expect(throws: TrainerError.self) { try await short.run() }
  }

  /// A reward that is as high as it can be is no fault, as long as another teaches something.
  @Test func rewardsThatWereLearntMayBeConstant() throws {
    let recipe = try Recipe(yaml: "rl_post_train_reward_funcs: [format, accuracy]", path: "r.yaml")
    func check(_ format: [Double?], _ accuracy: [Double?]) throws {
      var rollout = Rollout(2)
      rollout.values = [[format], [accuracy]]
      var check = SignalCheck(recipe, isIgnored: false)
      try check.check(rollout, step: 1)
    }
    try check([1, 1], [0, 1])
    let constant: [([Double?], [Double?])] = [
      ([0, 0], [0, 1]), ([1, 1], [1, 1]), ([1, 1], [0, 0]), ([1, 0], [0, 0]), ([nil, nil], [0, 1]),
    ]
    for (format, accuracy) in constant {
      #expect(throws: TrainerError.self) { try check(format, accuracy) }
    }
  }
}
