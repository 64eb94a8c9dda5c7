import Foundation
import Problems
import TestSupport
import Testing

@Suite struct ProblemFileTests {
  private func read(_ text: String, for purpose: ProblemFile.Purpose = .evaluation) throws -> [Problem] {
    let folder = TemporaryFolder()
    return try ProblemFile(folder.write("problems.jsonl", text), for: purpose).problems
  }

  @Test(arguments: [
    (#"{"id": 60, "problem": "P", "answer": "204", "solution": "\\boxed{1}"}"#, "60", "204"),
    (#"{"id": "a", "question": "P", "answer": 70.0}"#, "a", "70"),
    (#"{"problem": "P", "solution": "x \\boxed{1} so \\boxed{\\frac{1}{2}}."}"#, "0", "\\frac{1}{2}"),
    (#"{"question": "P", "answer": "3+4=7\n#### 7"}"#, "0", "7"),
    (#"{"id": 1606, "question": "P", "final_answer": ["2", "3"]}"#, "1606", "2, 3"),
    (#"[{"prompt": [{"from": "user", "value": "P"}], "final_answer": "588"}]"#, "0", "588"),
    (#"{"problem": "P", "verification_info": "{\"answer\": {\"value\": \"5\"}}"}"#, "0", "5"),
    (#"{"problem": "P", "solution": "$54$"}"#, "0", "$54$"),
    (#"{"problem": "", "prompt": "P", "gold": 3}"#, "0", "3"),
  ])
  func everyLayoutIsRead(text: String, id: String, answer: String) throws {
    let problem = try #require(try read(text + "\n").first)
    #expect(problem.id == id && problem.text == "P" && problem.answer == answer, "\(problem)")
  }

  @Test func theUserAsksInAConversation() throws {
    let lines = """
      {"prompt": [{"role": "system", "content": "S"}, {"role": "user", "content": "P"}], "answer": "1"}
      {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "x"}], "answer": "1"}
      """
    let problems = try read(lines)
    #expect(problems.map(\.text) == ["P", "Q"])
    #expect(problems.map(\.system) == ["S", nil])
    #expect(try read(ProblemFile.lines(problems)) == problems)
  }

  @Test(
    arguments: [
      #"[{"role": "system", "content": "S"}, {"role": "user", "content": "P"}]"#,
      #"[{"role": "developer", "content": "S"}, {"from": "human", "value": "P"}]"#,
      #"[{"role": "system", "content": [{"type": "text", "text": "S"}]}, "#
        + #"{"role": "user", "content": [{"type": "text", "text": "P"}]}]"#,
      #"[{"role": "system", "content": "S"}, {"role": "user", "content": ["P"]}, {"role": "assistant", "content": "x"}]"#,
    ], ["prompt", "messages"])
  func theSystemMessageIsNeverTheProblem(messages: String, key: String) throws {
    for purpose in [ProblemFile.Purpose.training, .evaluation] {
      let problem = try #require(try read(#"{"\#(key)": \#(messages), "answer": "1"}"#, for: purpose).first)
      #expect(
        problem.text == "P" && problem.system == "S" && problem.answer == "1" && problem.earlier.isEmpty)
    }
  }

  @Test func theLastQuestionIsAskedAfterTheOthers() throws {
    let turns = """
      {"role": "system", "content": "S"}, {"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}, \
      {"role": "user", "content": "C"}
      """
    for (messages, answer) in [
      (turns, "1"), (turns + #", {"role": "assistant", "content": "so \\boxed{1}."}"#, "1"),
      (turns + #", {"role": "assistant", "content": "2-1=1\n#### 1"}"#, "1"),
    ] {
      let given = messages == turns ? #", "answer": "1""# : ""
      let problems = try read(#"{"messages": [\#(messages)]\#(given)}"#)
      #expect(problems[0].text == "C" && problems[0].system == "S" && problems[0].answer == answer)
      #expect(problems[0].earlier == [.init(isUser: true, text: "A"), .init(isUser: false, text: "B")])
      #expect(try read(ProblemFile.lines(problems)) == problems)
    }
  }

  @Test func trainingNeedsNoAnswersAndNoIds() throws {
    let problems = try read(
      #"{"id": 1, "problem": "P"}"# + "\n" + #"{"id": 1, "problem": "Q"}"#, for: .training)
    #expect(problems.map(\.answer) == [nil, nil])
  }

  @Test func filesOfOtherProgramsAreRead() throws {
    let line = #"{"problem": "P", "answer": "1", "x": NaN}"#
    #expect(
      try read(
        "\u{FEFF}" + line.replacingOccurrences(of: "\"x\"", with: "\"id\": \"b\", \"x\"") + "\r\n" + line
          + "\r\n"
      ).count == 2)
    #expect(try read("\u{FEFF}[" + line + "]").count == 1)
    for text in [#"{"problem": "P", "answer": NaN}"#, #"{"problem": NaN, "answer": "1"}"#] {
      #expect(throws: ProblemError.self) { try read(text) }
    }
    #expect(try read("\u{FEFF}problem,answer\n1+1,2\n").map(\.answer) == ["2"])
  }

  @Test func marksTakeNoTime() throws {
    let marks = String(repeating: "\u{323}\u{307}", count: 1 << 16)
    let strange = #"{"messages": [{"role": "\#(marks)", "content": "x"}, {"role": "user", "content": "x"}]}"#
    let turns = #"{"messages": [{"role": "user", "content": "\#(marks)"}], "answer": "\#(marks)#### 1"}"#
    let seconds = try processorSeconds {
      #expect(throws: ProblemError.self) { try read(strange) }
      // Out of the macro, which would describe every part of an expression that fails.
      let conversations = try read(turns).count
      let problems = try read(#"{"problem": "\#(marks)", "solution": "\#(marks)\\boxed{\#(marks)}"}"#).count
      #expect(conversations == 1 && problems == 1)
      #expect(throws: ProblemError.self) { try read(#"{"problem": "P", "id": "\#(marks)", "answer": "1"}"#) }
    }
    #expect(seconds < 10)
  }

  @Test func multipleChoiceHidesTheRightAnswer() throws {
    let line =
      #"{"Question": "Q ", "Correct Answer": "right", "Incorrect Answer 1": "x", "#
      + #""Incorrect Answer 2": "y", "Incorrect Answer 3": "z"}"#
    let problems = try read((0..<40).map { _ in line }.joined(separator: "\n"))
    #expect(Set(problems.map(\.answer)) == ["A", "B", "C", "D"])
    for problem in problems { #expect(problem.text.contains("\(problem.answer ?? "")) right")) }
  }

  @Test(arguments: [
    (#"{"answer": "1"}"#, "no question"), (#"{"problem": "P"}"#, "no answer"), ("", "no problems"),
    ("3", "expected an object"),
    (
      #"{"id": 1, "problem": "P", "answer": "1"}"# + "\n" + #"{"id": 1, "problem": "Q", "answer": "1"}"#,
      "a second time"
    ),
    ("PAR1....", "Parquet"), (#"{"problem": ""}"#, "no problem"), ("[{}, 3", "record 1"),
    (#"{"prompt": [{"role": "system", "content": "S"}], "answer": "1"}"#, "no problem in"),
    (#"{"messages": [{"role": "user", "content": "P"}, {"role": "user", "content": "Q"}]}"#, "several turns"),
    (
      #"{"prompt": [{"role": "assistant", "content": "A"}, {"role": "assistant", "content": "B"}]}"#,
      "no problem"
    ),
    (#"{"prompt": [{"role": "user", "content": "P"}, {"role": "tool", "content": "T"}]}"#, "\"tool\""),
    (#"{"prompt": [{"role": "user", "content": "P"}, {"role": "system", "content": "S"}]}"#, "late"),
    (#"{"prompt": [{"role": "user", "content": [{"type": "image_url"}]}]}"#, "image_url"),
    (#"{"prompt": [{"role": "user"}], "answer": "1"}"#, "no text"),
    (#"{"prompt": ["P"], "answer": "1"}"#, "no object"),
  ])
  func otherFilesAreRefusedWithTheReason(text: String, reason: String) {
    let error = #expect(throws: ProblemError.self) { try self.read(text) }
    #expect("\(String(describing: error))".contains(reason), "\(String(describing: error))")
  }

  @Test func whatIsWrittenIsReadBack() throws {
    let problems = [
      Problem(id: "ä", text: "a\n\"b\"", answer: "\\frac{1}{2}"),
      Problem(id: "2", text: "x", answer: "#### 5"),
    ]
    #expect(try read(ProblemFile.lines(problems))[0] == problems[0])
  }
}
