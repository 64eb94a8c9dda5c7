import Foundation
import Grading
import TestSupport
import Testing

private func rows(_ file: String) throws -> [[String: Any]] {
  let text = try String(contentsOfFile: try #require(shared(file)), encoding: .utf8)
  return try text.split(separator: "\n").map {
    try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
  }
}

/// Answers of models and of benchmarks.
@Suite(.needsShared("answers/sample.jsonl"))
struct SharedDataTests {
  @Test func theSample() throws {
    let grader = Grader()
    for row in try rows("answers/sample.jsonl") {
      let gold = try #require(row["gold"] as? String)
      let prediction = try #require(row["prediction"] as? String)
      let verdict = grader.grade(gold: gold, prediction: prediction)
      #expect(
        verdict.isEqual == row["expected_equal"] as? Bool, "\(gold) | \(prediction.suffix(200)): \(verdict)")
    }
  }

  /// Read by hand: 2, 3, 7 and 21 are wrong answers; 8, 12 and 20 were cut off while thinking, before any answer;
  /// 19 was cut off after it, with its answer boxed at the end of the thinking.
  @Test func theCompletions() throws {
    let wrong: Set = [2, 3, 7, 8, 12, 20, 21]
    let all = try rows("answers/r1-1.5b-gsm8k-completions-25.jsonl")
    #expect(all.count == 25)
    for row in all {
      let id = try #require(row["id"] as? Int)
      let gold = try #require(row["gold"] as? String)
      let completion = try #require(row["completion"] as? String)
      let verdict = Grader().grade(gold: gold, prediction: completion)
      #expect(verdict.isEqual == !wrong.contains(id), "\(id): \(verdict)")
      let full = try #require(row["gold_full"] as? String)
      #expect(Grader().grade(gold: full, prediction: completion).isEqual == verdict.isEqual)
    }
  }

  @Test(arguments: ["aime24", "aime25", "amc23", "math500", "minerva_math", "olympiadbench", "gsm8k"])
  func goldAnswersEqualThemselves(suite: String) throws {
    let grader = Grader()
    for row in try rows("benchmarks/unified/\(suite).jsonl") {
      guard let gold = row["answer"] as? String else { continue }
      let bare = gold.replacingOccurrences(of: "\\$", with: "").replacingOccurrences(of: "$", with: "")
      for prediction in [gold, "So it is $\\boxed{\(bare)}$."] {
        let verdict = grader.grade(gold: gold, prediction: prediction)
        // One gold answer is a paragraph.
        if gold.contains("where") { continue }
        #expect(verdict.outcome == .equal, "\(gold): \(verdict.why)")
      }
    }
  }
}
