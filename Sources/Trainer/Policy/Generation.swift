/// A prompt, its completions and their rewards.
struct ScoredGroup {
  let prompt: [Int]
  let completions: [[Int]]
  /// Whether a completion was cut off at the length limit.
  let isTruncated: [Bool]
  /// Total rewards; nil where every component is undecided.
  var rewards: [Double?]
  /// The sampler's log-probabilities under the loss's temperature, NaN where it tells none of a token; nil when the
  /// source tells none at all.
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
  /// How far a sampler with other numbers is from the trainer, and what that makes of the loss; nil where that is found
  /// in the step, and where the bits agree.
  var imported: ImportedSampling?
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

/// Completions of a sampler whose log-probabilities are not the trainer's.
struct ImportedSampling {
  /// Weights of the policy loss, `[group][completion]`, one or one for each token; nil where the recipe wants none.
  let importance: [[[Double]]]?
  let mismatch: SamplingMismatch

  /// - Parameters:
  ///   - trainer: ln p of the trainer when the completions were sampled.
  ///   - sequences: the completions as the loss sees them.
  init(
    _ groups: [ScoredGroup], trainer: [[[Float]]], sequences: [[LossSequence]],
    _ correction: SamplingCorrection
  ) {
    var importance: [[[Double]]] = []
    var mismatch = SamplingMismatch()
    for (g, group) in groups.enumerated() {
      let sampled = group.sampled ?? group.completions.map { $0.map { _ in Float.nan } }
      importance.append(
        zip(trainer[g], sampled).enumerated().map { i, pair in
          let ratios = correction.ratios(trainer: pair.0, sampled: pair.1)
          mismatch =
            mismatch
            + correction.mismatch(
              trainer: pair.0, sampled: pair.1, ratios: ratios, isMasked: sequences[g][i].isMasked)
          return ratios
        })
    }
    self.importance = correction.isOn ? importance : nil
    self.mismatch = mismatch
  }
}
