import Grading

/// The answer that most samples of a problem give.
struct MajorityVote {
  let grader: Grader

  /// 1 when the most frequent answer is right, 0 when it is wrong, and on a tie the share of right ones among the tied.
  /// Samples without an answer do not vote.
  func score(_ samples: [CompletionRecord]) -> Double {
    var groups: [(answer: String, votes: Int, isCorrect: Bool)] = []
    for sample in samples {
      guard let answer = sample.extracted else { continue }
      // Right answers all equal the gold one; wrong ones are compared with each other.
      let isCorrect = sample.correct == true
      let index = groups.firstIndex { group in
        if isCorrect || group.isCorrect { return isCorrect == group.isCorrect }
        return group.answer == answer || grader.grade(gold: group.answer, prediction: answer).isEqual == true
      }
      if let index { groups[index].votes += 1 } else { groups.append((answer, 1, isCorrect)) }
    }
    guard let most = groups.map(\.votes).max() else { return 0 }
    let tied = groups.filter { $0.votes == most }
    return Double(tied.count(where: \.isCorrect)) / Double(tied.count)
  }
}
