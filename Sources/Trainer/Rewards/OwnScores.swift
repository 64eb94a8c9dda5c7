import ModelFiles
import Support

/// Values of rewards of one's own for the groups of a rollout. They are computed while other groups are still sampled.
final class OwnScores: Sendable {
  private typealias Work = Task<[Double?], any Error>

  private let rewards: [any Reward]
  /// By group, then by reward.
  private let work = Locked<[Int: [Work]]>([:])

  /// - Parameter rewards: in the order of the recipe.
  init(_ rewards: [any Reward]) { self.rewards = rewards }

  /// Begins with a group.
  func begin(_ index: Int, _ group: RewardGroup) {
    let tasks = rewards.map { reward in Task { try await Self.values(reward, group) } }
    work.withLock { $0[index] = tasks }
  }

  /// Waits for the values of a group that was begun, `[reward][completion]`.
  func values(_ index: Int) async throws -> [[Double?]] {
    let tasks = work.withLock { $0[index] ?? [] }
    var values: [[Double?]] = []
    for task in tasks {
      values.append(
        try await withTaskCancellationHandler {
          try await task.value
        } onCancel: {
          cancel()
        })
    }
    return values
  }

  /// Gives up everything that was begun.
  func cancel() {
    for task in work.withLock({ $0.values.flatMap { $0 } }) { task.cancel() }
  }

  /// - Throws: ``TrainerError`` unless there is a finite number or nothing for each completion.
  private static func values(_ reward: any Reward, _ group: RewardGroup) async throws -> [Double?] {
    let values = try await reward.values(group)
    func bad(_ found: String, _ expected: String) -> TrainerError {
      TrainerError(.reward, place: "reward " + reward.name, found: found, expected: expected)
    }
    guard values.count == group.completions.count else {
      throw bad("\(values.count) values", "\(group.completions.count), one a completion")
    }
    if let index = values.firstIndex(where: { $0.map { !(abs($0) <= 1e12) } ?? false }) {
      throw bad("\(values[index] ?? .nan) for completion \(index + 1)", "a finite number up to 1e12, or nil")
    }
    return values
  }
}
