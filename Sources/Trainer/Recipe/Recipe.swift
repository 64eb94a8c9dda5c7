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
  public var rewards: [WeightedReward] = []
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
  public var sampling = SamplingParameters(temperature: 0.9)
  /// `seed` of everything that is drawn.
  public var seed: UInt64 = 42
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
    try check()
  }

  /// Prompts of a step.
  public var promptsPerStep: Int { batchSize * accumulation * processes / generations }

  private mutating func read(_ reader: inout RecipeReader) throws(TrainerError) {
    model = try reader.text("model_name_or_path") ?? ""
    datasetName = try reader.text("model_post_train_dataset_name") ?? ""
    datasetPath = try reader.text("dataset_path")
    heldOutPath = try reader.text("eval_dataset_path")
    systemPrompt = try reader.text("system_prompt")
    promptTemplate = try reader.choice("prompt_template") ?? .reason
    try readRewards(&reader)
    lora = LoRASettings(
      rank: try reader.integer("lora_r") ?? 32, alpha: try reader.number("lora_alpha") ?? 128,
      dropout: try reader.number("lora_dropout") ?? 0.05,
      targets: try reader.texts("lora_target_modules") ?? LoRASettings().targets)
    maxPromptLength = try reader.integer("max_prompt_length") ?? 512
    maxCompletionLength = try reader.integer("max_completion_length") ?? 256
    rewardSettings.maxCompletionTokens = maxCompletionLength
    loss = LossSettings(
      type: try reader.choice("loss_type") ?? .grpo, beta: try reader.number("beta") ?? 0.04,
      epsilon: try reader.number("epsilon") ?? 0.2, epsilonHigh: try reader.number("epsilon_high"),
      correctsKL: try reader.flag("use_bias_correction_kl") ?? false, maxCompletionLength: maxCompletionLength
    )
    try readScaling(&reader)
    optimizer = OptimizerSettings(
      learningRate: try reader.number("learning_rate") ?? 1e-6, beta1: try reader.number("adam_beta1") ?? 0.9,
      beta2: try reader.number("adam_beta2") ?? 0.999, epsilon: try reader.number("adam_epsilon") ?? 1e-8,
      weightDecay: try reader.number("weight_decay") ?? 0,
      maxGradNorm: try reader.number("max_grad_norm") ?? 1)
    scheduleKind = try reader.choice("lr_scheduler_type") ?? .linear
    minimumRateShare = try reader.nestedNumber("lr_scheduler_kwargs", "min_lr_rate") ?? 0
    warmupRatio = try reader.number("warmup_ratio") ?? 0
    warmupSteps = try reader.integer("warmup_steps")
    maxSteps = try reader.integer("max_steps")
    stopStep = try reader.integer("stop_at_step")
    epochs = try reader.number("num_train_epochs") ?? 1
    generations = try reader.integer("num_generations") ?? 8
    batchSize = try reader.integer("per_device_train_batch_size") ?? generations
    accumulation = try reader.integer("gradient_accumulation_steps") ?? 1
    processes = try reader.integer("num_processes") ?? 1
    iterations = try reader.integer("num_iterations") ?? 1
    masksTruncated = try reader.flag("mask_truncated_completions") ?? false
    scalesLogits = try reader.flag("scale_logits_by_temperature") ?? false
    seed = UInt64(try reader.integer("seed") ?? 42)
    sampling = SamplingParameters(
      temperature: Float(try reader.number("temperature") ?? 0.9), topK: try reader.integer("top_k") ?? 0,
      topP: Float(try reader.number("top_p") ?? 1), minP: Float(try reader.number("min_p") ?? 0), seed: seed)
    saveSteps = try reader.integer("save_steps") ?? 500
    saveLimit = try reader.integer("save_total_limit")
    evalSteps = try reader.integer("eval_steps")
    evalSamples = try reader.integer("eval_samples") ?? 1
  }

  private mutating func readRewards(_ reader: inout RecipeReader) throws(TrainerError) {
    let names = try reader.texts("rl_post_train_reward_funcs") ?? ["format", "accuracy"]
    let weights = try reader.numbers("rl_post_train_reward_weights") ?? names.map { _ in 1 }
    guard names.count == weights.count else {
      throw reader.error(
        "rl_post_train_reward_weights", found: "\(weights.count) weights",
        expected: "\(names.count), one for each reward")
    }
    for (name, weight) in zip(names, weights) {
      guard let kind = RewardKind(rawValue: name) else {
        throw reader.error(
          "rl_post_train_reward_funcs", found: name,
          expected: "some of " + RewardKind.allCases.map(\.rawValue).joined(separator: ", "),
          advice: Nearest.advice(name, RewardKind.allCases.map(\.rawValue)))
      }
      rewards.append(WeightedReward(kind, weight: weight))
    }
    rewardSettings.cosineMaxLength = try reader.integer("cosine_max_len") ?? 1000
    rewardSettings.cosineMinWrong = try reader.number("cosine_min_value_wrong") ?? 0
    rewardSettings.cosineMaxWrong = try reader.number("cosine_max_value_wrong") ?? -0.5
    rewardSettings.cosineMinCorrect = try reader.number("cosine_min_value_correct") ?? 0.5
    rewardSettings.cosineMaxCorrect = try reader.number("cosine_max_value_correct") ?? 1
    rewardSettings.repetitionNGram = try reader.integer("repetition_n_grams") ?? 3
    rewardSettings.repetitionMaxPenalty = try reader.number("repetition_max_penalty") ?? -1
    rewardSettings.softPunishTokens = try reader.integer("soft_punish_cache") ?? 512
  }

  /// `scale_rewards` as TRL has it, and `scale_reward`, which the published recipes write and TRL ignores.
  private mutating func readScaling(_ reader: inout RecipeReader) throws(TrainerError) {
    if let flag = reader.peekFlag("scale_rewards") {
      _ = try reader.flag("scale_rewards")
      scaling = flag ? .group : .none
    } else {
      scaling = try reader.choice("scale_rewards") ?? .group
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

  private func check() throws(TrainerError) {
    func require(_ key: String, _ found: String, _ expected: String, _ isGood: Bool) throws(TrainerError) {
      if !isGood { throw TrainerError(.recipe, place: path + ": " + key, found: found, expected: expected) }
    }
    func count(_ key: String, _ value: Int, _ range: ClosedRange<Int>) throws(TrainerError) {
      try require(key, "\(value)", "\(range.lowerBound) to \(range.upperBound)", range.contains(value))
    }
    func number(_ key: String, _ value: Double, _ range: ClosedRange<Double>) throws(TrainerError) {
      try require(key, "\(value)", "\(range.lowerBound) to \(range.upperBound)", range.contains(value))
    }
    try count("num_generations", generations, 2...4096)
    try count("per_device_train_batch_size", batchSize, 1...65536)
    try count("gradient_accumulation_steps", accumulation, 1...65536)
    try count("num_processes", processes, 1...65536)
    try require(
      "per_device_train_batch_size", "\(batchSize) × \(accumulation) × \(processes) completions a step",
      "a multiple of num_generations = \(generations)",
      batchSize * accumulation * processes % generations == 0)
    try require(
      "per_device_train_batch_size", "\(batchSize)", "a multiple of num_generations = \(generations)",
      batchSize % generations == 0)
    let completions = batchSize * accumulation * processes
    try require(
      "gradient_accumulation_steps", "\(completions) completions a step", "at most \(1 << 20)",
      completions <= 1 << 20)
    try count("max_prompt_length", maxPromptLength, 1...1 << 24)
    try count("max_completion_length", maxCompletionLength, 1...1 << 24)
    try count("num_iterations", iterations, 1...1024)
    try count("save_steps", saveSteps, 1...1 << 40)
    if let saveLimit { try count("save_total_limit", saveLimit, 1...1 << 30) }
    if let evalSteps { try count("eval_steps", evalSteps, 1...1 << 40) }
    try count("eval_samples", evalSamples, 1...1024)
    if let maxSteps { try count("max_steps", maxSteps, 1...1 << 40) }
    if let stopStep { try count("stop_at_step", stopStep, 1...1 << 40) }
    if let warmupSteps { try count("warmup_steps", warmupSteps, 0...1 << 40) }
    try number("warmup_ratio", warmupRatio, 0...1)
    try number("learning_rate", optimizer.learningRate, 0...10)
    try number("beta", loss.beta, 0...1000)
    try number("epsilon", loss.epsilon, 0...1)
    try number("epsilon_high", loss.epsilonHigh, 0...1000)
    try number("adam_beta1", optimizer.beta1, 0...0.999999)
    try number("adam_beta2", optimizer.beta2, 0...0.9999999)
    try number("weight_decay", optimizer.weightDecay, 0...1)
    try number("max_grad_norm", optimizer.maxGradNorm, 0...1e9)
    try number("adam_epsilon", optimizer.epsilon, 1e-30...1)
    try number("lr_scheduler_kwargs: min_lr_rate", minimumRateShare, 0...1)
    try number("num_train_epochs", epochs, 0...1e6)
    try number("top_p", Double(sampling.topP), 1e-6...1)
    try number("min_p", Double(sampling.minP), 0...1)
    try count("top_k", sampling.topK, 0...1 << 30)
    for reward in rewards { try number("rl_post_train_reward_weights", reward.weight, -1e6...1e6) }
    let r = rewardSettings
    for (key, value) in [
      ("cosine_min_value_wrong", r.cosineMinWrong), ("cosine_max_value_wrong", r.cosineMaxWrong),
      ("cosine_min_value_correct", r.cosineMinCorrect), ("cosine_max_value_correct", r.cosineMaxCorrect),
      ("repetition_max_penalty", r.repetitionMaxPenalty),
    ] { try number(key, value, -1e6...1e6) }
    do throws(TrainerError) {
      try lora.check()
    } catch {
      throw TrainerError(
        .recipe, place: path + ": " + error.place, found: error.found, expected: error.expected,
        advice: error.advice)
    }
    try number("temperature", Double(sampling.temperature), 1e-3...100)
    try count("cosine_max_len", rewardSettings.cosineMaxLength, 1...1 << 30)
    try count("repetition_n_grams", rewardSettings.repetitionNGram, 1...1000)
    try count("soft_punish_cache", rewardSettings.softPunishTokens, 1...1 << 30)
    try require("rl_post_train_reward_funcs", "no reward", "at least one", !rewards.isEmpty)
    let kinds = rewards.map(\.kind.rawValue)
    try require(
      "rl_post_train_reward_funcs", "a reward twice", "each reward at most once",
      Set(kinds).count == kinds.count)
  }

  /// Takes another seed for everything that is drawn.
  public mutating func use(seed: UInt64) {
    self.seed = seed
    sampling.seed = seed
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
