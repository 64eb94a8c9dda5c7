import Foundation
public import Judging
public import ModelFiles
public import Problems
public import TinaRuntime
import Yams
import Support

/// A training recipe: a YAML file with the keys of Tina's recipes and a few more.
public struct Recipe: Sendable {
  /// The file's path, as given.
  public let path: String
  /// SHA-256 of the file, and of the changes if there are any. Where completions come from is left out: it changes
  /// nothing. A run's `recipe.yaml` has that of the run's recipe.
  public let digest: String
  /// `method`: how the adapter learns.
  public var method = TrainingMethod.grpo
  /// `init_adapter`: the path of the adapter to start from; nil to start from nothing.
  public var initAdapter: String?
  /// `reference`: what the KL divergence is from.
  public var reference = Reference.base
  /// Keys of supervised fine-tuning.
  public var supervision = SupervisionSettings()
  /// `model_name_or_path`: a directory.
  public var model = ""
  /// `model_post_train_dataset_name`: a data set of Tina's; it decides the system prompt.
  public var datasetName = ""
  /// `dataset_path`: the file with the problems.
  public var datasetPath: String?
  /// `eval_dataset_path`: held-out problems.
  public var heldOutPath: String?
  /// `dataset_prompt_column` and its like: members of records that have other names than usual.
  public var columns = DataColumns()
  /// `rollout_servers`: addresses of servers that sample; this process samples when there are none.
  public var rolloutServers: [String] = []
  /// `rollout_folder`: a folder that servers of other programs see under the same name, for the steps' adapters.
  public var rolloutFolder: String?
  /// `system_prompt`: precedes every problem; Tina's own for the data set when nil.
  public var systemPrompt: String?
  /// `prompt_template`: how a problem becomes a prompt.
  public var promptTemplate = PromptTemplate.reason
  /// `chat_template_kwargs: enable_thinking`: whether the model thinks, where its template has a switch.
  public var thinking: Bool?
  /// `rl_post_train_reward_funcs` and `_weights`, with the commands.
  public var rewards = [WeightedReward(.format, weight: 1), WeightedReward(.accuracy, weight: 1)]
  /// `reward_command`: the programs behind rewards of one's own.
  public var rewardCommands: [JudgeCommand] = []
  /// Numbers of the rewards' formulas.
  public var rewardSettings = RewardSettings()
  /// `lora_r`, `lora_alpha`, `lora_dropout`, `lora_target_modules`.
  public var lora = LoRASettings()
  /// `loss_type`, `beta`, `epsilon`, `epsilon_high`.
  public var loss = LossSettings()
  /// `vllm_importance_sampling_*`: what the loss makes of a sampler with other log-probabilities.
  public var correction = SamplingCorrection()
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
  /// `warmup_steps`, which overrides the ratio.
  public var warmupSteps: Int?
  /// `max_steps`: steps of the schedule.
  public var maxSteps: Int?
  /// `stop_at_step`: the run ends here, although the schedule is longer.
  public var stopStep: Int?
  /// `num_train_epochs`, without effect beside `max_steps`.
  public var epochs = 1.0
  /// `num_generations`: completions of a prompt.
  public var generations = 8
  /// `per_device_train_batch_size`: completions over which token losses are averaged.
  public var batchSize = 8
  /// `gradient_accumulation_steps`.
  public var accumulation = 1
  /// `num_processes` of the published run; here a factor of the number of micro-batches.
  public var processes = 1
  /// `num_iterations`: steps on the same completions.
  public var iterations = 1
  /// Parts of a rollout that a step each learns from: `steps_per_generation` / `gradient_accumulation_steps`.
  public var rolloutParts = 1
  /// `dynamic_sampling`: whether groups of equal rewards are replaced by groups of further problems.
  public var refillsGroups = false
  /// `dynamic_sampling_max_batches`: how often a step may sample for that.
  public var maxSamplingRounds = 10
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
  /// `activations`: f32 or bf16, what activations are rounded to in rollouts and in the forward pass alike.
  public var activations = TrainedActivations.f32
  /// `seed` of all random numbers.
  public var seed: UInt64 = 42 {
    didSet { sampling.seed = seed }
  }
  /// `save_steps`.
  public var saveSteps = 500
  /// `save_total_limit`: number of checkpoints that stay.
  public var saveLimit: Int?
  /// `eval_steps`: steps between evaluations on the held-out problems.
  public var evalSteps: Int?
  /// `eval_samples`: completions of a held-out problem.
  public var evalSamples = 1
  /// `dollars_per_hour`: what an hour of the machines costs; nil where nobody says.
  public var dollarsPerHour: Double?
  /// Facts about the reading of the recipe that a person should know, one sentence each.
  public var notes: [String] = []

  /// How a problem becomes a prompt.
  public enum PromptTemplate: String, Sendable, CaseIterable {
    /// Tina's training template: R1's without the opening `<think>`.
    case reason
    /// The model's own chat template.
    case model
  }

  /// What activations are rounded to where they meet the base's weights.
  public enum TrainedActivations: String, Sendable, CaseIterable {
    /// Nothing is rounded.
    case f32
    /// bf16 for BF16 weights: faster where the processor has AVX512-BF16.
    case bf16

    /// How a base is opened for it.
    public var choice: ActivationChoice {
      switch self {
      case .f32: .f32
      case .bf16: .bf16
      }
    }
  }

  /// Reads a recipe.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - changes: values that stand in the place of the file's.
  /// - Throws: ``TrainerError`` naming a key that is unknown, of the wrong type, out of range, or contradicts another.
  public init(path: String, changes: [RecipeChange] = []) throws(TrainerError) {
    try self.init(yaml: try Self.text(path), path: path, changes: changes)
  }

  /// What a recipe's file, or a sweep's, holds.
  package static func text(_ path: String) throws(TrainerError) -> String {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw TrainerError(
        .recipe, place: path, found: "no readable file", expected: "a recipe in YAML",
        advice: "Check the path.")
    }
    guard data.count <= 1 << 20 else {
      throw TrainerError(.recipe, place: path, found: "\(data.count) bytes", expected: "at most a megabyte")
    }
    return String(decoding: data, as: UTF8.self)
  }

  init(yaml: String, path: String, changes: [RecipeChange] = []) throws(TrainerError) {
    self.path = path
    let text = RolloutServersKey.removed(from: yaml)
    let counted = changes.filter { !RolloutServersKey.names.contains($0.key) }
    digest =
      counted.isEmpty
      ? ResolvedRecipe.origin(of: yaml) ?? hexadecimal(Digest.sha256(Array(text.utf8)))
      : Digest.text(of: [text] + counted.map(\.argument).sorted())
    var reader = try RecipeReader(yaml: yaml, path: path)
    for change in changes { try reader.change(change) }
    given = reader.plain
    try read(&reader)
    try reader.finish { Self.otherMethod(of: $0)?.rawValue }
    stated = reader.stated
    try checkMethod(reader)
  }

  /// The keys that the recipe holds a value for.
  var stated: Set<String> = []
  /// Keys and values as they stand in the recipe.
  private(set) var given: [(key: String, value: JSONValue)] = []

  private mutating func read(_ reader: inout RecipeReader) throws(TrainerError) {
    method = try reader.choice("method") ?? method
    initAdapter = try reader.text("init_adapter")
    reference = try reader.choice("reference") ?? reference
    model = try reader.text("model_name_or_path") ?? model
    datasetName = try reader.text("model_post_train_dataset_name") ?? datasetName
    datasetPath = try reader.text("dataset_path")
    heldOutPath = try reader.text("eval_dataset_path")
    try columns.read(&reader, method)
    rolloutServers = try RolloutServersKey.read(&reader)
    rolloutFolder = try reader.text(RolloutServersKey.folder)
    systemPrompt = try reader.text("system_prompt")
    promptTemplate = try reader.choice("prompt_template") ?? promptTemplate
    thinking = try reader.flag("chat_template_kwargs", "enable_thinking")
    maxPromptLength = try reader.integer("max_prompt_length", 1...1 << 24) ?? maxPromptLength
    maxCompletionLength = try reader.integer("max_completion_length", 1...1 << 24) ?? maxCompletionLength
    try readRewards(&reader)
    try lora.read(&reader)
    if method == .sft { try supervision.read(&reader) } else { try loss.read(&reader) }
    loss.maxCompletionLength = maxCompletionLength
    if method == .grpo { try correction.read(&reader) }
    try readScaling(&reader)
    if method == .sft { optimizer.learningRate = 2e-5 }
    try optimizer.read(&reader)
    if lora.initialisation == .pissa, optimizer.weightDecay != 0 {
      throw reader.error(
        "weight_decay", found: "\(optimizer.weightDecay) with init_lora_weights: pissa", expected: "0",
        advice: "Half of the adapter is the base's own components, which must stay as they are.")
    }
    try readSteps(&reader)
    seed = try reader.integer("seed").map { UInt64($0) } ?? seed
    sampling.temperature =
      try reader.number("temperature", SamplingParameters.lowestTemperature...100).map { Float($0) }
      ?? sampling.temperature
    sampling.topK = try reader.integer("top_k", 0...1 << 30) ?? sampling.topK
    sampling.topP = try reader.number("top_p", 1e-6...1).map { Float($0) } ?? sampling.topP
    sampling.minP = try reader.number("min_p", 0...1).map { Float($0) } ?? sampling.minP
    activations = try reader.choice("activations") ?? activations
    dollarsPerHour = try reader.number("dollars_per_hour", 0...1e9)
    masksTruncated = try reader.flag("mask_truncated_completions") ?? masksTruncated
    scalesLogits = try reader.flag("scale_logits_by_temperature") ?? scalesLogits
  }

  private mutating func readSteps(_ reader: inout RecipeReader) throws(TrainerError) {
    scheduleKind = try reader.choice("lr_scheduler_type") ?? scheduleKind
    minimumRateShare = try reader.number("lr_scheduler_kwargs", "min_lr_rate", 0...1) ?? minimumRateShare
    warmupRatio = try reader.number("warmup_ratio", 0...1) ?? warmupRatio
    warmupSteps = try reader.integer("warmup_steps", 0...1 << 40)
    maxSteps = try reader.integer("max_steps", 1...1 << 40)
    stopStep = try reader.integer("stop_at_step", 1...1 << 40)
    epochs = try reader.number("num_train_epochs", 0...1e6) ?? epochs
    try readBatches(&reader)
    saveSteps = try reader.integer("save_steps", 1...1 << 40) ?? saveSteps
    saveLimit = try reader.integer("save_total_limit", 1...1 << 30)
    evalSteps = try reader.integer("eval_steps", 1...1 << 40)
    evalSamples = try reader.integer("eval_samples", 1...1024) ?? evalSamples
  }

  /// Reads `scale_rewards` as in TRL, and `scale_reward`, which published recipes write and TRL ignores.
  private mutating func readScaling(_ reader: inout RecipeReader) throws(TrainerError) {
    if reader.peekFlag("scale_rewards") != nil {
      scaling = try reader.flag("scale_rewards") == true ? .group : .none
    } else {
      scaling = try reader.choice("scale_rewards") ?? scaling
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

  /// The schedule over that many steps.
  public func schedule(totalSteps: Int) -> LearningRateSchedule {
    LearningRateSchedule(
      scheduleKind, warmupSteps: warmupSteps ?? Int((warmupRatio * Double(totalSteps)).rounded(.up)),
      totalSteps: totalSteps, minimumShare: minimumRateShare)
  }
}
