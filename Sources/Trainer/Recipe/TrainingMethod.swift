import ModelFiles

/// How an adapter learns.
public enum TrainingMethod: String, Sendable, CaseIterable {
  /// From the rewards of its own completions.
  case grpo
  /// From texts that are given: supervised fine-tuning.
  case sft
}

/// What the KL divergence is from.
public enum Reference: String, Sendable, CaseIterable {
  /// The base without an adapter.
  case base
  /// The adapter that the run started from.
  case initial = "init"
}

/// Keys of supervised fine-tuning, under TRL's names.
public struct SupervisionSettings: Sendable, Equatable {
  /// `max_length`: tokens of a document at most; the rest is cut off.
  public var maxLength = 1024
  /// `completion_only_loss`: whether only completions count; nil where the records decide.
  public var isCompletionOnly: Bool?
  /// `assistant_only_loss`: whether only the assistant's turns count; nil where the records decide.
  public var isAssistantOnly: Bool?
  /// `packing`: whether short documents share a place of a micro-batch.
  public var packs = false
  /// `loss_type`.
  public var loss = Loss.nll

  /// How the loss of a token follows from its probability.
  public enum Loss: String, Sendable, CaseIterable {
    /// -ln p.
    case nll
    /// -ln p weighted by p, which is not differentiated: dynamic fine-tuning.
    case dft
  }

  /// TRL's settings by default.
  public init() {}

  mutating func read(_ reader: inout RecipeReader) throws(TrainerError) {
    maxLength = try reader.integer("max_length", 2...1 << 24) ?? maxLength
    isCompletionOnly = try reader.flag("completion_only_loss")
    isAssistantOnly = try reader.flag("assistant_only_loss")
    packs = try reader.flag("packing") ?? packs
    loss = try reader.choice("loss_type") ?? loss
  }
}

extension Recipe {
  private static let policyKeys = [
    "rl_post_train_reward_funcs", "rl_post_train_reward_weights", "reward_funcs", "reward_weights",
    "reward_command", "reward_timeout", "reward_restarts", "num_generations", "num_iterations",
    "scale_rewards", "scale_reward", "mask_truncated_completions", "scale_logits_by_temperature", "reference",
    "dynamic_sampling", "dynamic_sampling_max_batches", "steps_per_generation", "generation_batch_size",
    "dataset_answer_column", "dataset_solution_column", "dataset_system_column",
    "rollout_servers", "rollout_folder",
  ]
  private static let lossKeys =
    SamplingCorrection.keys + [
      "beta", "epsilon", "epsilon_high", "use_bias_correction_kl", "importance_sampling_level", "delta",
      "top_entropy_quantile",
    ]
  private static let supervisedKeys = [
    "max_length", "completion_only_loss", "assistant_only_loss", "packing", "dataset_text_field",
    "dataset_completion_column",
  ]

  /// Refuses keys of GRPO in a recipe of supervised fine-tuning.
  func checkMethod(_ reader: RecipeReader) throws(TrainerError) {
    if method == .sft {
      for key in Self.policyKeys where stated.contains(key) {
        throw reader.error(
          key, found: "it with method: sft", expected: "keys of supervised fine-tuning",
          advice: "Leave it out, or set method: grpo.")
      }
    }
  }

  /// What a person used to TRL should know of the loss.
  var lossNote: String? {
    guard method == .grpo, !stated.contains("loss_type") else { return nil }
    return
      "loss_type: \(loss.type.rawValue), as in Tina's runs, since the recipe names none; TRL's own default is dapo"
  }

  /// Keys that only the other method has, for the error about unknown keys.
  static func otherMethod(of key: String) -> TrainingMethod? {
    if lossKeys.contains(key) || policyKeys.contains(key) { return .grpo }
    return supervisedKeys.contains(key) ? .sft : nil
  }
}
