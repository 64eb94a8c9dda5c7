import TinaRuntime

/// Floating-point operations of a step, counted from shapes: what the mathematics needs, a product and a sum being two.
/// Blocks that are computed again to save memory do not count, and neither do norms, softmax and sampling.
struct StepFlops {
  /// Of one row in the base's maps, in the adapter's pairs, and in the head.
  private let maps: Double
  private let pairs: Double
  private let head: Double
  /// Of one row for each position that it attends to.
  private let attention: Double

  init(_ model: Model, _ parameters: LoRAParameters) {
    let config = model.config
    let weights = Projection.allCases.reduce(0.0) { sum, projection in
      let (out, input) = projection.shape(config)
      return sum + Double(out) * Double(input)
    }
    let layers = Double(config.layerCount)
    maps = 2 * layers * weights
    pairs = 2 * parameters.pairs.reduce(0.0) { $0 + Double($1.aCount + $1.bCount) }
    head = 2 * Double(config.vocabSize) * Double(config.hiddenSize)
    // A dot product with a key, and a share of a value.
    attention = 4 * layers * Double(config.queryWidth)
  }

  /// What groups take: rows, positions attended to, and logits. A prompt counts once for its completions.
  private struct Work {
    var rows = 0.0
    var positions = 0.0
    var logits = 0.0

    init(_ groups: [(prompt: Int, completions: [Int])]) {
      for (prompt, completions) in groups {
        let p = Double(prompt)
        rows += p
        positions += p * (p + 1) / 2
        for count in completions {
          // The last token predicts nothing that is needed.
          let n = Double(max(count - 1, 0))
          rows += n
          positions += n * p + n * (n + 1) / 2
          logits += Double(count)
        }
      }
    }
  }

  /// Numbers for the log.
  ///
  /// - Parameters:
  ///   - groups: the tokens of each prompt and of its completions.
  ///   - samples: whether the completions were sampled for this step.
  ///   - hasReference: whether the reference's log-probabilities were computed for this step.
  ///   - share: the share of the groups that the step learns from.
  func values(
    _ groups: [(prompt: Int, completions: [Int])], samples: Bool, hasReference: Bool, share: Double = 1
  ) -> [(String, Double)] {
    let work = Work(groups)
    let base = work.rows * maps + work.logits * head
    let attending = work.positions * attention
    let once = base + work.rows * pairs + attending
    let rollout = samples ? once : 0
    let forward = share * once + (hasReference ? base + attending : 0)
    // Gradients of inputs everywhere; of weights in the adapter alone. Attention has two inputs to each product.
    let backward = share * (base + 2 * work.rows * pairs + 2 * attending)
    return [
      ("flops/rollout", rollout), ("flops/forward", forward), ("flops/backward", backward),
      ("flops/step", rollout + forward + backward),
    ]
  }
}
