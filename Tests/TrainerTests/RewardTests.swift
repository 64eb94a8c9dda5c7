import Testing

@testable import Trainer

/// The formulas of Tina's rewards, each value worked out by hand from the published code.
@Suite struct RewardTests {
  private func input(_ text: String, tokens: Int = 10, correct: Bool? = true) -> RewardInput {
    RewardInput(text: text, gold: "4", tokens: tokens, isCorrect: correct)
  }

  private func value(
    _ kind: RewardKind, _ group: [RewardInput], _ settings: RewardSettings = RewardSettings()
  ) -> [Double?] {
    RewardFunction([WeightedReward(kind, weight: 1)], settings: settings).values(group)[0]
  }

  @Test(arguments: [
    ("<think>\na\n</think>\nb", 1.0), ("a\n</think>\nb", 1.0), ("a</think>\nb", 0.0), ("a\n</think>", 0.0),
    ("a\n</think>\n\n</think>\n", 0.0), ("", 0.0), ("é\u{301}\n</think>\n", 1.0),
  ])
  func format(text: String, expected: Double) { #expect(value(.format, [input(text)]) == [expected]) }

  @Test(arguments: [
    ("<think>\na\n</think>\nb", 1.0), ("a\n</think>\nb", 0.5), ("<think>\n<think>\n\n</think>\n", 0.5),
    ("<think> a", 0.0),
  ])
  func tagCount(text: String, expected: Double) { #expect(value(.tagCount, [input(text)]) == [expected]) }

  @Test(arguments: [
    ("Step 1: x Step 22: y", 2), ("1. x\n2. y", 1), ("x 1. y", 0), ("\n- a\n* b\n-c", 3),
    ("First, Next, Finally,", 3),
    ("Step x: Second", 0), ("12 1.", 0), ("Step 1:First,Second,Next,", 4),
  ])
  func reasoningSteps(text: String, marks: Int) {
    #expect(value(.reasoningSteps, [input(text)]) == [min(1, Double(marks) / 3)])
  }

  @Test func repetition() {
    #expect(value(.repetitionPenalty, [input("a b c")]) == [0])
    #expect(value(.repetitionPenalty, [input("a b")]) == [0])
    #expect(value(.repetitionPenalty, [input("")]) == [0])
    // a b a b a: the trigrams aba, bab, aba
    #expect(abs((value(.repetitionPenalty, [input("a B A  b\na")])[0] ?? 0) + 1.0 / 3) < 1e-12)
  }

  @Test func length() {
    let group = [
      input("aa", correct: true), input("aaaaaa", correct: false), input("aaaa", correct: true),
      input("aaa", correct: false), input("aaaaaa", correct: nil),
    ]
    #expect(value(.length, group) == [0.5, -0.5, 0, 0, -0.5])
    #expect(value(.length, [input("ab"), input("cd", correct: false)]) == [0, 0])
  }

  @Test func cosine() {
    var settings = RewardSettings()
    settings.cosineMaxLength = 8
    func at(_ length: Int, _ correct: Bool?) -> Double {
      (value(.cosine, [input(String(repeating: "a", count: length), correct: correct)], settings)[0] ?? .nan)
    }
    #expect(at(0, true) == 1)
    #expect(abs(at(4, true) - 0.75) < 1e-12)
    #expect(abs(at(8, true) - 0.5) < 1e-12)
    #expect(at(0, false) == 0)
    #expect(abs(at(4, false) + 0.25) < 1e-12)
    #expect(abs(at(8, false) + 0.5) < 1e-12)
    #expect(abs(at(16, true) - 1) < 1e-12)  // beyond the length the cosine turns back up, as published
    #expect(at(5, nil) == 1)
  }

  @Test func softOverlong() {
    var settings = RewardSettings()
    settings.maxCompletionTokens = 100
    settings.softPunishTokens = 20
    let group = [80, 81, 90, 100, 130].map { input("", tokens: $0) }
    #expect(value(.softOverlong, group, settings) == [0, -0.05, -0.5, -1, -1])
  }

  @Test func totalsLeaveOutWhatIsUndecided() {
    let function = RewardFunction([WeightedReward(.accuracy, weight: 2), WeightedReward(.format, weight: 1)])
    let values = function.values([
      input("\n</think>\n", correct: true), input("", correct: nil), input("\n</think>\n", correct: false),
    ])
    #expect(function.totals(values) == [3, 0, 1])
    #expect(RewardFunction([WeightedReward(.accuracy, weight: 2)]).totals([[nil, 1]]) == [nil, 2])
  }
}
