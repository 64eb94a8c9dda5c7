/// How many completions or documents a step learns from, under TRL's names.
extension Recipe {
  /// Completions or documents of a step.
  public var stepSize: Int { batchSize * accumulation * processes }
  /// Number of prompts of a rollout, which is a step's unless several steps share it.
  public var promptsPerStep: Int { stepSize * rolloutParts / generations }
  /// Steps that learn from one rollout.
  public var stepsPerRollout: Int { rolloutParts * iterations }

  mutating func readBatches(_ reader: inout RecipeReader) throws(TrainerError) {
    let isPolicy = method == .grpo
    generations = try reader.integer("num_generations", 2...4096) ?? generations
    batchSize =
      try reader.integer("per_device_train_batch_size", 1...65536) ?? (isPolicy ? generations : batchSize)
    accumulation = try reader.integer("gradient_accumulation_steps", 1...65536) ?? accumulation
    processes = try reader.integer("num_processes", 1...65536) ?? processes
    iterations = try reader.integer("num_iterations", 1...1024) ?? iterations
    refillsGroups = try reader.flag("dynamic_sampling") ?? refillsGroups
    maxSamplingRounds = try reader.integer("dynamic_sampling_max_batches", 1...1000) ?? maxSamplingRounds
    rolloutParts = try readParts(&reader)
    let completions = batchSize * accumulation * processes * rolloutParts
    guard completions <= 1 << 20 else {
      throw reader.error(
        "gradient_accumulation_steps", found: "\(completions) completions a rollout",
        expected: "at most \(1 << 20)")
    }
    guard isPolicy else { return }
    guard completions.isMultiple(of: generations) else {
      let parts = rolloutParts > 1 ? " × \(rolloutParts) steps a generation" : ""
      throw reader.error(
        "num_generations", found: "\(generations)",
        expected: "a divisor of the \(completions) completions of a rollout, \(batchSize) a micro-batch × "
          + "\(accumulation) micro-batches × \(processes) processes\(parts)",
        advice: "Change num_generations, per_device_train_batch_size, gradient_accumulation_steps or "
          + "num_processes: their product must be a multiple of num_generations.")
    }
  }

  /// Steps of a rollout, from `steps_per_generation` or `generation_batch_size`, which count micro-batches and
  /// completions.
  private func readParts(_ reader: inout RecipeReader) throws(TrainerError) -> Int {
    let (stepsKey, batchKey) = ("steps_per_generation", "generation_batch_size")
    let steps = try reader.integer(stepsKey, 1...65536)
    let completions = try reader.integer(batchKey, 1...1 << 20)
    if let steps {
      guard completions == nil else {
        throw reader.error(batchKey, found: "it and \(stepsKey)", expected: "one of the two")
      }
      guard steps.isMultiple(of: accumulation) else {
        throw reader.error(
          stepsKey, found: "\(steps)",
          expected: "a multiple of gradient_accumulation_steps = \(accumulation)",
          advice:
            "It counts micro-batches; a step takes \(accumulation) of them, and whole steps share a rollout.")
      }
      return steps / accumulation
    }
    guard let completions else { return 1 }
    guard completions.isMultiple(of: stepSize) else {
      throw reader.error(
        batchKey, found: "\(completions)", expected: "a multiple of the \(stepSize) completions of a step")
    }
    return completions / stepSize
  }

  /// Steps of the learning-rate schedule, for a data set of that many problems or documents.
  public func totalSteps(problems: Int) -> Int {
    if let maxSteps { return maxSteps }
    // As TRL counts: an epoch of GRPO has whole rollouts alone, the last step of supervised fine-tuning may be smaller.
    let steps =
      switch method {
      case .sft: stepsPerEpoch(documents: problems)
      case .grpo: max(1, problems / promptsPerStep) * stepsPerRollout
      }
    return max(1, Int((epochs * Double(steps)).rounded(.up)))
  }

  /// Steps that go through all documents once.
  func stepsPerEpoch(documents: Int) -> Int { max(1, (documents + stepSize - 1) / stepSize) }
}
