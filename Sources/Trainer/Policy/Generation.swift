/// A prompt, its completions and their rewards.
struct ScoredGroup {
  let prompt: [Int]
  let completions: [[Int]]
  /// Whether a completion was cut off at the length limit.
  let isTruncated: [Bool]
  /// Total rewards; nil where every component is undecided.
  let rewards: [Double?]
  /// The sampler's log-probabilities under the loss's temperature; nil when the source tells none.
  let sampled: [[Float]]?
}

/// Completions to learn from, in one or several steps.
struct Generation {
  let groups: [ScoredGroup]
  let advantages: [[Double]]
  /// The completions as the loss sees them.
  let sequences: [[LossSequence]]
  /// ln p when sampled, under the loss's temperature; nil when nothing is learned between.
  let old: [[[Float]]]?
  /// ln p under the reference; nil if beta is 0.
  let reference: [[[Float]]]?
}
