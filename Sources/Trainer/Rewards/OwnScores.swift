import Foundation
import ModelFiles
import Support

/// Values of rewards of one's own for the groups of a rollout. They are computed while other groups are still sampled.
final class OwnScores: Sendable {
  private typealias Work = Task<[Double?], any Error>

  /// One reward and its values.
  private enum Source: Sendable {
    case command(CommandLane)
    /// By group.
    case program(any Reward, Locked<[Int: Work]>)
  }

  private let sources: [Source]

  /// - Parameter rewards: in the order of the recipe.
  init(_ rewards: [any Reward]) {
    sources = rewards.map { reward in
      if let command = reward as? CommandReward { return .command(CommandLane(command.judge)) }
      return .program(reward, Locked([:]))
    }
  }

  /// Whether values can be waited for outside of Swift's concurrency: all rewards are commands.
  var canBlock: Bool {
    sources.allSatisfy { if case .command = $0 { true } else { false } }
  }

  /// Begins with a group.
  func begin(_ index: Int, _ group: RewardGroup) {
    for source in sources {
      switch source {
      case .command(let lane): lane.begin(index, group)
      case .program(let reward, let work):
        let task = Task { try await Self.values(reward, group) }
        work.withLock { $0[index] = task }
      }
    }
  }

  /// Waits for the values of a group that was begun, `[reward][completion]`.
  func values(_ index: Int) async throws -> [[Double?]] {
    try await withTaskCancellationHandler {
      var values: [[Double?]] = []
      for source in sources {
        switch source {
        case .command(let lane):
          values.append(
            try await withCheckedThrowingContinuation { continuation in
              DispatchQueue.global().async {
                continuation.resume(with: Result { try lane.values(index) })
              }
            })
        case .program(_, let work): values.append(try await work.withLock { $0[index] }?.value ?? [])
        }
      }
      return values
    } onCancel: {
      cancel()
    }
  }

  /// Blocks until a group that was begun has its values, where all rewards are commands.
  func blockingValues(_ index: Int) throws(TrainerError) -> [[Double?]] {
    var values: [[Double?]] = []
    for case .command(let lane) in sources { values.append(try lane.values(index)) }
    return values
  }

  /// Gives up everything that was begun.
  func cancel() {
    for source in sources {
      switch source {
      case .command(let lane): lane.cancel()
      case .program(_, let work):
        for task in work.withLock({ $0.values.map { $0 } }) { task.cancel() }
      }
    }
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
