import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import Judging

/// A command in Python that a test wrote.
struct ScriptedJudge {
  let folder = TemporaryFolder()
  let judge: Judge

  /// Python that judges as `judge(completions)` says, once for each batch, after `beginning`.
  static func loop(_ beginning: String, judge: String) -> String {
    """
    import json, os, signal, sys, time
    \(beginning)
    for line in sys.stdin:
        batch = json.loads(line)
        number, completions = batch["batch"], batch["completions"]
        \(judge.split(separator: "\n").joined(separator: "\n    "))
    """
  }

  /// One answer: `values` of Python.
  static func values(_ expression: String) -> String {
    "print(json.dumps({'batch': number, 'values': \(expression)}), flush=True)"
  }

  /// - Parameter script: Python; `sys.argv[1]` is a folder of its own.
  init(_ script: String, timeLimit: Double = 120, restarts: Int = 2) throws {
    let path = folder.write("judge.py", script)
    judge = try Judge(
      JudgeCommand(
        name: "script", ["python3", path, folder.path], timeLimit: timeLimit, restarts: restarts))
  }

  /// The error that a batch ends with.
  func failure(_ completions: [JudgedCompletion] = [completion("a"), completion("b")]) async -> JudgeError? {
    do {
      let values = try await judge.values(completions)
      Issue.record("it was judged: \(values)")
      return nil
    } catch {
      return error as? JudgeError
    }
  }

  /// What the script wrote into its folder.
  func text(_ name: String) -> String {
    FileManager.default.contents(atPath: folder.path(name)).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }
}

func completion(_ text: String, columns: JSONObject? = nil) -> JudgedCompletion {
  JudgedCompletion(
    prompt: "1 + 1?", completion: text, answer: "2", finishReason: "stop", tokens: 3, columns: columns)
}
