import Foundation
public import TinaRuntime
import Yams
import Support

/// A training recipe: Tina's YAML files with their key names, and a few keys of this program's own.
public struct Recipe: Sendable {
  /// The file, as it was named.
  public let path: String
  /// SHA-256 of the file.
  public let digest: String
  /// `model_name_or_path`: a directory.
  public var model = ""
  /// `model_post_train_dataset_name`: a name of Tina's, for its system prompt; or a file.
  public var datasetName = ""
  /// `dataset_path`: the file with the problems.
  public var datasetPath: String?
  /// `eval_dataset_path`: held-out problems.
  public var heldOutPath: String?
  /// `system_prompt`: what stands before every problem; Tina's own for the data set when nil.
  public var systemPrompt: String?
  /// `prompt_template`: how a problem becomes a prompt.
  public var promptTemplate = PromptTemplate.reason
  /// `rl_post_train_reward_funcs` and `_weights`.
  public var rewards = [WeightedReward(.format, weight: 1), WeightedReward(.accuracy, weight: 1)]
  /// Numbers of the rewards' formulas.
  public var rewardSettings = RewardSettings()
  /// `lora_r`, `lora_alpha`, `lora_dropout`, `lora_target_modules`.
  public var lora = LoRASettings()
  /// `loss_type`, `beta`, `epsilon`, `epsilon_high`.
  public var loss = LossSettings()
  /// `scale_rewards`.
  public var scaling = RewardScaling.group
  /// `learning_rate`, `adam_*`, `weight_decay`, `max_grad_norm`.
  public var optimizer = OptimizerSettings()
  /// `lr_scheduler_type`.
  public var scheduleKind = LearningRateSchedule.Kind.linear
  /// `lr_scheduler_kwargs: min_lr_rate`.
  public var minimumRateShare = 0.0
  /// `warmup_ratio`.
  public var warmupRatio = 0.0
  /// `warmup_steps`, which goes before the ratio.
  public var warmupSteps: Int?
  /// `max_steps`: steps of the schedule.
  public var maxSteps: Int?
  /// `stop_at_step`: where the run ends although the schedule goes on.
  public var stopStep: Int?
  /// `num_train_epochs`, if `max_steps` is not given.
  public var epochs = 1.0
  /// `num_generations`: completions of a prompt.
  public var generations = 8
  /// `per_device_train_batch_size`: completions over which token losses are averaged.
  public var batchSize = 8
  /// `gradient_accumulation_steps`.
  public var accumulation = 1
  /// `num_processes` of the run that the recipe was made for; here it multiplies the micro-batches.
  public var processes = 1
  /// `num_iterations`: how often a step's completions are learned from.
  public var iterations = 1
  /// `mask_truncated_completions`.
  public var masksTruncated = false
  /// `scale_logits_by_temperature`: whether the loss divides logits by the temperature, as newer TRL does.
  public var scalesLogits = false
  /// `max_prompt_length` in tokens; longer prompts lose their beginning.
  public var maxPromptLength = 512
  /// `max_completion_length` in tokens.
  public var maxCompletionLength = 256
  /// `temperature`, `top_p`, `top_k`, `min_p`.
  public var sampling = SamplingParameters(temperature: 0.9, seed: 42)
  /// `seed` of everything that is drawn.
  public var seed: UInt64 = 42 {
    didSet { sampling.seed = seed }
  }
  /// `save_steps`.
  public var saveSteps = 500
  /// `save_total_limit`: how many checkpoints are kept.
  public var saveLimit: Int?
  /// `eval_steps`: how often the held-out problems are tried.
  public var evalSteps: Int?
  /// `eval_samples`: completions of a held-out problem.
  public var evalSamples = 1
  /// What should be known about how the recipe was read, one sentence each.
  public var notes: [String] = []

  /// How a problem becomes a prompt.
  public enum PromptTemplate: String, Sendable, CaseIterable {
    /// Tina's training template: R1's without the opening `<think>`.
    case reason
    /// The model's own chat template.
    case model
  }

  /// Reads a recipe.
  ///
  /// - Throws: ``TrainerError`` naming the key: unknown, of the wrong type, out of range, contradicting another.
  public init(path: String) throws(TrainerError) {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw TrainerError(
        .recipe, place: path, found: "no readable file", expected: "a recipe in YAML",
        advice: "Check the path.")
    }
    guard data.count <= 1 << 20 else {
      throw TrainerError(.recipe, place: path, found: "\(data.count) bytes", expected: "at most a megabyte")
    }
    try self.init(yaml: String(decoding: data, as: UTF8.self), path: path)
  }

  init(yaml: String, path: String) throws(TrainerError) {
    self.path = path
    digest = hexadecimal(Digest.sha256(Array(yaml.utf8)))
    var reader = try RecipeReader(yaml: yaml, path: path)
    try read(&reader)
    try reader.finish()
  }

  /// Prompts of a step.
  public var promptsPerStep: Int { batchSize * accumulation * processes / generations }

  private mutating func read(_ reader: inout RecipeReader) throws(TrainerError) {
    try reader.read("model_name_or_path", into: &model)
    try reader.read("model_post_train_dataset_name", into: &datasetName)
    datasetPath = try reader.text("dataset_path")
    heldOutPath = try reader.text("eval_dataset_path")
    systemPrompt = try reader.text("system_prompt")
    try reader.read("prompt_template", into: &promptTemplate)
    try reader.read("max_prompt_length", into: &maxPromptLength, 1...1 << 24)
    try reader.read("max_completion_length", into: &maxCompletionLength, 1...1 << 24)
    try readRewards(&reader)
    try lora.read(&reader)
    try loss.read(&reader)
    loss.maxCompletionLength = maxCompletionLength
    try readScaling(&reader)
    try optimizer.read(&reader)
    try readSteps(&reader)
    try reader.read("seed", into: &seed)
    try reader.read("temperature", into: &sampling.temperature, 1e-3...100)
    try reader.read("top_k", into: &sampling.topK, 0...1 << 30)
    try reader.read("top_p", into: &sampling.topP, 1e-6...1)
    try reader.read("min_p", into: &sampling.minP, 0...1)
    try reader.read("mask_truncated_completions", into: &masksTruncated)
    try reader.read("scale_logits_by_temperature", into: &scalesLogits)
  }

  private mutating func readSteps(_ reader: inout RecipeReader) throws(TrainerError) {
    try reader.read("lr_scheduler_type", into: &scheduleKind)
    minimumRateShare = try reader.number("lr_scheduler_kwargs", "min_lr_rate", 0...1) ?? minimumRateShare
    try reader.read("warmup_ratio", into: &warmupRatio, 0...1)
    try reader.read("warmup_steps", into: &warmupSteps, 0...1 << 40)
    try reader.read("max_steps", into: &maxSteps, 1...1 << 40)
    try reader.read("stop_at_step", into: &stopStep, 1...1 << 40)
    try reader.read("num_train_epochs", into: &epochs, 0...1e6)
    try reader.read("num_generations", into: &generations, 2...4096)
    batchSize = generations
    try reader.read("per_device_train_batch_size", into: &batchSize, 1...65536)
    try reader.read("gradient_accumulation_steps", into: &accumulation, 1...65536)
    try reader.read("num_processes", into: &processes, 1...65536)
    try reader.read("num_iterations", into: &iterations, 1...1024)
    try reader.read("save_steps", into: &saveSteps, 1...1 << 40)
    try reader.read("save_total_limit", into: &saveLimit, 1...1 << 30)
    try reader.read("eval_steps", into: &evalSteps, 1...1 << 40)
    try reader.read("eval_samples", into: &evalSamples, 1...1024)
    let completions = batchSize * accumulation * processes
    guard batchSize.isMultiple(of: generations) else {
      throw reader.error(
        "per_device_train_batch_size", found: "\(batchSize)",
        expected: "a multiple of num_generations = \(generations)")
    }
    guard completions <= 1 << 20 else {
      throw reader.error(
        "gradient_accumulation_steps", found: "\(completions) completions a step",
        expected: "at most \(1 << 20)")
    }
  }

  private mutating func readRewards(_ reader: inout RecipeReader) throws(TrainerError) {
    let key = "rl_post_train_reward_funcs"
    let names = try reader.texts(key) ?? rewards.map(\.kind.rawValue)
    let weights = try reader.numbers("rl_post_train_reward_weights", -1e6...1e6) ?? names.map { _ in 1 }
    guard names.count == weights.count else {
      throw reader.error(
        "rl_post_train_reward_weights", found: "\(weights.count) weights",
        expected: "\(names.count), one for each reward")
    }
    guard !names.isEmpty else { throw reader.error(key, found: "no reward", expected: "at least one") }
    guard Set(names).count == names.count else {
      throw reader.error(key, found: "a reward twice", expected: "each reward at most once")
    }
    rewards = try zip(names, weights).map { (name, weight) throws(TrainerError) in
      WeightedReward(try reader.value(key, name), weight: weight)
    }
    try rewardSettings.read(&reader)
    rewardSettings.maxCompletionTokens = maxCompletionLength
  }

  /// `scale_rewards` as TRL has it, and `scale_reward`, which the published recipes write and TRL ignores.
  private mutating func readScaling(_ reader: inout RecipeReader) throws(TrainerError) {
    if reader.peekFlag("scale_rewards") != nil {
      scaling = try reader.flag("scale_rewards") == true ? .group : .none
    } else {
      try reader.read("scale_rewards", into: &scaling)
    }
    guard let typo = try reader.flag("scale_reward") else { return }
    scaling = typo ? .group : .none
    if !typo { loss.type = .bnpo }
    notes.append(
      "scale_reward: the trainer that this recipe was written for knows only scale_rewards and ignored this key, "
        + "so the published run was plain GRPO. Here it means what it says: advantages are "
        + (typo ? "" : "not ") + "divided by the group's deviation"
        + (typo ? "." : ", and token losses are averaged over the micro-batch (bnpo)."))
  }

  /// Steps of the learning-rate schedule, for a data set of `problems`.
  public func totalSteps(problems: Int) -> Int {
    maxSteps ?? max(1, Int((epochs * Double(problems) / Double(promptsPerStep)).rounded(.up)) * iterations)
  }

  /// The schedule over that many steps.
  public func schedule(totalSteps: Int) -> LearningRateSchedule {
    LearningRateSchedule(
      scheduleKind, warmupSteps: warmupSteps ?? Int((warmupRatio * Double(totalSteps)).rounded(.up)),
      totalSteps: totalSteps, minimumShare: minimumRateShare)
  }
}
