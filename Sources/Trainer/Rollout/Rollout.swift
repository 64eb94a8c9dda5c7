import Foundation
import Grading
import Problems
import TinaRuntime
import Tokenization

/// Completions of some problems and their rewards.
struct Rollout {
  var groups: [ScoredGroup] = []
  var texts: [[String]] = []
  var problems: [Problem] = []
  /// `[component][group][completion]`
  var values: [[[Double?]]] = []
  var tokens = 0
  /// Problems asked, those included whose groups were left out.
  var asked = 0
  /// Seconds of sampling and scoring.
  var seconds = 0.0
  /// Seconds of waiting for rewards of one's own after the last token; nil without such rewards.
  var rewardWait: Double?
  /// Where ``values`` and the groups' rewards come from, if they are not there yet.
  var pending: PendingRewards?

  /// - Parameter components: number of the reward's components.
  init(_ components: Int) { values = [[[Double?]]](repeating: [], count: components) }

  /// Adds a group of another rollout; tokens and asked problems are counted apart.
  mutating func append(_ other: Rollout, _ group: Int) {
    groups.append(other.groups[group])
    texts.append(other.texts[group])
    problems.append(other.problems[group])
    for component in values.indices { values[component].append(other.values[component][group]) }
  }

  var lengths: [Int] { groups.flatMap { $0.completions.map(\.count) } }
  var truncated: [Bool] { groups.flatMap(\.isTruncated) }
  var truncatedShare: Double {
    let all = truncated
    return Double(all.count { $0 }) / Double(max(all.count, 1))
  }
}
