import Foundation
import Problems
import TestSupport
import Testing

@testable import TinaRuntime
@testable import Trainer

/// Recipes and data files that somebody else wrote: read, or refused with an error that names the file; nothing else.
@Suite struct HostileInputTests {
  static let scraps = [
    "[", "]", "{", "}", ": ", "- ", "\n", "\t", "&a ", "*a", "!!int ", "'", "\"", "|\n", "~", "null", "-1",
    "1e999", ".nan",
    "0", "9223372036854775808", "99999999999999999999", "0x7fffffff", "true", "<<: *a\n", "# ", "\u{0}",
    "\u{FEFF}",
    "seed: 1\n", "lora_r: 1000000\n", "num_generations: 3\n", "é", "\u{1F600}", "%", "@", "`",
  ]

  static func mutated(_ text: String, _ dice: inout SeededGenerator) -> String {
    var bytes = Array(text.utf8)
    for _ in 0...dice.below(4) {
      let at = dice.below(bytes.count + 1)
      switch dice.below(4) {
      case 0: bytes.insert(contentsOf: scraps[dice.below(scraps.count)].utf8, at: at)
      case 1: bytes.removeSubrange(at..<min(bytes.count, at + dice.below(40)))
      case 2 where at < bytes.count: bytes[at] = UInt8(dice.below(256))
      default:
        let from = dice.below(bytes.count + 1)
        bytes.insert(contentsOf: bytes[from..<min(bytes.count, from + dice.below(60))], at: at)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// 4,000 damaged recipes: an error that begins with the file's name, or a recipe whose numbers are in range.
  @Test func damagedRecipesAreReadOrRefused() throws {
    let shipped = try RecipeTests.shipped.map {
      try String(contentsOfFile: Checkout.path("Recipes/" + $0), encoding: .utf8)
    }
    var dice = SeededGenerator(7)
    var refused = 0
    for i in 0..<4000 {
      let text = Self.mutated(shipped[i % shipped.count], &dice)
      do throws(TrainerError) {
        let recipe = try Recipe(yaml: text, path: "r.yaml")
        #expect((1...1 << 20).contains(recipe.batchSize * recipe.accumulation * recipe.processes))
        #expect((recipe.method == .sft || recipe.promptsPerStep >= 1) && !recipe.rewards.isEmpty)
        #expect(recipe.totalSteps(problems: 1000) >= 1)
        #expect(recipe.optimizer.learningRate.isFinite && recipe.optimizer.epsilon > 0)
        let share = recipe.schedule(totalSteps: recipe.totalSteps(problems: 1000)).share(3)
        #expect(share >= 0 && share <= 1, "\(share)")
      } catch {
        refused += 1
        #expect(error.kind == .recipe && error.description.hasPrefix("r.yaml"), "\(error)")
      }
    }
    #expect(refused > 400 && refused < 4000)
  }

  /// Lists of lists by alias, each twice the one before it, and a key that is the last: comparing it takes 2²⁵ steps.
  static func aliasKeys(_ key: String) -> String {
    let names = "abcdefghijklmnopqrstuvwxyz".map { String($0) }
    return "a: &a [x, x]\n"
      + zip(names, names.dropFirst()).map { "\($1): &\($1) [*\($0), *\($0)]\n" }.joined() + key
  }

  @Test func aRecipeBeginsWithAByteOrderMark() throws {
    #expect(try Recipe(yaml: "\u{FEFF}seed: 7\n", path: "r.yaml").seed == 7)
    let yaml = "seed: &s 7\nsystem_prompt: |\n  *Bold* and **bold**\nmax_steps: *s\n"
    #expect(try Recipe(yaml: yaml, path: "r.yaml").maxSteps == 7)
  }

  /// Texts that only exist to break parsers.
  @Test(arguments: [
    String(repeating: "[", count: 200_000), String(repeating: "{a: ", count: 100_000),
    String(repeating: "- ", count: 200_000) + "1", String(repeating: "? ", count: 200_000) + "1",
    "a: &a [1]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\n"
      + "c: &c [*b, *b, *b, *b, *b, *b, *b, *b]\nlora_target_modules: [*c]\n",
    "lora_r: &x 4\nnum_generations: *x\nseed: *nobody\n", "? [a]\n: 1\n", "1: 2\n",
    "seed: 1\nx: " + String(repeating: "\u{323}\u{307}", count: 1 << 16),
    String(repeating: "\u{323}", count: 99) + ": 1",
    (0..<40_000).map { "k\($0): 1\n" }.joined(),
    "seed: 1\nk: [" + String(repeating: "*a, ", count: 17) + "1]\n",
    HostileInputTests.aliasKeys("? *z\n: 1\n"), HostileInputTests.aliasKeys("zz: {? *z : 1, ? *y : 2}\n"),
    HostileInputTests.aliasKeys("zz: {*z : 1}\n").replacingOccurrences(of: ": &", with: ":\u{2028}&")
      .replacingOccurrences(of: "[*", with: "[\u{2028}*"),
    "\u{0}", "--- a\n--- b\n",
    "rl_post_train_reward_weights: " + String(repeating: "1", count: 70_000) + "\n",
    "seed: !!binary aGVsbG8=\n",
    "per_device_train_batch_size: 65536\ngradient_accumulation_steps: 65536\nnum_processes: 65536\nnum_generations: 2",
    "adam_epsilon: 0", "top_p: 0", "top_p: 2", "min_p: -1", "top_k: 1e15", "temperature: 1e-9",
    "min_lr_rate: 7",
    "lr_scheduler_kwargs: {min_lr_rate: 7}", "rl_post_train_reward_weights: [1e300, 1e300]",
    "cosine_max_value_wrong: .inf",
    "save_steps: 0", "max_steps: 0", "num_train_epochs: -1", "lora_dropout: 1", "lora_r: 0", "lora_r: 5000",
    "lora_target_modules: []", "lora_target_modules: [lm_head]", "lora_target_modules: [q_proj, q_proj]",
  ])
  func hostileRecipesAreRefused(yaml: String) throws {
    let seconds = processorSeconds {
      do throws(TrainerError) {
        let recipe = try Recipe(yaml: yaml, path: "r.yaml")
        Issue.record("\(yaml.prefix(60)) was read: \(recipe.rewards.count)")
      } catch {
        #expect(error.kind == .recipe && error.description.hasPrefix("r.yaml"), "\(error)")
        #expect(error.description.utf8.count < 4000)
      }
    }
    #expect(seconds < 10)
  }

  /// 600 damaged data files, likewise.
  @Test func damagedDataAreReadOrRefused() throws {
    let folder = TemporaryFolder()
    let lines = """
      {"problem": "What is 1 + 1?", "answer": "2", "more": [1, {"a": null}]}
      {"question": "b\\u00e9", "solution": "so $3$", "answer": "3"}
      {"prompt": "c \\ud83d\\ude00", "answer": 7.5e2}

      """
    let table = """
      id,problem,"answer",more
      1,"What is ""1"" + 1,
      please?",2,[x]
      2,b\u{e9},3,
      3,c,4,"[{""role"": ""user"", ""content"": ""x""}]"

      """
    let array = "[" + lines.split(separator: "\n").joined(separator: ", ") + "]"
    var dice = SeededGenerator(11)
    var refused = 0
    for i in 0..<600 {
      let text = Self.mutated([lines, array, table][i % 3], &dice)
      let path = folder.write(i % 3 == 2 ? "problems.csv" : "problems.jsonl", text)
      do throws(TrainerError) {
        let set = try ProblemSet(path: path)
        #expect(!set.problems.isEmpty && set.problems.allSatisfy { !$0.text.isEmpty })
      } catch {
        refused += 1
        #expect(error.kind == .data && error.description.hasPrefix(path), "\(error)")
      }
    }
    #expect(refused > 60 && refused < 600)
  }

  @Test(arguments: [
    String(repeating: "[", count: 100_000), String(repeating: "{\"problem\":", count: 50_000), "[]", "{}",
    "null", "\u{0}",
    "{\"problem\": \"\"}", "{\"problem\": [1]}", "{\"problem\": \"a\", \"problem\": \"b\"",
    "[{\"problem\": \"a\"}",
    "{\"problem\": \"" + String(repeating: "a", count: 2 << 20) + "\"}", "\u{1F}\u{8B}", "PAR1",
  ])
  func hostileDataAreRefused(text: String) throws {
    let folder = TemporaryFolder()
    let path = folder.write("problems.json", text)
    do throws(TrainerError) {
      _ = try ProblemSet(path: path)
      Issue.record("\(text.prefix(40)) was read")
    } catch { #expect(error.kind == .data && error.description.hasPrefix(path), "\(error)") }
    #expect(throws: TrainerError.self) { try ProblemSet(path: folder.path) }
  }

  /// A recipe that this machine or model cannot run is refused before anything is allocated or written.
  @Test func whatCannotFitIsRefusedAtOnce() throws {
    let model = try Model(path: pico, threads: 1)
    let folder = TemporaryFolder()
    for (more, part) in [
      ("lora_r: 1024\nmax_completion_length: 100000", "MiB"), ("max_completion_length: 16000000", "MiB"),
      ("num_generations: 4096\nper_device_train_batch_size: 4096\nmax_completion_length: 1000000", "MiB"),
    ] {
      let recipe = try Recipe(
        yaml: "dataset_path: \(pico)/train.jsonl\nprompt_template: model\n" + more, path: "r.yaml")
      var options = TrainingOptions(output: folder.path("none"))
      options.memory = 64 << 20
      do {
        _ = try TrainingRun(recipe, model: model, options: options)
        Issue.record("\(more) was begun")
      } catch let error as TrainerError { #expect(error.description.contains(part), "\(error)") }
      #expect(!FileManager.default.fileExists(atPath: options.output))
    }
  }
}
