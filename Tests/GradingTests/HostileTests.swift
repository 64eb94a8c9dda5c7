import Grading
import Testing

@testable import Grading

/// Work is bounded whatever the text is, and reaching the bound is never "wrong".
@Suite struct HostileTests {
  @Test(arguments: [
    "10^{10^{10^{10}}}", "((5!)!)!", "100000000!", "\\binom{1000000}{500000}", "\\sin(10^{30})",
    "\\boxed{" + String(repeating: "(", count: 20_000) + "1" + String(repeating: ")", count: 20_000) + "}",
    String(repeating: "\\sqrt{2+", count: 200) + "1" + String(repeating: "}", count: 200),
    String(repeating: "7", count: 100_000), "\\boxed{" + String(repeating: "\\sin 3+", count: 2_000) + "1}",
    "\\begin{pmatrix}"
      + Array(repeating: Array(repeating: "1", count: 120).joined(separator: "&"), count: 120).joined(
        separator: "\\\\")
      + "\\end{pmatrix}",
  ])
  func undecided(prediction: String) {
    let verdict = Grader().grade(gold: "1", prediction: prediction)
    #expect(verdict.outcome == .undecided, "\(verdict.why)")
  }

  @Test func neighboursOfHugeNumbersAreNotEqual() {
    #expect(Grader().grade(gold: "10^{10^{10}}", prediction: "10^{10^{10}}+1").outcome == .undecided)
    #expect(Grader().grade(gold: "10^{10^{10}}", prediction: "10^{10^{10}}").outcome == .equal)
  }

  @Test(arguments: [
    String(repeating: "lorem ipsum 12 dolor ", count: 50_000), String(repeating: "\\boxed{", count: 100_000),
    String(repeating: "$x", count: 200_000) + " some words",
    String(repeating: "the final answer ", count: 50_000),
    String(repeating: "\\( words ", count: 100_000), String(repeating: "I hope ", count: 100_000),
  ])
  func aMegabyteIsFine(prediction: String) {
    #expect(Grader().grade(gold: "1", prediction: prediction).outcome != .equal)
  }

  /// The limit on steps is a limit: the counter stops right behind it.
  @Test func theBudgetIsKept() throws {
    let budget = Budget(1_000)
    #expect(throws: GradingError.outOfSteps) {
      let text = Array(String(repeating: "1+", count: 5_000).utf8)
      _ = try Parser.parse(text + [0x31], budget)
    }
    #expect(budget.spent <= 1_100)
  }

  @Test func fewerStepsAreFewerSteps() {
    var options = GradingOptions()
    options.maxSteps = 10
    #expect(Grader(options: options).grade(gold: "x+1", prediction: "1+x").outcome == .undecided)
  }

  @Test func oneGraderServesManyThreads() async {
    let grader = Grader()
    let gold = grader.prepare(gold: "\\frac{1}{\\sqrt{2}}")
    let all = await withTaskGroup(of: Bool.self, returning: Bool.self) { group in
      for index in 0..<16 {
        group.addTask {
          grader.grade(gold, prediction: index % 2 == 0 ? "\\frac{\\sqrt2}{2}" : "\\frac{\\sqrt3}{2}").outcome
            == (index % 2 == 0 ? .equal : .different)
        }
      }
      return await group.allSatisfy(\.self)
    }
    #expect(all)
  }
}

extension HostileTests {
  /// Signs that wrap an expression without brackets nest as well.
  @Test(arguments: [
    String(repeating: "\\pm 1", count: 1_500), "5" + String(repeating: "!", count: 5_000),
    "5" + String(repeating: "%", count: 5_000), "x" + String(repeating: "'", count: 5_000) + "!",
    String(repeating: "2^", count: 3_000) + "1", "1" + String(repeating: "\\cap 1", count: 1_200),
  ])
  func wrappedDeeply(prediction: String) {
    #expect(Grader().grade(gold: "1", prediction: prediction).outcome != .equal)
  }
}

extension HostileTests {
  /// Each of these once ended the program: base 36, and exponents beyond 64 bits.
  @Test(arguments: [
    ("1", "1_{36}"), ("1_{36}", "1"),
    ("((\\pi^{-2^{39}})^{2^{39}})^{2^{39}}", "0+((\\pi^{-2^{39}})^{2^{39}})^{2^{39}}"),
  ])
  func extremeNumbersAreComputed(gold: String, prediction: String) {
    #expect(Grader().grade(gold: gold, prediction: prediction).outcome == .equal)
  }

  /// Sixty leading digits agree; balls show the difference all the same.
  @Test(arguments: [("\\pi", "\\pi+10^{-70}"), ("e^{200}", "e^{200}+10^{-30}"), ("e^{-300}", "0")])
  func smallDifferencesAreDifferences(gold: String, prediction: String) {
    #expect(Grader().grade(gold: gold, prediction: prediction).outcome == .different)
  }

  @Test func whatVanishesBesideAnIntegerIsThatInteger() {
    #expect(Grader().grade(gold: "3", prediction: "\\lfloor\\log_2 8.0\\rfloor").outcome == .equal)
    #expect(Grader().grade(gold: "1", prediction: "\\lfloor\\ln e\\rfloor").outcome == .equal)
  }
}
