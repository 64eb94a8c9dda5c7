/// One completion as the loss sees it.
struct LossSequence {
  /// Number of its tokens.
  let length: Int
  let advantage: Double
  /// Whether it weighs nothing: it was cut off, and the recipe masks such completions.
  let isMasked: Bool

  /// Number of its tokens that count.
  var tokens: Int { isMasked ? 0 : length }
}

/// The weight of each completion's tokens in a step's loss, which depends on lengths alone.
struct LossWeights {
  /// `[micro-batch][completion]`
  let weights: [[Double]]

  /// - Parameters:
  ///   - microBatches: the completions of a step, by the micro-batches over which losses are averaged.
  ///   - stepTokens: the tokens that `dapo` and `cispo` divide by; those of the micro-batches when nil.
  init(_ microBatches: [[LossSequence]], _ settings: LossSettings, stepTokens: Double? = nil) {
    let stepTokens =
      stepTokens ?? Double(microBatches.reduce(0) { $0 + $1.reduce(0) { $0 + $1.tokens } })
    let accumulation = Double(max(microBatches.count, 1))
    weights = microBatches.map { batch in
      let batchTokens = batch.reduce(0) { $0 + $1.tokens }
      return batch.map { sequence in
        if sequence.isMasked { return 0 }
        return switch settings.type {
        case .grpo: 1 / Double(max(sequence.length, 1)) / Double(batch.count) / accumulation
        case .bnpo: 1 / Double(max(batchTokens, 1)) / accumulation
        case .drGRPO: 1 / Double(batch.count * settings.maxCompletionLength) / accumulation
        case .dapo, .cispo: 1 / max(stepTokens, 1)
        }
      }
    }
  }
}
