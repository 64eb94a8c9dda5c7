import CChild
import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import Judging

/// Real processes: what they answer, and every way in which they fail.
@Suite struct JudgeTests {
  private static let lengths = ScriptedJudge.values("[len(c['completion']) for c in completions]")

  @Test func oneProcessAnswersAllBatchesInTheirOrder() async throws {
    let script = ScriptedJudge.loop(
      "import atexit; count = 0; open(sys.argv[1] + '/starts', 'a').write('s')"
        + "\natexit.register(lambda: open(sys.argv[1] + '/end', 'w').write('ended'))",
      judge: "count += len(completions)\n"
        + ScriptedJudge.values(
          "[c['level'] + len(c['completion']) if count > 1 else None for c in completions]"))
    let scripted = try ScriptedJudge(script)
    let columns = JSONObject([("level", JSONValue(0.5))])
    #expect(try await scripted.judge.values([completion("é", columns: columns)]) == [nil])
    let many = (0..<1000).map { completion(String(repeating: "a", count: $0), columns: columns) }
    #expect(try await scripted.judge.values(many) == (0..<1000).map { Double($0) + 0.5 })
    #expect(try await scripted.judge.values([]) == [])
    await scripted.judge.end()
    // Told to end, it had time to.
    #expect(scripted.text("starts") == "s" && scripted.text("end") == "ended")
    #expect(scripted.judge.takeNotes().isEmpty)
  }

  /// Batches that come at once wait for each other, and each gets its own answer.
  @Test func concurrentBatchesAreKeptApart() async throws {
    let scripted = try ScriptedJudge(ScriptedJudge.loop("", judge: Self.lengths))
    let judge = scripted.judge
    try await withThrowingTaskGroup(of: (Int, [Double?]).self) { tasks in
      for n in 1...40 {
        tasks.addTask { (n, try await judge.values([completion(String(repeating: "x", count: n))])) }
      }
      for try await (n, values) in tasks { #expect(values == [Double(n)]) }
    }
  }

  /// Neither side waits for the other for ever, whatever is written before anything is read.
  @Test func muchOnStandardErrorHoldsNothingUp() async throws {
    let noise = "sys.stderr.write('n' * 3_000_000); sys.stderr.flush()"
    let scripted = try ScriptedJudge(ScriptedJudge.loop(noise, judge: noise + "\n" + Self.lengths))
    let long = String(repeating: "y", count: 2_000_000)
    for _ in 0..<2 {
      #expect(try await scripted.judge.values([completion(long), completion("z")]) == [2_000_000, 1])
    }
  }

  @Test(arguments: [
    ("print('ready', flush=True)", "", "ready"),
    ("", "print('batch!', flush=True)", "batch!"),
    ("", "print(json.dumps({'batch': number, 'values': [1]}), flush=True)", "1 values"),
    ("", "print(json.dumps({'batch': number, 'values': [1, float('nan')]}), flush=True)", "completion 2"),
    ("", "sys.stdout.buffer.write(bytes(range(128, 256)) + b'\\n'); sys.stdout.flush()", "batch 1"),
    ("", "os.write(1, b'x' * 100_000)", "more than"),
    ("", "os.write(1, (json.dumps({'batch': 1, 'values': [1, 2]}) + '\\nmore').encode())", "nobody asked"),
  ])
  func whatIsNoAnswerEndsInAnError(beginning: String, judge: String, part: String) async throws {
    let scripted = try ScriptedJudge(
      ScriptedJudge.loop(
        "open(sys.argv[1] + '/starts', 'a').write('s')\n"
          + "print('warning: \\x1b[31mred\\x07', file=sys.stderr, flush=True)\n" + beginning,
        judge: judge.isEmpty ? Self.lengths : judge))
    let error = try #require(await scripted.failure())
    #expect(error.kind == .reply && error.description.contains(part), "\(error)")
    // Its last words are told, and steer no terminal. What lies is not asked again.
    #expect(error.description.contains("| warning: \\u001b[31mred\\u0007"), "\(error)")
    #expect(!error.description.utf8.contains(0x1b) && error.description.utf8.count < 20_000)
    #expect(scripted.text("starts") == "s")
  }

  /// A line too many is no answer to the next batch, however late it comes.
  @Test func linesTooManyAnswerNoLaterBatch() async throws {
    let twice = Self.lengths + "\ntime.sleep(0.2 * (number % 2))\n" + Self.lengths
    let scripted = try ScriptedJudge(ScriptedJudge.loop("", judge: twice))
    var errors: [JudgeError] = []
    for text in ["a", "bb", "ccc"] {
      do {
        #expect(try await scripted.judge.values([completion(text)]) == [Double(text.count)])
      } catch { errors.append(try #require(error as? JudgeError)) }
    }
    #expect(!errors.isEmpty && errors.allSatisfy { $0.kind == .reply }, "\(errors)")
  }

  @Test func processesThatFailAreAskedAgainAndThenTold() async throws {
    let script = ScriptedJudge.loop(
      "", judge: "open(sys.argv[1] + '/asked', 'a').write('a')\nraise ValueError('no such unit')")
    let scripted = try ScriptedJudge(script, restarts: 2)
    let error = try #require(await scripted.failure())
    #expect(error.kind == .ended && scripted.text("asked") == "aaa", "\(error)")
    for part in ["exit code 1", "the last of 3 processes", "ValueError: no such unit", "command script"] {
      #expect(error.description.contains(part), "\(error)")
    }
    let never = try ScriptedJudge(script, restarts: 0)
    #expect(await never.failure()?.kind == .ended && never.text("asked") == "a")
  }

  /// Killed in the middle of a batch, the process is started again and asked the same.
  @Test(arguments: [
    "os.kill(os.getpid(), signal.SIGKILL)", "os.write(1, b'{\"batch\": 1, \"val'); os.kill(os.getpid(), 9)",
    "os.close(1); time.sleep(600)",
  ])
  func killedProcessesAreAskedAgain(death: String) async throws {
    let script = ScriptedJudge.loop(
      "first = not os.path.exists(sys.argv[1] + '/was'); open(sys.argv[1] + '/was', 'w').close()",
      judge: "open(sys.argv[1] + '/lines', 'a').write(line)\nif first: \(death)\n" + Self.lengths)
    let scripted = try ScriptedJudge(script)
    #expect(try await scripted.judge.values([completion("abc"), completion("")]) == [3, 0])
    let lines = scripted.text("lines").split(separator: "\n")
    #expect(lines.count == 2 && lines[0] == lines[1])
    let notes = scripted.judge.takeNotes()
    #expect(notes.count == 1 && notes[0].contains("started again"), "\(notes)")
    #expect(scripted.judge.takeNotes().isEmpty)
  }

  /// Killed between batches, it is simply started again.
  @Test func processesKilledBetweenBatchesAreStartedAgain() async throws {
    let scripted = try ScriptedJudge(ScriptedJudge.loop("", judge: ScriptedJudge.values("[os.getpid()]")))
    let first = pid_t(try #require(try await scripted.judge.values([completion("")])[0]))
    kill(first, SIGKILL)
    let second = pid_t(try #require(try await scripted.judge.values([completion("")])[0]))
    // Not even as one that ended and was not asked about.
    #expect(second != first && kill(first, 0) != 0 && isRunning(second))
    #expect(scripted.judge.takeNotes().count == 1)
    await scripted.judge.end()
    #expect(kill(second, 0) != 0)
  }

  @Test func theTimeLimitEndsWhatHangs() async throws {
    let script = ScriptedJudge.loop(
      "", judge: "open(sys.argv[1] + '/pid', 'w').write(str(os.getpid()))\ntime.sleep(3000)")
    let scripted = try ScriptedJudge(script, timeLimit: 5)
    let error = try #require(await scripted.failure())
    #expect(error.kind == .timeLimit && error.description.contains("5 s"), "\(error)")
    let process = try #require(pid_t(scripted.text("pid")))
    #expect(!isRunning(process))
  }

  @Test func cancellingEndsTheWait() async throws {
    let script = ScriptedJudge.loop(
      "", judge: "open(sys.argv[1] + '/pid', 'w').write(str(os.getpid()))\ntime.sleep(3000)")
    let scripted = try ScriptedJudge(script, timeLimit: 3000)
    let task = Task { try await scripted.judge.values([completion("")]) }
    await eventually { !scripted.text("pid").isEmpty }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(!isRunning(try #require(pid_t(scripted.text("pid")))))
  }
}

/// What a child has of its parent, and what stays behind.
@Suite struct ChildTests {
  /// Helpers of the process go with it: they are of its group.
  @Test func helpersEndWithTheProcess() async throws {
    let script = ScriptedJudge.loop(
      "import subprocess\nhelper = subprocess.Popen(['sleep', '3000'])",
      judge: ScriptedJudge.values("[helper.pid, os.getpid(), os.getpgrp()]"))
    let scripted = try ScriptedJudge(script)
    let three = [completion(""), completion(""), completion("")]
    let numbers = try await scripted.judge.values(three).compactMap { $0.map { pid_t($0) } }
    #expect(numbers.count == 3 && numbers[1] == numbers[2] && numbers[2] != getpgrp())
    #expect(isRunning(numbers[0]))
    await scripted.judge.end()
    await eventually { !isRunning(numbers[0]) }
    #expect(!isRunning(numbers[0]) && !isRunning(numbers[1]))
  }

  /// A judge that nobody holds leaves no process, not even one that was never asked.
  @Test func judgesThatAreDroppedLeaveNoProcess() async throws {
    var scripted: ScriptedJudge? = try ScriptedJudge(
      ScriptedJudge.loop("", judge: ScriptedJudge.values("[os.getpid()]")))
    let process = pid_t(try #require(try await scripted?.judge.values([completion("")])[0]))
    scripted = nil
    await eventually { !isRunning(process) }
    #expect(!isRunning(process))
  }

  #if os(Linux)
    /// Only the three pipes, no signal blocked or ignored, whatever this process has.
    @Test func nothingIsInherited() throws {
      let open = unsafe Foundation.open("/dev/null", O_RDONLY)  // without O_CLOEXEC
      defer { close(open) }
      signal(SIGHUP, SIG_IGN)
      defer { signal(SIGHUP, SIG_DFL) }
      // The fourth is the folder's own.
      #expect(try output("/bin/ls", ["ls", "/proc/self/fd"]).split(separator: "\n") == ["0", "1", "2", "3"])
      let status = try output("/bin/cat", ["cat", "/proc/self/status"]).split(separator: "\n")
      for name in ["SigBlk:", "SigIgn:"] {
        let line = try #require(status.first { $0.hasPrefix(name) })
        let set = try #require(UInt64(line.dropFirst(name.count + 1), radix: 16), "\(line)")
        // 32 and 33 are the C library's own, which ignores them in what posix_spawn starts.
        #expect(set & ~(3 << 31) == 0, "\(line)")
      }
    }

    /// What a program without an interpreter writes.
    private func output(_ program: String, _ arguments: [String]) throws -> String {
      let (child, code) = RunningChildren.start(program, arguments)
      try #require(code == 0)
      close(child.input)
      defer {
        _ = RunningChildren.end(child.process)
        close(child.output)
        close(child.errors)
      }
      var bytes: [UInt8] = []
      eventually {
        var part = [UInt8](repeating: 0, count: 4096)
        let count = unsafe read(child.output, &part, part.count)
        bytes += part.prefix(max(count, 0))
        return count == 0
      }
      return String(decoding: bytes, as: UTF8.self)
    }
  #endif
}
