import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import TinaRuntime
@testable import Trainer

/// A run's folder says what it was, and makes it again.
@Suite struct RunRecordTests {
  private static let settings = [
    "max_steps": "2", "lora_dropout": "0.05", "dollars_per_hour": "7200",
    "system_prompt": "\"Say: \\\"so\\\"\"",
  ]

  private func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

  /// The run that a folder's recipe makes ends in the same file as the folder's run.
  @Test func aRunIsMadeAgainFromItsFolder() async throws {
    let short = ShortRun(Self.settings)
    let result = try await short.run(stopAt: 1)
    let path = short.folder + "/" + ResolvedRecipe.name
    let recipe = try Recipe(path: path)
    #expect(try recipe.digest == short.recipe().digest && recipe.stopStep == 1)
    let other = TemporaryFolder()
    var options = short.options
    options.output = other.path
    let model = try Model(path: recipe.model, threads: 1, activations: recipe.activations.choice)
    let again = try await TrainingRun(recipe, model: model, options: options).run()
    #expect(try bytes(again.adapter) == bytes(result.adapter))
    #expect(try bytes(other.path + "/" + ResolvedRecipe.name) == bytes(path))
    // A recipe that was changed is another one.
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let changed = try Recipe(
      yaml: text.replacingOccurrences(of: "lora_r: 4", with: "lora_r: 8"), path: "r.yaml")
    #expect(changed.lora.rank == 8 && changed.digest != recipe.digest)
  }

  @Test func aFolderNamesEverything() async throws {
    let short = ShortRun(Self.settings)
    _ = try await short.run(stopAt: 1)
    _ = try await short.run()
    let about = try JSON.object(path: short.folder + "/about.json")
    #expect(about["rank"]?.int == 4 && about["learning_rate"]?.double == 1e-3)
    #expect(about["rewards"]?.array?.compactMap { $0.object?["name"]?.string } == ["format", "accuracy"])
    #expect(about["data_file"]?.object?["sha256"]?.string?.count == 64)
    let sessions = (about["sessions"]?.array ?? []).compactMap(\.object)
    #expect(sessions.compactMap { $0["after_step"]?.int } == [0, 1])
    let machine = try #require(sessions.last?["machine"]?.object)
    #expect(machine["processor"]?.string?.isEmpty == false && machine["threads"]?.int == 2)

    // Operations add up in the log, in the state and in the adapter; dollars go with the seconds.
    let lines = short.lines
    let flops = lines.compactMap { $0.values["flops/step"] }.reduce(0, +)
    #expect(flops > 0 && lines.last?.values["flops/total"] == flops)
    let costs = try #require(RunCosts(beside: short.files.adapter(2)))
    let training = try TinaFile(path: short.files.adapter(2)).archive().training
    #expect(costs.flops == flops && training?["flops"]?.double == flops)
    #expect(lines.last?.values["dollars"] == costs.dollars && training?["dollars"] == nil)
    #expect(abs((costs.dollars ?? 0) - 2 * costs.seconds) < 1e-6 * costs.seconds)

    let page = try RunReport.html(run: short.folder)
    for part in [
      "rank 4", "alpha 16", "learning rate 0.001", "format × 1 + accuracy × 2", "seed 42", "records",
      "floating-point operations", "$", "tina 0", "GRPO", "loss grpo",
    ] { #expect(page.contains(part), "\(part)") }
  }

  /// What a recipe states stands in its resolved form, and that form is its own.
  @Test(arguments: RecipeTests.shipped)
  func shippedRecipesAreResolved(name: String) throws {
    try check(try Recipe(path: Checkout.path("Recipes/\(name)")))
  }

  @Test func everyKeyIsResolved() throws {
    for yaml in [
      """
      beta: 0.1\nepsilon: 0.1\nepsilon_high: 0.3\ndelta: 4\nimportance_sampling_level: sequence
      top_entropy_quantile: 0.5\nuse_bias_correction_kl: true\nloss_type: dapo\nscale_rewards: batch
      num_generations: 4\nper_device_train_batch_size: 2\ngradient_accumulation_steps: 2\nsteps_per_generation: 4
      num_iterations: 2\ndynamic_sampling: true\ndynamic_sampling_max_batches: 3\nnum_processes: 2
      mask_truncated_completions: true\nscale_logits_by_temperature: true\ntemperature: 0.7\ntop_k: 5\ntop_p: 0.9
      min_p: 0.05\nactivations: bf16\nseed: 7\ncosine_max_len: 5\nsoft_punish_cache: 9\nrepetition_n_grams: 4
      lora_r: 8\nlora_alpha: 12.5\nlora_target_modules: [q_proj]\nlayers_to_transform: [0, 2]\nuse_rslora: true
      rank_pattern: {"layers.0.*": 4}\nalpha_pattern: {q_proj: 4}\ninit_lora_weights: gaussian
      warmup_steps: 3\nwarmup_ratio: 0.2\nlr_scheduler_type: cosine_with_min_lr
      lr_scheduler_kwargs: {"min_lr_rate": 0.1}\nnum_train_epochs: 1.5\nstop_at_step: 4\nsave_total_limit: 3
      dataset_prompt_column: "a: b"\ndataset_answer_column: yes\ndollars_per_hour: 2.5\neval_steps: 3
      rl_post_train_reward_funcs: [length, cosine]\nrl_post_train_reward_weights: [0.5, -1]
      system_prompt: "1\\n# x: \\"é\\" 'y'"\nadam_beta2: 0.95\nweight_decay: 0.1\nmax_grad_norm: 0
      """,
      """
      method: sft\nmax_length: 99\npacking: true\nassistant_only_loss: false\ndataset_text_field: body
      loss_type: dft\ndataset_messages_column: talk\nmax_steps: 12\nmodel_post_train_dataset_name: open-rs
      """,
      "init_adapter: a.tina\nreference: init\nlora_dropout: 0",
    ] {
      let recipe = try Recipe(yaml: yaml, path: "r.yaml")
      try check(recipe)
    }
  }

  private func check(_ recipe: Recipe) throws {
    let settings = Dictionary(recipe.settings.map { ($0.key, $0.value) }) { $1 }
    let others: Set<String> = ["scale_reward", "lora_target_modules", "scale_rewards", "loss_type"]
    for (key, value) in recipe.given
    where !RecipeReader.machinery.contains(key) && !others.contains(key) && !value.isNull {
      let found = try #require(settings[key], "\(key)")
      let isEqual = value.double.map { $0 == found.double } ?? (value == found || value.array != nil)
      #expect(
        isEqual || value.object?.keys == found.object?.keys, "\(key): \(value.summary), \(found.summary)")
    }
    let text = ResolvedRecipe(recipe).text
    let again = try Recipe(yaml: text, path: "again.yaml")
    #expect(ResolvedRecipe(again).text == text && again.digest == recipe.digest)
    #expect(again.rewards == recipe.rewards && again.lora == recipe.lora && again.loss == recipe.loss)
    #expect(again.optimizer == recipe.optimizer && again.supervision == recipe.supervision)
    #expect(again.columns == recipe.columns && again.sampling == recipe.sampling)
    #expect(again.stepSize == recipe.stepSize && again.promptsPerStep == recipe.promptsPerStep)
    #expect(again.totalSteps(problems: 700) == recipe.totalSteps(problems: 700))
    #expect(again.scaling == recipe.scaling && again.stopStep == recipe.stopStep)
  }

  @Test func pathsInTheHubsCacheHaveTheirRevision() throws {
    let commit = "0123456789abcdef0123456789abcdef01234567"
    let path = "/home/x/hub/datasets--knoveleng--open-rs/snapshots/\(commit)/data/train.jsonl"
    let origin = try #require(HubOrigin(path: path))
    #expect(origin.repository == "knoveleng/open-rs" && origin.revision == commit && origin.isData)
    #expect(origin.address == "hf://datasets/knoveleng/open-rs@\(commit)/data/train.jsonl")
    let model = try #require(HubOrigin(path: "/hub/models--org--m/snapshots/\(commit)"))
    #expect(model.address == "hf://org/m@\(commit)" && !model.isData && model.file.isEmpty)
    for other in ["/data/train.jsonl", "snapshots/\(commit)", "/a--b/snapshots/main/x", "/x/snapshots"] {
      #expect(HubOrigin(path: other) == nil)
    }
  }
}
