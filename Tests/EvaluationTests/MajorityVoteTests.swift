import Grading
import Testing

@testable import Evaluation

@Suite struct MajorityVoteTests {
  private func records(_ answers: [String], gold: String) -> [CompletionRecord] {
    answers.enumerated().map { i, answer in
      CompletionRecord(
        key: .init(contestant: "base", id: "p", sample: i), prompt: "", completion: answer, tokens: 1,
        finishReason: "stop", gold: gold, grader: Grader())
    }
  }

  private func score(_ answers: [String], gold: String) -> Double {
    MajorityVote(grader: Grader()).score(records(answers, gold: gold))
  }

  @Test func theMostFrequentAnswerCounts() {
    #expect(score(["\\boxed{7}", "\\boxed{7}", "\\boxed{3}"], gold: "7") == 1)
    #expect(score(["\\boxed{7}", "\\boxed{3}", "\\boxed{3}"], gold: "7") == 0)
  }

  @Test func equalAnswersVoteTogetherHoweverTheyAreWritten() {
    #expect(score(["\\boxed{\\frac{1}{2}}", "\\boxed{0.5}", "\\boxed{3}", "\\boxed{4}"], gold: "1/2") == 1)
    #expect(score(["\\boxed{2}", "\\boxed{\\frac{3}{4}}", "\\boxed{0.75}"], gold: "2") == 0)
  }

  @Test func tiesCountInPartAndSilenceDoesNotVote() {
    #expect(score(["\\boxed{7}", "\\boxed{3}"], gold: "7") == 0.5)
    #expect(score(["", "", "\\boxed{7}"], gold: "7") == 1)
    #expect(score(["", ""], gold: "7") == 0)
  }
}

@Suite struct CompletionRecordTests {
  @Test(arguments: [
    ("a\n</think>\nb", true), ("a</think>\nb", false), ("a\n</think> b", false), ("a", false),
    ("a\n</think>\nb\n</think>\nc", false), ("\n</think>\n", true),
  ])
  func theFormatIsTinasReward(text: String, isWellFormed: Bool) {
    #expect(ThinkingFormat.isKept(by: text) == isWellFormed)
  }
}
