import Grading
import Testing

/// What is taken as the answer.
@Suite struct ExtractionTests {
  private func extracted(
    _ text: String, gold: String = "no answer is this", _ options: GradingOptions = .init()
  ) -> String? {
    Grader(options: options).grade(gold: gold, prediction: text).extracted
  }

  @Test(arguments: [
    ("<think>\\boxed{1}</think>\nIt is \\boxed{2}.", "2"),
    ("\\boxed{1} then \\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
    ("\\boxed{\\{1, 2\\}}", "\\{1, 2\\}"),
    ("\\boxed{\\boxed{3}}", "3"), ("\\boxed{x = \\boxed{4}}", "4"), ("\\boxed{1} \\boxed{2 \\fbox{5}", "5"),
    ("\\fbox{7}", "7"), ("So \\boxed 5 it is", "5"),
    ("\\boxed{1} and \\boxed{-2}", "1, -2"), ("\\boxed{28} percent", "28\\%"),
    ("It was \\boxed{3}. The final answer is $4$. I hope it is correct.", "$4$"),
    ("The final answer is $4$. I hope it is correct. No: \\boxed{5}", "5"),
    ("She has 12 eggs.\n#### 18", "18"), ("**Answer:** 12 apples, not 13.", "12"),
    ("First 3, the answer is $x=7$ because 8 is not.", "x=7"), ("We get 5 and then 6", "6"),
    ("$1$ or $2$", "$1$ or $2$"),
    ("Hence $n = 1$ and $n = 2$ solve it", "n = 1, n = 2"), ("it costs $1,000.99", "1,000.99"),
    ("<answer>9</answer>", "9"),
  ])
  func takes(text: String, expected: String) { #expect(extracted(text, gold: "3.25") == expected) }

  @Test func aBoxInTheThinkingCountsWhenTheAnswerWasCutOff() {
    #expect(extracted("<think>So \\boxed{6}.</think>\n\nThe speed is \\frac{", gold: "6") == "6")
  }

  @Test func unfinishedThinking() {
    let text = "<think>It might be \\boxed{5}. Or 7"
    var options = GradingOptions()
    #expect(extracted(text, gold: "5", options) == "5")
    options.unfinishedThinking = .onlyBoxed
    #expect(extracted(text, gold: "5", options) == "5")
    #expect(extracted("<think>It is 5", gold: "5", options) == nil)
    options.unfinishedThinking = .noAnswer
    #expect(extracted(text, gold: "5", options) == nil)
    #expect(Grader(options: options).grade(gold: "5", prediction: text).outcome == .different)
  }

  /// The 0 of an equation that could not be read is not its answer.
  @Test func nothingIsTakenOutOfAnUnreadableFormula() {
    let verdict = Grader().grade(gold: "0", prediction: "$\\unknown{{ x + } 1 = 0$")
    #expect(verdict.outcome == .different)
  }

  @Test func goldAnswersMayBeSolutions() {
    let grader = Grader()
    #expect(grader.grade(gold: "Adding <<2+3=5>>5 eggs.\n#### 5", prediction: "5").outcome == .equal)
    #expect(
      grader.grade(gold: "So we get $x=2$, hence $\\boxed{14{,}916}$ is it.", prediction: "14916").outcome
        == .equal)
    let prepared = grader.prepare(gold: "\\boxed{\\frac12}")
    #expect(prepared.text == "\\frac12")
    #expect(grader.grade(prepared, prediction: "0.5").outcome == .equal)
    #expect(grader.grade(prepared, prediction: "0.6").outcome == .different)
  }

  @Test func emptyGoldIsUndecided() {
    #expect(Grader().grade(gold: " ", prediction: "1").outcome == .undecided)
  }
}
