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
  /// Seconds of sampling and scoring.
  var seconds = 0.0

  var lengths: [Int] { groups.flatMap { $0.completions.map(\.count) } }
  var truncated: [Bool] { groups.flatMap(\.isTruncated) }
  var truncatedShare: Double {
    let all = truncated
    return Double(all.count { $0 }) / Double(max(all.count, 1))
  }
}
