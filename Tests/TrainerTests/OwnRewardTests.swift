import Foundation
import Judging
import ModelFiles
import Synchronization
import TestSupport
import Testing

@testable import TinaRuntime
@testable import Trainer

/// Rewards of one's own, by commands and by programs, in whole runs on Pico.
@Suite struct OwnRewardTests {
  /// The format reward in Python, of one completion.
  private static let format = "float(c['completion'].count('\\n</think>\\n') == 1)"

  /// A command in Python: `before` each batch, then the value of each completion.
  private static func script(_ value: String, before: String = "pass") -> String {
    """
    import json, os, sys, time
    here = os.path.dirname(sys.argv[0])
    for line in sys.stdin:
        batch = json.loads(line)
        completions = batch["completions"]
        \(before)
        values = [\(value) for c in completions]
        print(json.dumps({"batch": batch["batch"], "values": values}), flush=True)
    """
  }

  private static func keys(_ path: String, _ more: [String: String] = [:]) -> [String: String] {
    [
      "rl_post_train_reward_funcs": "[command, accuracy]", "rl_post_train_reward_weights": "[1, 2]",
      "reward_command": "[python3, \(path)]", "max_completion_length": "64",
    ].merging(more) { $1 }
  }

  private func bytes(_ result: TrainingResult) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: result.adapter))
  }

  /// A command that computes a built-in reward trains the adapter that the built-in one trains, whether learning waits
  /// for it or begins before its last value.
  @Test(arguments: [
    [:], ["scale_rewards": "batch"], ["dynamic_sampling": "true"], ["num_iterations": "2", "beta": "0.04"],
    ["steps_per_generation": "4", "per_device_train_batch_size": "2"],
  ])
  func commandsCountAsBuiltInRewardsDo(keys: [String: String]) async throws {
    let scratch = TemporaryFolder()
    let path = scratch.write("format.py", Self.script(Self.format, before: "time.sleep(0.05)"))
    let (builtIn, own) = (
      ShortRun(keys.merging(["max_completion_length": "64"]) { $1 }), ShortRun(Self.keys(path, keys))
    )
    let last = try await builtIn.run(stopAt: 3).step
    #expect(try await own.run(stopAt: 3).step == last)
    #expect(try own.adapter(last) == builtIn.adapter(last))
    for (mine, theirs) in zip(own.lines, builtIn.lines) {
      #expect(mine.values["reward"] == theirs.values["reward"])
      #expect(mine.values["rewards/command/mean"] == theirs.values["rewards/format_reward/mean"])
      #expect(mine.values["rewards/accuracy_reward/std"] == theirs.values["rewards/accuracy_reward/std"])
      #expect(mine.values["speed/reward_wait_seconds"] != nil)
    }
    let training = try TinaFile(path: own.files.adapter(last)).archive().training
    #expect(training?["rewards"]?.array?.compactMap(\.string) == ["command", "accuracy"])
    let named = training?["reward_commands"]?.object?["command"]?.object
    #expect(named?["command"]?.array?.count == 2 && named?["files"]?.object?[path]?.string?.count == 64)
  }

  /// Stopped and gone on, and with a process that is killed in a step, a run ends in the bytes of an undisturbed one.
  @Test func disturbedRunsEndInTheSameBytes() async throws {
    let scratch = TemporaryFolder()
    let value = "0.01 * c['tokens'] if c['finish_reason'] == 'stop' else None"
    // The second process kills itself in the third batch that is asked in all.
    let death = """
      open(here + '/asked', 'a').write('a')
          if os.path.exists(here + '/deadly') and os.path.getsize(here + '/asked') == 3: os.kill(os.getpid(), 9)
      """
    let path = scratch.write("judge.py", Self.script(value, before: death))
    let (whole, parts) = (ShortRun(Self.keys(path)), ShortRun(Self.keys(path)))
    let expected = try bytes(await whole.run(stopAt: 4))
    _ = try await parts.run(stopAt: 2, threads: 1)
    scratch.write("deadly", "")
    scratch.write("asked", "")
    let told = Mutex<[String]>([])
    let training = try parts.training(stopAt: 4)
    training.onLine = { line in told.withLock { $0.append(line) } }
    #expect(try bytes(await training.run()) == expected)
    #expect(told.withLock { $0.filter { $0.contains("started again") }.count } == 1)
    #expect(training.notes.allSatisfy { !$0.contains("files of a reward command") })
  }

  /// A command whose file has changed since is told of; the run goes on with it.
  @Test func changedCommandsAreTold() async throws {
    let scratch = TemporaryFolder()
    let path = scratch.write("judge.py", Self.script("c['tokens'] / 100"))
    let short = ShortRun(Self.keys(path))
    _ = try await short.run(stopAt: 1)
    scratch.write("judge.py", Self.script("c['tokens'] / 200"))
    let training = try short.training(stopAt: 2)
    #expect(training.notes.contains { $0.contains("files of a reward command are others") })
    _ = try await training.run()
    #expect(try !short.training(stopAt: 3).notes.contains { $0.contains("files of a reward command") })
  }

  /// No step is made from what a broken command says; what was saved before stays, and the run can go on.
  @Test(arguments: [
    ("sys.exit('out of credit')", "out of credit"), ("completions.pop()", "3 values"),
    ("print('thinking')", "thinking"), ("completions[0]['tokens'] = float('inf')", "completion 1"),
  ])
  func brokenCommandsStopTheRun(fault: String, part: String) async throws {
    let scratch = TemporaryFolder()
    let broken = "if os.path.exists(here + '/broken'): \(fault)"
    let path = scratch.write("judge.py", Self.script("c['tokens'] / 100", before: broken))
    let short = ShortRun(Self.keys(path))
    _ = try await short.run(stopAt: 2)
    scratch.write("broken", "")
    do {
      _ = try await short.run(stopAt: 4)
      Issue.record("the run went on")
    } catch let error as TrainerError {
      #expect(error.kind == .reward && error.description.contains(part), "\(error)")
    }
    #expect(short.files.steps.last == 2)
    try FileManager.default.removeItem(atPath: scratch.path("broken"))
    #expect(try await short.run(stopAt: 3).step == 3)
  }

  /// Several commands, each with its name; what the record holds is among what they read.
  @Test func commandsReadAllColumns() async throws {
    let scratch = TemporaryFolder()
    let seen = "open(here + '/seen', 'a').write(line)"
    let first = scratch.write("a.py", Self.script("c['level'] + c['tokens'] / 100", before: seen))
    let second = scratch.write("b.py", Self.script("len(c['completion'])"))
    let data = scratch.write(
      "data.jsonl",
      (1...4).map { #"{"problem": "What is \#($0) + 1?", "answer": \#($0 + 1), "level": \#($0)}"# }
        .joined(separator: "\n"))
    let short = ShortRun(
      [
        "dataset_path": data, "reward_command": "{first: [python3, \(first)], second: [python3, \(second)]}",
        "reward_funcs": "[second]", "reward_weights": "[0.5, 1]", "max_completion_length": "32",
      ], without: ["rl_post_train_reward_funcs", "rl_post_train_reward_weights"])
    _ = try await short.run(stopAt: 1)
    let values = try #require(short.lines.first?.values)
    let (a, b) = (values["rewards/first/mean"] ?? 0, values["rewards/second/mean"] ?? 0)
    #expect(a > 1 && b > 1 && abs((values["reward"] ?? 0) - (0.5 * b + a)) < 1e-9)
    let line = try #require(
      FileManager.default.contents(atPath: scratch.path("seen"))?.split(separator: UInt8(ascii: "\n")).first)
    let batch = try JSON.parse(Array(line), file: "").object
    let completion = try #require(batch?["completions"]?.array?.first?.object)
    #expect(batch?["completions"]?.array?.count == 4)
    #expect(completion["prompt"] == completion["problem"] && completion["answer"]?.string?.count == 1)
    #expect(
      completion.keys == [
        "prompt", "completion", "answer", "finish_reason", "tokens", "problem", "record_answer", "level",
      ])
  }
}

/// Rewards that a program brings along, and the keys of commands.
@Suite struct RewardProtocolTests {
  private struct Even: Reward {
    let name: String
    var needsVerdicts = false
    let value: @Sendable (RewardInput) -> Double?

    func values(_ group: RewardGroup) async throws -> [Double?] {
      if name == "short" { return [1] }
      return group.completions.map(value)
    }
  }

  private func run(_ short: ShortRun, _ rewards: [OwnReward], stopAt: Int = 2) async throws -> TrainingResult
  {
    var recipe = try short.recipe()
    recipe.stopStep = stopAt
    let model = try Model(path: pico, threads: 2, activations: recipe.activations.choice)
    return try await TrainingRun(recipe, model: model, options: short.options, rewards: rewards).run()
  }

  /// A program's reward that repeats a built-in one trains the same adapter, verdicts included.
  @Test func programsRewardAsBuiltInOnes() async throws {
    let keys = ["max_completion_length": "64"]
    let builtIn = ShortRun(keys)
    let own = ShortRun(
      keys.merging(["rl_post_train_reward_funcs": "[format]", "rl_post_train_reward_weights": "[1]"]) { $1 })
    _ = try await builtIn.run(stopAt: 2)
    let accuracy = Even(name: "right", needsVerdicts: true) { $0.isCorrect.map { $0 ? 1 : 0 } }
    _ = try await run(own, [OwnReward(accuracy, weight: 2)])
    #expect(try own.adapter(2) == builtIn.adapter(2))
    // Such a run goes on with the same rewards alone.
    await #expect(throws: TrainerError.self) {
      try await run(own, [OwnReward(accuracy, weight: 3)], stopAt: 3)
    }
    #expect(try await run(own, [OwnReward(accuracy, weight: 2)], stopAt: 3).step == 3)
  }

  @Test func rewardsThatAreNoNumbersStopTheRun() async throws {
    for (name, value) in [("nan", Double.nan), ("endless", .infinity), ("short", 1)] {
      let reward = OwnReward(Even(name: name) { _ in value })
      do {
        _ = try await run(ShortRun(["max_completion_length": "32"]), [reward])
        Issue.record("\(name) went on")
      } catch let error as TrainerError {
        #expect(error.kind == .reward && error.place == "reward " + name, "\(error)")
      }
    }
    for name in ["format", "accuracy_reward", "a b", ""] {
      await #expect(throws: TrainerError.self, "\(name)") {
        try await run(ShortRun(), [OwnReward(Even(name: name) { _ in 1 })])
      }
    }
  }

  private func recipe(_ yaml: String) throws -> Recipe { try Recipe(yaml: yaml, path: "r.yaml") }

  @Test func commandsStandAmongTheRewards() throws {
    let one = try recipe("reward_command: [python3, a.py, 010]")
    #expect(one.rewards.map(\.name) == ["format", "accuracy", "command"])
    #expect(one.rewards.map(\.weight) == [1, 1, 1])
    #expect(one.rewardCommands.map(\.arguments) == [["python3", "a.py", "010"]])
    let named = try recipe(
      """
      reward_command: {b: [b], a: [a]}
      reward_funcs: [a, format]
      reward_weights: [1, 2, 3]
      reward_timeout: 5
      reward_restarts: 0
      """)
    #expect(named.rewards.map(\.name) == ["a", "format", "b"] && named.rewards.map(\.weight) == [1, 2, 3])
    #expect(named.rewardCommands.allSatisfy { $0.timeLimit == 5 && $0.restarts == 0 })
  }

  @Test(arguments: [
    ("reward_command: python3 a.py", "python3 a.py"), ("reward_command: []", "no program"),
    ("reward_command: {}", "0 commands"), ("reward_command: [[a], [b]]", "list within"),
    ("reward_command: {format: [a]}", "format"),
    ("reward_command: {accuracy_reward: [a]}", "accuracy_reward"),
    ("reward_command: {a b: [a]}", "name"), ("reward_command: {a: a}", "found a;"),
    ("reward_timeout: 5", "without reward_command"), ("reward_restarts: 5", "without reward_command"),
    ("reward_command: [a]\nreward_timeout: 0", "0.001"), ("reward_command: [a]\nreward_restarts: 101", "100"),
    ("reward_command: [a]\nreward_weights: [1, 2]", "format, accuracy, command"),
    ("reward_funcs: [command]", "command"),
    ("reward_funcs: [format]\nrl_post_train_reward_funcs: [format]", "one"),
    ("method: sft\nreward_command: [a]", "method: sft"),
  ])
  func keysThatCannotBeAreRefused(yaml: String, part: String) {
    do {
      Issue.record("\(yaml) was read: \(try recipe(yaml).rewards)")
    } catch let error as TrainerError {
      #expect(error.kind == .recipe && error.description.contains(part), "\(error)")
    } catch { Issue.record("\(error)") }
  }
}
