import Support

/// Rewards of a rollout that commands still compute while its first groups are learnt from.
///
/// The optimiser's step comes after the last group, so no step is made before every value is there.
final class PendingRewards {
  private let scores: OwnScores
  private let reward: RewardFunction
  private let scaling: RewardScaling
  private let inputs: [[RewardInput]]
  private var known: [Int: [[Double?]]] = [:]
  private var waited = 0.0

  /// - Parameters:
  ///   - scaling: of the advantages, which may not depend on other groups.
  ///   - inputs: the completions of each group.
  init(_ scores: OwnScores, _ reward: RewardFunction, _ scaling: RewardScaling, _ inputs: [[RewardInput]]) {
    self.scores = scores
    self.reward = reward
    self.scaling = scaling
    self.inputs = inputs
  }

  /// The advantages of a group, once its rewards are known.
  func advantages(_ group: Int) throws(TrainerError) -> [Double] {
    Advantages.compute([reward.totals(try values(group))], scaling: scaling)[0]
  }

  /// The rollout with all of its rewards.
  func complete(_ rollout: Rollout) throws(TrainerError) -> Rollout {
    var rollout = rollout
    for g in inputs.indices {
      let values = try values(g)
      for (i, row) in values.enumerated() { rollout.values[i][g] = row }
      rollout.groups[g].rewards = reward.totals(values)
    }
    rollout.rewardWait = waited
    rollout.pending = nil
    return rollout
  }

  /// `[component][completion]`
  private func values(_ group: Int) throws(TrainerError) -> [[Double?]] {
    if let values = known[group] { return values }
    let start = ContinuousClock.now
    let own = try scores.blockingValues(group)
    waited += (ContinuousClock.now - start).inSeconds
    let values = reward.values(inputs[group], own: own)
    known[group] = values
    return values
  }
}
