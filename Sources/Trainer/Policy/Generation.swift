/// A prompt, its completions and their rewards.
struct ScoredGroup {
  let prompt: [Int]
  let completions: [[Int]]
  /// Whether a completion was cut off at the length limit.
  let isTruncated: [Bool]
  /// Total rewards; nil where every component is undecided.
  var rewards: [Double?]
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
  /// What knows the advantages, if they are not there yet.
  var pending: PendingRewards?

  /// A group's completions as the loss sees them, with their advantages.
  func sequences(of group: Int) throws(TrainerError) -> [LossSequence] {
    guard let pending else { return sequences[group] }
    return zip(sequences[group], try pending.advantages(group)).map {
      LossSequence(length: $0.length, advantage: $1, isMasked: $0.isMasked)
    }
  }
}
