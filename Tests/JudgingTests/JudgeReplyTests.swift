import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import Judging

/// Answers of a command: read exactly, or refused with what is wrong.
@Suite struct JudgeReplyTests {
  private func values(_ line: String, count: Int = 3) throws -> [Double?] {
    try JudgeReply.values(Array(line.utf8), batch: 7, count: count)
  }

  @Test func numbersTruthValuesAndNullAreRead() throws {
    #expect(try values(#"{"batch": 7, "values": [1, -0.25, 1e3]}"#) == [1, -0.25, 1000])
    #expect(try values(#"{"values":[true,false,null],"batch":7}"#) == [1, 0, nil])
    #expect(try values(#" {"batch": 7, "values": []} "#, count: 0) == [])
  }

  @Test(arguments: [
    ("", "end"), ("0.5", "0.5"), ("[1, 2, 3]", "[1, 2, 3]"), ("Loading weights", "Loading weights"),
    (#"{"batch": 7, "values": [1, 2]}"#, "2 values"),
    (#"{"batch": 7, "values": [1, 2, 3, 4]}"#, "4 values"), (#"{"batch": 7}"#, "nothing as values"),
    (#"{"batch": 6, "values": [1, 2, 3]}"#, "batch 6"), (#"{"values": [1, 2, 3]}"#, "batch nothing"),
    (#"{"batch": 7, "values": [1, NaN, 3]}"#, "completion 2"),
    (#"{"batch": 7, "values": [1, 2, -Infinity]}"#, "completion 3"),
    (#"{"batch": 7, "values": [1e999, 2, 3]}"#, "completion 1"),
    (#"{"batch": 7, "values": [1e13, 2, 3]}"#, "completion 1"),
    (#"{"batch": 7, "values": ["1", 2, 3]}"#, "completion 1"),
    (#"{"batch": 7, "values": [[1], 2, 3]}"#, "completion 1"),
    (#"{"batch": 7, "values": [1, 2, 3], "note": 1}"#, "note"),
    (#"{"batch": 7, "batch": 7, "values": [1, 2, 3]}"#, "second time"),
    (#"{"batch": 7, "values": [1, 2, 3]} {}"#, "byte"), (#"{"batch": 7.5, "values": [1, 2, 3]}"#, "7.5"),
  ])
  func whatIsNoAnswerIsRefusedByName(line: String, part: String) {
    do {
      Issue.record("\(line) was read: \(try values(line))")
    } catch let error as JudgeError {
      #expect(error.kind == .reply && error.description.contains(part), "\(error)")
      #expect(error.advice.contains("standard error"))
    } catch {
      Issue.record("\(error)")
    }
  }

  /// Whatever bytes come back, what is taken for an answer has one finite number or nothing for each completion.
  @Test func mutatedAnswersAreReadWholeOrRefused() {
    var random = SeededGenerator(18)
    let seeds = [
      #"{"batch": 7, "values": [1, -0.25, null]}"#, #"{"batch": 7, "values": [true, false, 1e9]}"#,
    ].map { Array($0.utf8) }
    var read = 0
    for _ in 0..<20_000 {
      var line = seeds[random.below(seeds.count)]
      for _ in 0...random.below(4) {
        let place = random.below(line.count)
        switch random.below(4) {
        case 0: line[place] = UInt8(random.below(256))
        case 1: line.remove(at: place)
        case 2: line.insert(Array("[]{}\",:-.eEN0919\u{1b}".utf8)[random.below(16)], at: place)
        default: line += line[place...].prefix(20)
        }
        if line.isEmpty { line = [0] }
      }
      guard let values = try? JudgeReply.values(line, batch: 7, count: 3) else { continue }
      read += 1
      #expect(values.count == 3 && values.allSatisfy { $0.map { abs($0) <= 1e12 } ?? true })
    }
    #expect(read > 100)
  }

  @Test func nestingAndSizesAreBounded() {
    let deep = #"{"batch": 7, "values": "# + String(repeating: "[", count: 100_000)
    let many = #"{"batch": 7, "values": ["# + String(repeating: "1,", count: 100_000) + "1]}"
    for line in [deep, many] { #expect(throws: JudgeError.self) { try values(line) } }
  }
}

/// What a command is asked, and what commands there can be.
@Suite struct JudgeCommandTests {
  @Test func batchesAreOneLineWithAllColumns() throws {
    let columns = JSONObject([
      ("level", JSONValue(3)), ("answer", .string("two")), ("record_answer", .bool(true)),
      ("share", .number("NaN")),
    ])
    let batch = JudgeBatch(
      number: 4, completions: [completion("a\nb\u{2028}\u{1b}é", columns: columns), completion("")])
    let line = String(decoding: batch.line, as: UTF8.self)
    #expect(line.hasSuffix("\n") && line.dropLast().allSatisfy { !$0.isNewline })
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    #expect(object["batch"] as? Int == 4)
    let completions = try #require(object["completions"] as? [[String: Any]])
    let first = completions[0]
    #expect(first["completion"] as? String == "a\nb\u{2028}\u{1b}é" && first["prompt"] as? String == "1 + 1?")
    #expect(first["answer"] as? String == "2" && first["finish_reason"] as? String == "stop")
    #expect(first["tokens"] as? Int == 3 && first["level"] as? Int == 3)
    // A column of a name that is taken stays, under another.
    #expect(first["record_record_answer"] as? String == "two" && first["record_answer"] as? Bool == true)
    #expect(first["share"] is NSNull)
    #expect(completions[1].count == 5)
  }

  @Test func commandsThatCannotBeAreRefused() throws {
    for arguments in [[], [""], ["a\0b"], Array(repeating: "a", count: 1001)] {
      #expect(throws: JudgeError.self) { try JudgeCommand(name: "a", arguments) }
    }
    for name in ["", "a b", "é", String(repeating: "a", count: 65)] {
      #expect(throws: JudgeError.self) { try JudgeCommand(name: name, ["true"]) }
    }
    #expect(throws: JudgeError.self) { try JudgeCommand(name: "a", ["true"], timeLimit: .nan) }
    #expect(throws: JudgeError.self) { try JudgeCommand(name: "a", ["true"], restarts: -1) }
    for program in ["no-such-program-of-tina", "/nonexistent/judge", "/etc/passwd", "/tmp"] {
      #expect(throws: JudgeError.self, "\(program)") { try Judge(JudgeCommand(name: "a", [program])) }
    }
    #expect(try JudgeCommand(name: "a", ["sh"]).program().hasSuffix("/sh"))
  }

  @Test func commandLinesAreWordsOrAList() throws {
    #expect(try JudgeCommand.words("python3  judge.py -v") == ["python3", "judge.py", "-v"])
    #expect(try JudgeCommand.words(#" ["python3", "a b.py"]"#) == ["python3", "a b.py"])
    #expect(throws: JudgeError.self) { try JudgeCommand.words("[1, 2]") }
    #expect(throws: JudgeError.self) { try JudgeCommand.words("[python3]") }
  }

  /// Other contents of a file that the command names are another judge.
  @Test func identityHoldsTheFiles() throws {
    let folder = TemporaryFolder()
    let script = folder.write("judge.py", "pass")
    let command = try JudgeCommand(name: "a", ["python3", script, "--fast"])
    let before = command.identity
    #expect(command.files.map(\.argument) == [script])
    folder.write("judge.py", "pass\n")
    #expect(command.identity != before)
    #expect(command.identity["command"] == before["command"])
  }
}
