import Foundation
import TestSupport
import Testing

/// Programs that judge, as `tina eval` and `tina train` run them.
@Suite(.needsPico) struct GraderCommandTests {
  /// Judges by the last number of the text, and leaves texts out that were cut off.
  private static let script = """
    import json, re, sys
    for line in sys.stdin:
        batch = json.loads(line)
        values = []
        for c in batch["completions"]:
            numbers = re.findall(r"-?\\d+", c["completion"])
            right = bool(numbers) and numbers[-1] == str(c["record_answer"])
            values.append(None if c["finish_reason"] == "length" else right)
        print(json.dumps({"batch": batch["batch"], "values": values}), flush=True)
    """

  private func evaluate(
    _ scratch: TemporaryFolder, _ name: String, _ more: [String] = [], script: String
  ) throws -> Program.Result {
    let path = scratch.write("judge.py", script)
    return try Program.run(
      [
        "eval", pico, "--limit", "8", "--samples", "2", "--max-tokens", "96", "--out", scratch.path(name),
        "--grader-command", "python3 \(path)", "--json",
      ] + more)
  }

  private func contents(_ folder: String) throws -> [Data] {
    try ["completions.jsonl", "summary.json", "settings.json", "problems.jsonl"].map {
      try Data(contentsOf: URL(fileURLWithPath: folder + "/" + $0))
    }
  }

  @Test func commandsJudgeAndAreNamed() throws {
    let scratch = TemporaryFolder()
    let run = try evaluate(scratch, "out", script: Self.script)
    #expect(run.status == 0, "\(run.errors)")
    let objects = try run.objects()
    let completions = objects.dropLast()
    #expect(completions.count == 16)
    for object in completions {
      let isCut = object["finish_reason"] as? String == "length"
      #expect((object["correct"] is NSNull) == isCut)
    }
    #expect(completions.contains { $0["correct"] as? Bool == true })
    #expect(completions.contains { $0["correct"] as? Bool == false })
    let settings = try #require(objects.last?["settings"] as? [String: Any])
    let grader = try #require(settings["grader"] as? [String: Any])
    #expect((grader["command"] as? [String])?.last == scratch.path("judge.py"))
    // Threads change no byte, and neither does an interruption.
    #expect(try evaluate(scratch, "again", ["--threads", "1"], script: Self.script).status == 0)
    #expect(try contents(scratch.path("out")) == contents(scratch.path("again")))
    // A grader of another content is another evaluation, and so is Tina's own.
    let changed = try evaluate(scratch, "out", script: Self.script + "\n")
    #expect(changed.status == 1 && changed.errors.contains("grader"), "\(changed.errors)")
    let own = try Program.run([
      "eval", pico, "--limit", "8", "--samples", "2", "--max-tokens", "96", "--out", scratch.path("out"),
    ])
    #expect(own.status == 1 && own.errors.contains("grader"), "\(own.errors)")
  }

  /// What waits is asked together if the command line allows it. The verdicts, and all files, are the same.
  @Test func batchesGiveTheSameVerdicts() throws {
    let scratch = TemporaryFolder()
    let log = scratch.path("sizes")
    // Slow enough that completions wait.
    let script = Self.script.replacingOccurrences(
      of: "    print(",
      with: "    open('\(log)', 'a').write(str(len(values)) + '\\n')\n"
        + "    import time; time.sleep(0.2)\n    print(")
    func sizes() throws -> [Int] {
      defer { try? FileManager.default.removeItem(atPath: log) }
      return try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").compactMap { Int($0) }
    }
    #expect(try evaluate(scratch, "one", script: script).status == 0)
    #expect(try sizes() == [Int](repeating: 1, count: 16))
    #expect(try evaluate(scratch, "some", ["--grader-batch", "5"], script: script).status == 0)
    let found = try sizes()
    #expect(found.reduce(0, +) == 16 && found.allSatisfy { $0 <= 5 } && found.count < 16, "\(found)")
    #expect(try contents(scratch.path("one")) == contents(scratch.path("some")))
    let replay = try Program.run([
      "eval", "--replay", scratch.path("one"), "--grader-command", "python3 \(scratch.path("judge.py"))",
      "--grader-batch", "7",
    ])
    #expect(replay.status == 0 && replay.errors.contains("0 verdicts changed"), "\(replay.errors)")
    #expect(try sizes() == [7, 7, 2])
  }

  @Test func replaysAskTheCommandThatIsGiven() throws {
    let scratch = TemporaryFolder()
    #expect(try evaluate(scratch, "out", script: Self.script).status == 0)
    let folder = scratch.path("out")
    let before = try contents(folder)
    // A folder never says what is run.
    let silent = try Program.run(["eval", "--replay", folder])
    #expect(silent.status == 1 && silent.errors.contains("--grader-command"), "\(silent.errors)")
    #expect(try contents(folder) == before)
    let command = "python3 \(scratch.path("judge.py"))"
    let same = try Program.run(["eval", "--replay", folder, "--grader-command", command])
    #expect(same.status == 0 && same.errors.contains("0 verdicts changed"), "\(same.errors)")
    #expect(try contents(folder) == before)
    scratch.write(
      "judge.py",
      Self.script.replacingOccurrences(of: "values.append(None if", with: "values.append(False if"))
    let other = try Program.run(["eval", "--replay", folder, "--grader-command", command])
    #expect(other.status == 0 && !other.errors.contains(" 0 verdicts changed"), "\(other.errors)")
    #expect(try contents(folder)[2] != before[2])
  }

  @Test(arguments: [
    ("python3 judge-that-is-not-there.py", "judge-that-is-not-there", Int32(1)),
    ("no-such-program", "no-such-program", 1), ("[1]", "--grader-command", 64), (" ", "--grader-command", 64),
  ])
  func commandsThatCannotJudgeAreTold(command: String, part: String, status: Int32) throws {
    let scratch = TemporaryFolder()
    let run = try Program.run([
      "eval", pico, "--limit", "1", "--out", scratch.path("out"), "--grader-command", command,
    ])
    #expect(run.status == status && run.errors.contains(part), "\(run.errors)")
  }

  @Test func valuesThatAreNoVerdictsAreRefused() throws {
    let script = Self.script.replacingOccurrences(of: "else right", with: "else 0.5")
    let run = try evaluate(TemporaryFolder(), "out", script: script)
    #expect(run.status == 1 && run.errors.contains("0.5") && run.errors.contains("sample"), "\(run.errors)")
  }

  #if os(Linux)
    /// However the program ends, in the middle of a batch too, its judge goes with it.
    @Test(arguments: [SIGKILL, SIGTERM])
    func judgesEndWithTheProgram(number: Int32) throws {
      let scratch = TemporaryFolder()
      let pid = scratch.path("pid")
      let script = scratch.write(
        "hangs.py",
        """
        import os, sys, time
        sys.stdin.readline()
        open("\(pid).part", "w").write(str(os.getpid()))
        os.rename("\(pid).part", "\(pid)")
        while True: time.sleep(1)
        """)
      let program = try Program.start([
        "eval", pico, "--limit", "1", "--out", scratch.path("out"), "--grader-command", "python3 \(script)",
      ])
      eventually { FileManager.default.fileExists(atPath: pid) }
      let judge = try #require(pid_t(String(contentsOfFile: pid, encoding: .utf8)))
      #expect(isRunning(judge))
      kill(program.processIdentifier, number)
      program.waitUntilExit()
      eventually { !isRunning(judge) }
      #expect(!isRunning(judge))
    }
  #endif
}
