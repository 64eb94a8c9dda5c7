import Foundation
import ModelFiles
import Problems
import TestSupport
import Testing

/// Tables as RFC 4180 has them, and what is wrong with others.
@Suite struct CSVTests {
  private func read(
    _ text: String, _ name: String = "problems.csv", for purpose: ProblemFile.Purpose = .training,
    names: DataColumns = DataColumns()
  ) throws -> [Problem] {
    let folder = TemporaryFolder()
    return try ProblemFile(
      folder.write(name, text), for: purpose, names: names, keepsColumns: purpose == .training
    ).problems
  }

  @Test func quotedFieldsHoldAnything() throws {
    let table = "\u{FEFF}id,problem,answer\r\na,\"1, \"\"2\"\"\r\nand é\",3\r\n\r\n\"b\",Q,\r\nc,R,\"\""
    let problems = try read(table)
    #expect(problems.map(\.id) == ["a", "b", "c"])
    #expect(problems.map(\.text) == ["1, \"2\"\r\nand é", "Q", "R"])
    #expect(problems.map(\.answer) == ["3", nil, ""])
  }

  @Test(arguments: [
    ("problem,answer\n\"x;y\",2\n", "table", "x;y"), ("problem;answer\nx,y;2\n", "table.csv", "x,y"),
    ("problem\tanswer\nx; y\t2\n", "table.txt", "x; y"),
    ("problem\tanswer\nx, y\t2\r", "t.TSV", "x, y"),
    ("\"problem\",\"answer\"\r\"x\r\ry\",2\r", "mac.csv", "x\r\ry"),
  ])
  func separatorsAndLineEndsAreFound(table: String, name: String, text: String) throws {
    let problems = try read(table, name)
    #expect(problems.map(\.text) == [text] && problems.map(\.answer) == ["2"])
  }

  /// The choices of GPQA come as a table.
  @Test func layoutsOfOtherProgramsAreKnown() throws {
    let table = """
      Record ID,Question,Correct Answer,Incorrect Answer 1,Incorrect Answer 2,Incorrect Answer 3
      r,"Which,
      one?",w,x,y,z

      """
    let problem = try #require(try read(table, for: .evaluation).first)
    #expect(problem.id == "r" && problem.text.hasPrefix("Which,\none?") && problem.text.contains(") w"))
    // Pandas' index has no name.
    let indexed = try #require(try read(",problem,answer\n0,P,1\n").first)
    #expect(indexed.text == "P" && indexed.columns?.keys == ["problem", "answer"])
  }

  @Test func messagesAreReadFromTheirText() throws {
    let messages =
      #""[{""role"": ""system"", ""content"": ""S""}, {""role"": ""user"", ""content"": [{""type"": ""text"", ""text"": ""P""}]}]""#
    let problem = try #require(try read("prompt,answer\n\(messages),1\n").first)
    #expect(problem.system == "S" && problem.text == "P")
    let python = "\"[{'role': 'user', 'content': 'P'}]\""
    let error = #expect(throws: ProblemError.self) { try self.read("prompt,answer\n\(python),1\n") }
    let text = "\(String(describing: error))"
    #expect(text.contains("line 2, column \"prompt\"") && text.contains("json.dumps"), "\(text)")
  }

  @Test(arguments: [
    ("problem,answer\nP,1\nQ\n", "line 3", "1 fields"), ("problem,answer\nP,1,2\n", "line 2", "3 fields"),
    ("problem,answer\n\"P,1\n\n\n", "line 2, column 1", "never closed"),
    ("problem,answer\n\"é\"x,1\n", "line 2, column 4", "behind the double quote"),
    ("problem,answer\né\"x,1\n", "line 2, column 2", "does not begin"),
    ("problem,\"a\nb\",c\"\n", "line 2, column 5", "does not begin"),
    ("problem,problem\nP,1\n", "line 1, field 2", "a second time"),
    ("problem,\nP,1\n", "line 1, field 2", "without a name"),
    ("", "problems.csv", "no line"), ("problem,answer\n", "problems.csv", "no problems"),
    ("question_text,answer\nP,1\n", "record 1, line 2", "no question"),
  ])
  func errorsNameLineAndColumn(table: String, place: String, found: String) {
    let error = #expect(throws: ProblemError.self) { try self.read(table) }
    let text = "\(String(describing: error))"
    #expect(text.contains(place) && text.contains(found), "\(text)")
  }

  @Test func whatIsNoTextIsRefused() throws {
    let folder = TemporaryFolder()
    let path = folder.path("latin.csv")
    try Data("problem,answer\nP,1\ncaf".utf8 + [0xE9] + Array(",2\n".utf8)).write(
      to: URL(fileURLWithPath: path))
    let error = #expect(throws: ProblemError.self) { _ = try ProblemFile(path, for: .training) }
    let text = "\(String(describing: error))"
    #expect(text.contains("line 3") && text.contains("UTF-8"), "\(text)")
  }

  /// Columns, fields and unclosed quotes are bounded, and take linear time.
  @Test func hostileTablesTakeNoTime() throws {
    let seconds = processorSeconds {
      for table in [
        String(repeating: "a,", count: 1 << 20) + "\n",
        "problem\n\"" + String(repeating: "x", count: 1 << 25),
        "problem,answer\n" + String(repeating: ",", count: 1 << 20), String(repeating: "\"", count: 1 << 20),
        String(repeating: "\u{323}", count: 1 << 16) + ",b\n1,2\n",
      ] {
        let error = #expect(throws: ProblemError.self) { try self.read(table) }
        #expect(error?.description.utf8.count ?? .max < 4000)
      }
    }
    #expect(seconds < 60)
  }
}

/// Members of other names than usual, and what is kept of a record.
@Suite struct DataColumnTests {
  private let line =
    #"{"q": "P", "a": 7, "s": "S", "w": "so \\boxed{8}", "problem": "no", "answer": "no", "solution": "no"}"#

  private func read(_ text: String, _ names: DataColumns) throws -> Problem {
    let folder = TemporaryFolder()
    let file = try ProblemFile(
      folder.write("p.jsonl", text + "\n"), for: .training, names: names, keepsColumns: true)
    return try #require(file.problems.first)
  }

  @Test func namedColumnsGoBeforeTheUsualOnes() throws {
    var names = DataColumns()
    (names.prompt, names.answer, names.system) = ("q", "a", "s")
    let problem = try read(line, names)
    #expect(problem.text == "P" && problem.answer == "7" && problem.system == "S" && problem.solution == nil)
    names.answer = nil
    names.solution = "w"
    let solved = try read(#"{"q": "P", "s": null, "w": "so \\boxed{8}"}"#, names)
    #expect(solved.solution == "so \\boxed{8}" && solved.answer == "8" && solved.system == nil)
    var talk = DataColumns()
    talk.messages = "talk"
    let asked = try read(
      #"{"talk": [{"role": "system", "content": "S"}, {"role": "user", "content": ["P"]}], "prompt": "no"}"#,
      talk)
    #expect(asked.text == "P" && asked.system == "S")
  }

  @Test(arguments: [
    (#"{"prompt": "P", "a": "1"}"#, "\"q\", which dataset_prompt_column names"),
    (#"{"q": "P", "answer": "1"}"#, "\"a\", which dataset_answer_column names"),
    (#"{"q": {"x": 1}, "a": "1"}"#, "the prompt"), (#"{"q": "P", "a": {"x": 1}}"#, "the answer"),
  ])
  func missingColumnsAreRefused(text: String, part: String) {
    var names = DataColumns()
    (names.prompt, names.answer) = ("q", "a")
    let error = #expect(throws: ProblemError.self) { _ = try self.read(text, names) }
    #expect("\(String(describing: error))".contains(part), "\(String(describing: error))")
  }

  @Test func allMembersAreKeptForRewards() throws {
    let problem = try read(#"{"problem": "P", "tests": [1, {"in": "x"}], "level": null}"#, DataColumns())
    #expect(problem.columns?.keys == ["problem", "tests", "level"])
    #expect(problem.columns?["tests"]?.array?.count == 2)
    let folder = TemporaryFolder()
    let path = folder.write("p.jsonl", #"{"problem": "P", "answer": "1"}"#)
    #expect(try ProblemFile(path, for: .evaluation).problems[0].columns == nil)
    let large = #"{"problem": "P", "image": "\#(String(repeating: "x", count: 5 << 20))"}"#
    #expect(throws: ProblemError.self) { try self.read(large, DataColumns()) }
  }

  @Test(
    arguments: [
      (["README.md", "data/train.jsonl", "data/test.jsonl"], "data/train.jsonl"),
      (["dataset_infos.json", "limr.json"], "limr.json"), (["a.csv", ".x.json"], "a.csv"),
      (["a.json", "b.json"], nil), (["data/train-00000.parquet"], nil), ([], nil),
    ] as [([String], String?)])
  func aRepositorysFileIsChosenIfItIsPlain(paths: [String], file: String?) {
    #expect((try? DataRepository.file(of: paths, in: "datasets/org/name")) == file)
  }
}
