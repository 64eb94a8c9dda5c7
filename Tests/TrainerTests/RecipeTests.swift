import Foundation
import ModelFiles
import Problems
import TestSupport
import Testing

@testable import TinaRuntime
@testable import Trainer

@Suite struct RecipeTests {
  static let shipped =
    ((try? FileManager.default.contentsOfDirectory(atPath: Checkout.path("Recipes"))) ?? [])
    .filter { $0.hasSuffix(".yaml") }.sorted()

  @Test func recipesAreThere() { #expect(Self.shipped.count >= 19) }

  @Test(arguments: shipped)
  func shippedRecipesAreRead(name: String) throws {
    let recipe = try Recipe(path: Checkout.path("Recipes/" + name))
    #expect(recipe.notes.isEmpty)
    if name.hasPrefix("tina-") {
      #expect(recipe.promptsPerStep == 8)
      #expect(recipe.lora.alpha == 4 * Double(recipe.lora.rank))
      #expect(recipe.maxCompletionLength == (name.contains("long") ? 8960 : 3584))
    }
  }

  private func error(_ yaml: String) -> String {
    do throws(TrainerError) {
      _ = try Recipe(yaml: yaml, path: "r.yaml")
      return ""
    } catch { return error.description }
  }

  @Test(arguments: [
    ("learning_rat: 1", "Did you mean learning_rate?"), ("lora_r: many", "found many; expected a number"),
    ("lora_r: 2.5", "a whole number"), ("num_generations: 1", "expected 2 to 4096"),
    ("rl_post_train_reward_funcs: [acuracy]", "Did you mean accuracy?"),
    ("rl_post_train_reward_funcs: [format]\nrl_post_train_reward_weights: [1, 2]", "2 weights"),
    ("loss_type: dapoo", "Did you mean dapo?"), ("activations: int8", "expected one of f32, bf16"),
    ("num_generations: 8\nper_device_train_batch_size: 12", "a divisor of the 12 completions"),
    (
      "per_device_train_batch_size: 1\ngradient_accumulation_steps: 8\nnum_generations: 3",
      "a divisor of the 8"
    ),
    (
      "gradient_accumulation_steps: 4\nsteps_per_generation: 6",
      "a multiple of gradient_accumulation_steps = 4"
    ),
    ("generation_batch_size: 12", "a multiple of the 8"),
    ("steps_per_generation: 2\ngeneration_batch_size: 16", "one of the two"),
    ("loss_type: cispo", "epsilon_high"), ("delta: 1.1", "more than 1 + epsilon_high = 1.2"),
    ("init_lora_weights: pissa", "lora_dropout: 0"), ("init_lora_weights: pissa_niter_4", "expected pissa"),
    ("init_lora_weights: pissa\nlora_dropout: 0\nweight_decay: 0.1", "weight_decay"),
    ("init_lora_weights: pissa\nlora_dropout: 0\nlora_r: 600", "at most 512"),
    ("init_lora_weights: olora", "not built"), ("lora_target_modules: all-liner", "all-linear"),
    ("rank_pattern: {q_proj: 2.5}", "a whole number"), ("layers_to_transform: [1, 1]", "each once"),
    ("method: sft\nnum_generations: 4", "method: grpo"), ("method: sft\nbeta: 0.1", "method: grpo"),
    ("max_length: 12", "method: sft"), ("method: dpo", "one of grpo, sft"),
    ("seed: 1\nseed: 2", "seed"), ("- a", "no mapping"), ("a: [", "no YAML"),
    ("warmup_ratio: .inf", "expected a number"),
    ("lr_scheduler_kwargs: {min_lr: 1}", "min_lr_rate"), ("temperature: 0", "expected 0.001"),
    ("max_steps: -3", "0 or more"),
  ])
  func hostileRecipesAreRefused(yaml: String, part: String) {
    let message = error(yaml)
    #expect(message.contains(part), "\(message)")
    #expect(message.hasPrefix("r.yaml"))
  }

  /// The typo of the published recipe is read as what it means, and said.
  @Test func scaleRewardIsExplained() throws {
    let recipe = try Recipe(yaml: "scale_reward: false", path: "r.yaml")
    #expect(recipe.scaling == .none && recipe.loss.type == .bnpo)
    #expect(recipe.notes.count == 1)
    #expect(try Recipe(yaml: "scale_rewards: false", path: "r.yaml").scaling == .none)
    #expect(try Recipe(yaml: "scale_rewards: batch", path: "r.yaml").scaling == .batch)
  }

  /// The products of TRL's keys decide, not a micro-batch alone.
  @Test func batchKeysMeanWhatTRLsMean() throws {
    var recipe = try Recipe(
      yaml: "per_device_train_batch_size: 1\ngradient_accumulation_steps: 8\nnum_generations: 8",
      path: "r.yaml")
    #expect(
      recipe.promptsPerStep == 1 && recipe.stepsPerRollout == 1 && recipe.totalSteps(problems: 40) == 40)
    recipe = try Recipe(
      yaml: """
        per_device_train_batch_size: 4
        gradient_accumulation_steps: 2
        num_processes: 2
        num_generations: 8
        steps_per_generation: 6
        num_iterations: 2
        num_train_epochs: 1.5
        """, path: "r.yaml")
    #expect(recipe.promptsPerStep == 6 && recipe.rolloutParts == 3 && recipe.stepsPerRollout == 6)
    // 8 whole rollouts of 6 problems an epoch, of 6 steps each.
    #expect(recipe.totalSteps(problems: 50) == 72)
    recipe = try Recipe(yaml: "generation_batch_size: 32", path: "r.yaml")
    #expect(recipe.rolloutParts == 4 && recipe.promptsPerStep == 4)
    recipe = try Recipe(
      yaml:
        "method: sft\nper_device_train_batch_size: 2\ngradient_accumulation_steps: 4\nnum_train_epochs: 2",
      path: "r.yaml")
    #expect(recipe.totalSteps(problems: 17) == 6 && recipe.optimizer.learningRate == 2e-5)
  }

  @Test func adapterShapesAreRead() throws {
    let recipe = try Recipe(
      yaml: """
        lora_r: 8
        lora_alpha: 16
        lora_target_modules: all-linear
        layers_to_transform: [1, 0]
        rank_pattern: {"layers.1.mlp.*": 4}
        alpha_pattern: {q_proj: 4}
        use_rslora: true
        """, path: "r.yaml")
    #expect(recipe.lora.targets.count == 7 && recipe.lora.layers == [0, 1])
    let modules = try recipe.lora.modules(for: try Model(path: pico, threads: 1).config)
    #expect(modules.count == 14)
    for module in modules {
      #expect(module.rank == (module.name.hasPrefix("layers.1.mlp") ? 4 : 8))
      let alpha = module.projection == .q ? 4.0 : 16
      #expect(module.scale == Float(alpha / Double(module.rank).squareRoot()))
    }
    var unused = recipe.lora
    unused.rankPatterns = [.init("layers.9.q_proj", 4)]
    #expect(throws: TrainerError.self) { try unused.modules(for: try Model(path: pico, threads: 1).config) }
  }

  @Test func columnsHaveNames() throws {
    let recipe = try Recipe(
      yaml: "dataset_prompt_column: q\ndataset_answer_column: a\ndataset_system_column: s", path: "r.yaml")
    #expect(recipe.columns.prompt == "q" && recipe.columns.answer == "a" && recipe.columns.system == "s")
    let folder = TemporaryFolder()
    let path = folder.write("p.csv", "q,a,s,level\n1 + 1,2,Be short.,easy\n")
    let set = try ProblemSet(path: path, names: recipe.columns, keepsColumns: true)
    #expect(set.problems.map(\.gold) == ["$2$"] && set.problems[0].system == "Be short.")
    #expect(set.problems[0].columns?["level"]?.string == "easy")
    let documents = try Recipe(
      yaml: "method: sft\ndataset_prompt_column: q\ndataset_completion_column: c", path: "r.yaml")
    #expect(documents.columns.completion == "c" && documents.heldOutColumns == DataColumns())
    for (yaml, part) in [
      ("dataset_prompt_column: q\ndataset_messages_column: m", "a conversation, or a prompt"),
      ("method: sft\ndataset_answer_column: a", "method: grpo"),
      ("dataset_completion_column: c", "method: sft"),
      ("dataset_answer_column: \"\"", "1 to 1024"), ("dataset_promt_column: q", "dataset_prompt_column"),
    ] {
      let error = #expect(throws: TrainerError.self) { try Recipe(yaml: yaml, path: "r.yaml") }
      #expect("\(String(describing: error))".contains(part), "\(String(describing: error))")
    }
  }

  /// Tina's schedule: lr0 · s / W, then a cosine down to a tenth.
  @Test func scheduleIsTinas() throws {
    let recipe = try Recipe(path: Checkout.path("Recipes/tina-open-rs2.yaml"))
    let schedule = recipe.schedule(totalSteps: recipe.totalSteps(problems: 7000))
    #expect(schedule.warmupSteps == 150 && schedule.totalSteps == 1500)
    #expect(schedule.share(0) == 0 && schedule.share(75) == 0.5 && schedule.share(150) == 1)
    #expect(abs(schedule.share(825) - 0.55) < 1e-12)
    #expect(abs(schedule.share(1500) - 0.1) < 1e-12)
  }

  @Test func problemsAreReadAndOrdered() throws {
    let folder = TemporaryFolder()
    let path = folder.path("problems.jsonl")
    try """
    {"problem": "a", "answer": 7}
    {"question": "b", "solution": "so $3$", "answer": "3"}

    {"prompt": "c"}
    {"messages": [{"role": "user", "content": "d"}], "verification_info": "{\\"answer\\": {\\"value\\": \\"5\\"}}"}
    """.write(toFile: path, atomically: true, encoding: .utf8)
    let set = try ProblemSet(path: path)
    #expect(set.problems.map(\.text) == ["a", "b", "c", "d"])
    #expect(set.problems.map(\.gold) == ["$7$", "so $3$", nil, "$5$"])
    #expect(Set((0..<20).map { set.order(epoch: $0, seed: 1) }).count > 3)
    #expect(set.order(epoch: 3, seed: 1).sorted() == [0, 1, 2, 3])
    for (text, part) in [
      ("PAR1xx", "Parquet"), ("[1]", "no object"), ("{\"x\": 1}", "no problem"), ("{", "record 1"),
      ("", "no problem"),
    ] {
      try text.write(toFile: path, atomically: true, encoding: .utf8)
      do throws(TrainerError) {
        _ = try ProblemSet(path: path)
        Issue.record("\(text) was read")
      } catch { #expect(error.description.contains(part), "\(error)") }
    }
  }
}

@Suite struct WatchingTests {
  /// Format rises and then falls, the length falls and then grows: the turn is found near where it is.
  @Test(arguments: [60, 120, 200])
  func transitionIsFound(at turn: Int) throws {
    var watcher = PhaseTransition()
    var found: Int?
    for step in 1...400 {
      let noise = 0.03 * sin(Double(step) * 12.9898)
      let distance = Double(step - turn)
      let format = step < turn ? 0.5 + 0.4 * Double(step) / Double(turn) : max(0.3, 0.9 - 0.004 * distance)
      let length = step < turn ? 3000 - 1200 * Double(step) / Double(turn) : 1800 + 6 * distance
      if watcher.add(step: step, format: format + noise, length: length * (1 + noise)) {
        found = found ?? step
      }
    }
    let date = try #require(watcher.turn)
    #expect(abs(date - turn) <= 20, "dated \(date)")
    #expect(try #require(found) <= turn + 80)
  }

  @Test func noTransitionWhereNoneIs() {
    for shape in 0..<3 {
      var watcher = PhaseTransition()
      for step in 1...400 {
        let noise = 0.03 * sin(Double(step) * 12.9898)
        let format = [0.8, min(1, 0.5 + 0.002 * Double(step)), 0.9][shape] + noise
        let length = [2000.0, 3000 - 4 * Double(step), 1000 + 5 * Double(step)][shape] * (1 + noise)
        let isTurn = watcher.add(step: step, format: format, length: length)
        #expect(!isTurn)
      }
    }
  }

  @Test func checksumIsCastagnoli() {
    #expect(EventFile.checksum(Array("123456789".utf8)) == 0xE306_9283)
    #expect(EventFile.checksum([]) == 0)
  }
}
