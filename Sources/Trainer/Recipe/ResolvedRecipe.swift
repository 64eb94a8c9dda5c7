import Foundation
import ModelFiles
import Problems
import Support
import TinaRuntime

/// A recipe with every value that holds, those of defaults, changes and the command line too: a run's `recipe.yaml`.
///
/// Training by it makes the run again, and what it makes names the recipe that the run had: the first lines tell that
/// recipe's digest, which counts as long as the rest is untouched.
struct ResolvedRecipe {
  static let name = "recipe.yaml"
  private static let mark = "# recipe: "

  /// The file.
  let text: String

  /// - Parameter recipe: the recipe, which names its files as another run finds them.
  init(_ recipe: Recipe) {
    let body = recipe.settings.map { $0.key + ": " + Self.yaml($0.value) + "\n" }.joined()
    text = """
      # What this run was made by, defaults and changes included. tina train makes it again from this file.
      \(Self.mark)\(recipe.digest) \(Self.digest(body))
      \(body)
      """
  }

  private static func digest(_ body: some StringProtocol) -> String {
    hexadecimal(Digest.sha256(Array(body.utf8)))
  }

  /// Names and numbers as they are, lists and mappings as JSON, which YAML holds.
  private static func yaml(_ value: JSONValue) -> String {
    switch value {
    case .array, .object: value.text(isSpaced: true)
    default: RecipeChange.text(value)
    }
  }

  /// The digest of the recipe that a text was resolved from; nil for any other text, and for one that was changed.
  static func origin(of text: String) -> String? {
    // Bytes, since a text of combining marks takes long to be divided into characters.
    let lines = text.utf8.split(separator: UInt8(ascii: "\n"), maxSplits: 2, omittingEmptySubsequences: false)
      .map(Substring.init)
    guard lines.count == 3, lines[1].utf8.starts(with: mark.utf8), lines[1].utf8.count < 300 else {
      return nil
    }
    let digests = lines[1].dropFirst(mark.count).split(separator: " ")
    guard digests.count == 2, digests[0].utf8.count == 2 * Digest.byteCount, digests[1] == digest(lines[2])
    else { return nil }
    return String(digests[0])
  }
}

extension Recipe {
  /// Keys that others stand for in ``settings``.
  private static let replaced: Set<String> = [
    "scale_reward", "generation_batch_size", "reward_funcs", "reward_weights",
  ]

  /// All keys with their values, in an order that people read. Keys of machinery are left out: they change nothing.
  var settings: [(key: String, value: JSONValue)] {
    var list = SettingList()
    list.add("method", .string(method.rawValue))
    addData(to: &list)
    if method == .sft { addSupervision(to: &list) } else { addPolicy(to: &list) }
    addAdapter(to: &list)
    addSteps(to: &list)
    list.add("seed", .number("\(seed)"))
    list.add("temperature", Self.number(sampling.temperature))
    list.add("top_k", JSONValue(sampling.topK))
    list.add("top_p", Self.number(sampling.topP))
    list.add("min_p", Self.number(sampling.minP))
    list.add("activations", .string(activations.rawValue))
    list.add("dollars_per_hour", dollarsPerHour.map { JSONValue($0) })
    // What this list does not know holds as the recipe gives it.
    let known = Set(list.items.map(\.key)).union(Self.replaced)
    return list.items + given.filter { !known.contains($0.key) && stated.contains($0.key) }
  }

  /// The digits of the number itself, not of the double that it is in.
  private static func number(_ value: Float) -> JSONValue { JSONValue(Double("\(value)") ?? Double(value)) }

  private func addData(to list: inout SettingList) {
    list.add("model_name_or_path", model.isEmpty ? nil : .string(model))
    list.add("model_post_train_dataset_name", datasetName.isEmpty ? nil : .string(datasetName))
    list.add("dataset_path", datasetPath.map { .string($0) })
    list.add("eval_dataset_path", heldOutPath.map { .string($0) })
    let names = [
      ("prompt", columns.prompt), ("answer", columns.answer), ("solution", columns.solution),
      ("system", columns.system), ("messages", columns.messages), ("completion", columns.completion),
    ]
    for (name, column) in names { list.add("dataset_\(name)_column", column.map { .string($0) }) }
    list.add("init_adapter", initAdapter.map { .string($0) })
    list.add("prompt_template", .string(promptTemplate.rawValue))
    let system = systemPrompt ?? (method == .grpo ? TinaPrompts.system(dataset: datasetName) : nil)
    list.add("system_prompt", system.map { .string($0) })
    list.add("max_prompt_length", JSONValue(maxPromptLength))
    list.add("max_completion_length", JSONValue(maxCompletionLength))
  }

  private func addSupervision(to list: inout SettingList) {
    list.add("dataset_text_field", .string(columns.text))
    list.add("max_length", JSONValue(supervision.maxLength))
    list.add("completion_only_loss", supervision.isCompletionOnly.map { .bool($0) })
    list.add("assistant_only_loss", supervision.isAssistantOnly.map { .bool($0) })
    list.add("packing", .bool(supervision.packs))
    list.add("loss_type", .string(supervision.loss.rawValue))
  }

  private func addPolicy(to list: inout SettingList) {
    list.add("reference", .string(reference.rawValue))
    list.add("rl_post_train_reward_funcs", .array(rewards.map { .string($0.name) }))
    list.add("rl_post_train_reward_weights", .array(rewards.map { JSONValue($0.weight) }))
    let numbers = rewardSettings
    list.add("cosine_max_len", JSONValue(numbers.cosineMaxLength))
    list.add("cosine_min_value_wrong", JSONValue(numbers.cosineMinWrong))
    list.add("cosine_max_value_wrong", JSONValue(numbers.cosineMaxWrong))
    list.add("cosine_min_value_correct", JSONValue(numbers.cosineMinCorrect))
    list.add("cosine_max_value_correct", JSONValue(numbers.cosineMaxCorrect))
    list.add("repetition_n_grams", JSONValue(numbers.repetitionNGram))
    list.add("repetition_max_penalty", JSONValue(numbers.repetitionMaxPenalty))
    list.add("soft_punish_cache", JSONValue(numbers.softPunishTokens))
    list.add("scale_rewards", .string(scaling.rawValue))
    list.add("loss_type", .string(loss.type.rawValue))
    list.add("beta", JSONValue(loss.beta))
    list.add("epsilon", JSONValue(loss.epsilon))
    list.add("epsilon_high", JSONValue(loss.epsilonHigh))
    list.add("use_bias_correction_kl", .bool(loss.correctsKL))
    list.add("importance_sampling_level", .string(loss.level.rawValue))
    list.add("delta", loss.delta.map { JSONValue($0) })
    list.add("top_entropy_quantile", JSONValue(loss.topEntropyShare))
    list.add("num_generations", JSONValue(generations))
    list.add("num_iterations", JSONValue(iterations))
    list.add("steps_per_generation", JSONValue(rolloutParts * accumulation))
    list.add("dynamic_sampling", .bool(refillsGroups))
    list.add("dynamic_sampling_max_batches", JSONValue(maxSamplingRounds))
    list.add("mask_truncated_completions", .bool(masksTruncated))
    list.add("scale_logits_by_temperature", .bool(scalesLogits))
  }

  /// The adapter's shape. Where it comes from an adapter to start from, only what the recipe states.
  private func addAdapter(to list: inout SettingList) {
    let holds = { (key: String) in self.initAdapter == nil || self.stated.contains(key) }
    func add(_ key: String, _ value: JSONValue?) { if holds(key) { list.add(key, value) } }
    add("lora_r", JSONValue(lora.rank))
    add("lora_alpha", JSONValue(lora.alpha))
    list.add("lora_dropout", JSONValue(lora.dropout))
    add("lora_target_modules", .array(lora.targets.map { .string($0) }))
    add("use_rslora", .bool(lora.isRankStabilised))
    add("layers_to_transform", lora.layers.map { .array($0.map { JSONValue($0) }) })
    for (key, rules) in [("rank_pattern", lora.rankPatterns), ("alpha_pattern", lora.alphaPatterns)]
    where !rules.isEmpty {
      add(key, .object(JSONObject(rules.map { ($0.pattern, JSONValue($0.value)) })))
    }
    add("init_lora_weights", .string(lora.initialisation.rawValue))
  }

  private func addSteps(to list: inout SettingList) {
    list.add("learning_rate", JSONValue(optimizer.learningRate))
    list.add("adam_beta1", JSONValue(optimizer.beta1))
    list.add("adam_beta2", JSONValue(optimizer.beta2))
    list.add("adam_epsilon", JSONValue(optimizer.epsilon))
    list.add("weight_decay", JSONValue(optimizer.weightDecay))
    list.add("max_grad_norm", JSONValue(optimizer.maxGradNorm))
    list.add("lr_scheduler_type", .string(scheduleKind.rawValue))
    list.add("lr_scheduler_kwargs", .object(JSONObject([("min_lr_rate", JSONValue(minimumRateShare))])))
    list.add("warmup_ratio", JSONValue(warmupRatio))
    list.add("warmup_steps", warmupSteps.map { JSONValue($0) })
    list.add("num_train_epochs", JSONValue(epochs))
    list.add("max_steps", maxSteps.map { JSONValue($0) })
    list.add("stop_at_step", stopStep.map { JSONValue($0) })
    list.add("per_device_train_batch_size", JSONValue(batchSize))
    list.add("gradient_accumulation_steps", JSONValue(accumulation))
    list.add("num_processes", JSONValue(processes))
    list.add("save_steps", JSONValue(saveSteps))
    list.add("save_total_limit", saveLimit.map { JSONValue($0) })
    list.add("eval_steps", evalSteps.map { JSONValue($0) })
    list.add("eval_samples", JSONValue(evalSamples))
  }
}

/// Keys and values in their order, without those that have none.
private struct SettingList {
  var items: [(key: String, value: JSONValue)] = []

  mutating func add(_ key: String, _ value: JSONValue?) {
    if let value { items.append((key, value)) }
  }
}
