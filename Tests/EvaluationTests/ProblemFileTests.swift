import Foundation
import TestSupport
import Testing

@testable import Evaluation

@Suite struct ProblemFileTests {
  private func read(_ text: String) throws -> [Problem] {
    let folder = TemporaryFolder()
    return try ProblemFile.read(folder.write("problems.jsonl", text))
  }

  @Test(arguments: [
    (#"{"id": 60, "problem": "P", "answer": "204", "solution": "\\boxed{1}"}"#, "60", "204"),
    (#"{"id": "a", "question": "P", "answer": 70.0}"#, "a", "70"),
    (#"{"problem": "P", "solution": "x \\boxed{1} so \\boxed{\\frac{1}{2}}."}"#, "0", "\\frac{1}{2}"),
    (#"{"question": "P", "answer": "3+4=7\n#### 7"}"#, "0", "7"),
    (#"{"id": 1606, "question": "P", "final_answer": ["2", "3"]}"#, "1606", "2, 3"),
    (#"[{"prompt": [{"from": "user", "value": "P"}], "final_answer": "588"}]"#, "0", "588"),
  ])
  func everyLayoutIsRead(text: String, id: String, answer: String) throws {
    #expect(try read(text + "\n") == [Problem(id: id, text: "P", answer: answer)])
  }

  @Test func multipleChoiceHidesTheRightAnswer() throws {
    let line =
      #"{"Question": "Q ", "Correct Answer": "right", "Incorrect Answer 1": "x", "#
      + #""Incorrect Answer 2": "y", "Incorrect Answer 3": "z"}"#
    let problems = try read((0..<40).map { _ in line }.joined(separator: "\n"))
    #expect(Set(problems.map(\.answer)) == ["A", "B", "C", "D"])
    for problem in problems { #expect(problem.text.contains("\(problem.answer)) right")) }
  }

  @Test(arguments: [
    (#"{"answer": "1"}"#, "no question"), (#"{"problem": "P"}"#, "no answer"), ("", "no problems"),
    ("3", "expected an object"),
    (
      #"{"id": 1, "problem": "P", "answer": "1"}"# + "\n" + #"{"id": 1, "problem": "Q", "answer": "1"}"#,
      "a second time"
    ),
    ("PAR1....", "Parquet"),
  ])
  func otherFilesAreRefusedWithTheReason(text: String, reason: String) {
    let error = #expect(throws: EvaluationError.self) { try self.read(text) }
    #expect("\(String(describing: error))".contains(reason), "\(String(describing: error))")
  }

  @Test func whatIsWrittenIsReadBack() throws {
    let problems = [
      Problem(id: "ä", text: "a\n\"b\"", answer: "\\frac{1}{2}"),
      Problem(id: "2", text: "x", answer: "#### 5"),
    ]
    #expect(try read(ProblemFile.lines(problems))[0] == problems[0])
  }

  @Test(.needsShared("benchmarks")) func realBenchmarksAreRead() throws {
    let folder = try #require(shared("benchmarks"))
    let counts = [
      "aime24": 30, "aime25": 30, "amc23": 40, "math500": 500, "minerva": 272, "olympiadbench": 675,
      "gsm8k": 1319,
    ]
    for (name, count) in counts {
      let benchmark = try Benchmark(name, folder: folder, model: "", style: nil)
      #expect(benchmark.problems.count == count, "\(name)")
      #expect(benchmark.style == .math)
      #expect(benchmark.problems.allSatisfy { !$0.answer.isEmpty && !$0.text.isEmpty }, "\(name)")
    }
    for file in ["aime25/AIME25.still.jsonl", "aime25/aime2025.softthinking.json"] {
      let benchmark = try Benchmark(folder + "/" + file, folder: nil, model: "", style: nil)
      #expect(benchmark.problems.count == 30)
      #expect(benchmark.problems[0].answer == "70")
    }
  }
}
