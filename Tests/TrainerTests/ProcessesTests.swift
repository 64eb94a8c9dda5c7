import AdapterFormat
import Foundation
import ModelFiles
import Processes
import Synchronization
import TestSupport
import Testing

@testable import TinaRuntime
@testable import Trainer

/// Several processes make the run that one makes, bit for bit.
@Suite struct ProcessesTests {
  /// A step on groups of several passes, with what is computed before it.
  @Test(arguments: [2, 3, 4, 7], [nil, 0.5])
  func manyTakeTheStepOfOne(count: Int, quantile: Double?) async throws {
    @Sendable func step(_ processes: any ProcessGroup) throws -> (UpdateMetrics, [Float]) {
      let golden = try GradientCase(try #require(GradientCase.names.first { $0.hasPrefix("all/") }))
      let model = try Model(path: tiny(golden.model), threads: 1)
      let parameters = try golden.parameters(model)
      var settings = try UpdateSettings.defaults()
      settings.batchSize = 3
      settings.iterations = 2
      settings.loss.beta = 0.1
      if let quantile { settings.loss.topEntropyShare = quantile }
      // Groups of several passes.
      settings.rowLimit = 12
      let update = PolicyUpdate(
        try PolicyPass(model), parameters, settings, OptimizerSettings(learningRate: 1e-3),
        LearningRateSchedule(.constant, warmupSteps: 0, totalSteps: 2), processes: processes)
      let groups = (0..<5).map { g in
        ScoredGroup(
          prompt: (0..<4 + g).map { ($0 * 7 + g) % 90 }, completions: golden.batch.completions,
          isTruncated: golden.batch.completions.map { _ in false },
          rewards: golden.batch.completions.indices.map { Double(($0 + g) % 3) }, sampled: nil)
      }
      let generation = try update.prepare(groups)
      _ = try update.step(generation, number: 0)
      return (try update.step(generation, number: 1), parameters.values.all)
    }
    let expected = try step(SingleProcess())
    for result in await Meeting(count).run({ try step($0) }) {
      let found = try result.get()
      #expect(sameBits(found.1, expected.1))
      #expect(found.0.loss == expected.0.loss && found.0.kl == expected.0.kl)
      #expect(found.0.gradientNorm == expected.0.gradientNorm && found.0.entropy == expected.0.entropy)
      #expect(found.0.regionClipMean == expected.0.regionClipMean)
    }
  }

  /// What a run's folder holds that is not time.
  private static func files(_ short: ShortRun, _ steps: [Int]) throws -> [String: Data] {
    var result: [String: Data] = [:]
    for step in steps {
      let folder = short.folder + "/checkpoint-\(step)/"
      for name in ["adapter.tina", "optimizer.bin"] {
        result["\(step)/\(name)"] = try Data(contentsOf: URL(fileURLWithPath: folder + name))
      }
    }
    let times = ["step_time", "tokens_per_second"]
    result["metrics"] = Data(
      short.lines.map { line in
        let values = line.values.filter { key, _ in !key.hasPrefix("speed/") && !times.contains(key) }
        return "\(line.step): "
          + values.sorted { $0.key < $1.key }.map { "\($0)=\($1.bitPattern)" }.joined(separator: " ")
      }.joined(separator: "\n").utf8)
    result["samples"] = try? Data(contentsOf: URL(fileURLWithPath: short.folder + "/samples.jsonl"))
    return result
  }

  private static func run(
    _ short: ShortRun, processes: Int, stopAt: Int? = nil
  ) async throws {
    let results = await Meeting(processes).run { member in
      var mine = short
      // Only the first process writes.
      if member.rank > 0 { mine.options.output = "/nowhere/at/all" }
      return try await mine.run(stopAt: stopAt, threads: 1, processes: member).step
    }
    for result in results { _ = try result.get() }
  }

  /// Runs whose dropout, refilled groups and held-out problems meet several processes.
  @Test(arguments: [
    [:],
    [
      "lora_dropout": "0.1", "eval_dataset_path": "five of them", "eval_steps": "2",
      "num_iterations": "2", "beta": "0.02",
    ],
    ["dynamic_sampling": "true"],
  ])
  func runsAreTheSameFiles(changes: [String: String]) async throws {
    var changes = changes
    let few = TemporaryFolder()
    if changes["eval_dataset_path"] != nil {
      let lines = try String(contentsOfFile: pico + "/heldout.jsonl", encoding: .utf8).split(separator: "\n")
      try (lines.prefix(5).joined(separator: "\n") + "\n")
        .write(toFile: few.path + "/few.jsonl", atomically: true, encoding: .utf8)
      changes["eval_dataset_path"] = few.path + "/few.jsonl"
    }
    let alone = ShortRun(changes)
    _ = try await alone.run(stopAt: 4)
    let expected = try Self.files(alone, [2, 4])
    for count in [2, 3] {
      let shared = ShortRun(changes)
      try await Self.run(shared, processes: count, stopAt: 4)
      let found = try Self.files(shared, [2, 4])
      for (name, bytes) in expected { #expect(found[name] == bytes, "\(name) by \(count) processes") }
    }
  }

  @Test func supervisedRunsAreTheSameFiles() async throws {
    let changes = ["dataset_path": "\(pico)/solutions.jsonl", "max_length": "160", "lora_dropout": "0.1"]
      .merging(["gradient_accumulation_steps": "3", "per_device_train_batch_size": "2"]) { $1 }
    let alone = ShortRun(supervised: changes)
    _ = try await alone.run(stopAt: 3)
    let shared = ShortRun(supervised: changes)
    try await Self.run(shared, processes: 2, stopAt: 3)
    #expect(try Self.files(shared, [1, 3]) == Self.files(alone, [1, 3]))
  }

  /// A run goes on under other numbers of processes.
  @Test func runsGoOnUnderAnotherNumber() async throws {
    let alone = ShortRun()
    _ = try await alone.run(stopAt: 4)
    let shared = ShortRun()
    try await Self.run(shared, processes: 3, stopAt: 1)
    try await Self.run(shared, processes: 1, stopAt: 2)
    try await Self.run(shared, processes: 2, stopAt: 4)
    // The files of steps at which a run was stopped are whole, others hold differences.
    #expect(try shared.adapter(4) == alone.adapter(4))
    #expect(try Self.files(shared, [4])["4/optimizer.bin"] == Self.files(alone, [4])["4/optimizer.bin"])
  }

  private static func keys(rewardOf path: String) -> [String: String] {
    [
      "rl_post_train_reward_funcs": "[command, accuracy]", "reward_command": "[python3, \(path)]",
      "max_completion_length": "64",
    ]
  }

  /// The first process alone asks a reward's program; all learn from its values.
  @Test func oneProcessAsksForRewards() async throws {
    let scratch = TemporaryFolder()
    let path = scratch.write(
      "judge.py",
      """
      import json, os, sys
      open(os.path.dirname(sys.argv[0]) + '/started', 'a').write('s')
      for line in sys.stdin:
          batch = json.loads(line)
          values = [c['tokens'] / 100 if c['tokens'] % 3 else None for c in batch['completions']]
          print(json.dumps({'batch': batch['batch'], 'values': values}), flush=True)
      """)
    let alone = ShortRun(Self.keys(rewardOf: path))
    _ = try await alone.run(stopAt: 3)
    let shared = ShortRun(Self.keys(rewardOf: path))
    try await Self.run(shared, processes: 2, stopAt: 3)
    #expect(try Self.files(shared, [1, 3]) == Self.files(alone, [1, 3]))
    #expect(try String(contentsOfFile: scratch.path("started"), encoding: .utf8) == "ss")
  }

  /// A program without an answer ends all processes; the one that asked it says why.
  @Test func aBrokenRewardEndsAll() async throws {
    let scratch = TemporaryFolder()
    let path = scratch.write("judge.py", "import sys; sys.exit('out of credit')")
    let short = ShortRun(Self.keys(rewardOf: path))
    let results = await Meeting(2).run { member in
      try await short.run(stopAt: 1, threads: 1, processes: member).step
    }
    let error = #expect(throws: ProcessFailure.self) { try results[0].get() }
    #expect(error?.description.contains("out of credit") == true)
    #expect(throws: FailedElsewhere.self) { try results[1].get() }
  }

  /// A process that would give other bits is refused before anything is written.
  @Test func processesThatDifferAreRefused() async throws {
    let short = ShortRun()
    let results = await Meeting(2).run { member in
      var mine = short
      if member.rank == 1 { mine.options.cacheType = .f32 }
      return try mine.training(threads: 1, processes: member).notes
    }
    let error = #expect(throws: ProcessFailure.self) { try results[0].get() }
    #expect(error?.description.contains("rank 1 of 2 on host: found cache type f32; expected f16") == true)
    #expect(throws: FailedElsewhere.self) { try results[1].get() }
    #expect(!FileManager.default.fileExists(atPath: short.folder + "/about.json"))
  }

  /// When a process is gone the others end, and what is saved is whole.
  @Test func aLostProcessEndsTheRun() async throws {
    let short = ShortRun()
    let meeting = Meeting(2)
    let results = await meeting.run { member in
      let training = try short.training(threads: 1, processes: member)
      if member.rank == 0 { training.onLine = { if $0.hasPrefix("step 2") { meeting.lose() } } }
      return try await training.run().step
    }
    for result in results { #expect(throws: (any Error).self) { try result.get() } }
    let last = try #require(short.files.steps.last)
    #expect((1...2).contains(last))
    _ = try await short.run(stopAt: 3)
    let alone = ShortRun()
    _ = try await alone.run(stopAt: 3)
    #expect(try short.adapter(3) == alone.adapter(3))
  }
}
