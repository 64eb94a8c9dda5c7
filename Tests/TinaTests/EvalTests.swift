import Foundation
import TestSupport
import Testing

@Suite(.needsPico) struct EvalTests {
  private let command = [
    "eval", pico, "--adapter", picoAdapter, "--samples", "3", "--limit", "12",
  ]
  private static let files = ["completions.jsonl", "summary.json", "settings.json", "problems.jsonl"]

  private func contents(_ folder: String) throws -> [Data] {
    try Self.files.map { try Data(contentsOf: URL(fileURLWithPath: folder + "/" + $0)) }
  }

  @Test func threadsAndInterruptionsChangeNoByte() throws {
    let scratch = TemporaryFolder()
    let whole = scratch.path("whole")
    let resumed = scratch.path("resumed")
    #expect(try Program.run(command + ["--out", whole, "--threads", "1"]).status == 0)

    // A killed run leaves some completions in the order in which they ended, the last one cut off.
    try FileManager.default.createDirectory(atPath: resumed, withIntermediateDirectories: true)
    for name in ["settings.json", "problems.jsonl"] {
      try FileManager.default.copyItem(atPath: whole + "/" + name, toPath: resumed + "/" + name)
    }
    let lines = try String(contentsOfFile: whole + "/completions.jsonl", encoding: .utf8)
      .split(separator: "\n").map(String.init)
    #expect(lines.count == 2 * 12 * 3)
    let torn = lines[..<30].reversed().joined(separator: "\n") + "\n" + lines[40].prefix(50)
    try Data(torn.utf8).write(to: URL(fileURLWithPath: resumed + "/completions.part.jsonl"))
    #expect(try Program.run(command + ["--out", resumed, "--threads", "2"]).status == 0)
    #expect(try contents(whole) == contents(resumed))
    #expect(!FileManager.default.fileExists(atPath: resumed + "/completions.part.jsonl"))
  }

  @Test func jsonGivesEveryCompletionAndTheSummary() throws {
    let scratch = TemporaryFolder()
    let run = try Program.run(command + ["--out", scratch.path("out"), "--json"])
    #expect(run.status == 0)
    let objects = try run.objects()
    #expect(objects.count == 2 * 12 * 3 + 1)
    for key in [
      "id", "sample", "prompt", "completion", "finish_reason", "extracted", "correct", "format", "contestant",
    ] {
      #expect(objects[0][key] != nil, "\(key)")
    }
    let summary = try #require(objects.last)
    let contestants = try #require(summary["contestants"] as? [[String: Any]])
    #expect(contestants.compactMap { $0["name"] as? String } == ["base", "adapter"])
    let base = try #require(contestants[0]["pass_at_1"] as? Double)
    let tuned = try #require(contestants[1]["pass_at_1"] as? Double)
    #expect(tuned > base + 0.2)
    let right = objects.dropLast().filter {
      ($0["contestant"] as? String) == "base" && ($0["correct"] as? Bool) == true
    }
    #expect(abs(Double(right.count) / 36 - base) < 1e-6)
    let comparisons = try #require(summary["comparisons"] as? [[String: Any]])
    #expect(comparisons[0]["verdict"] as? String == "better")
    // The page holds every problem and needs nothing from elsewhere.
    let page = try String(contentsOfFile: scratch.path("out") + "/report.html", encoding: .utf8)
    #expect(page.components(separatedBy: "<details").count - 1 == 72)
    #expect(!page.contains("http") && !page.contains("src="))
  }

  @Test func savedCompletionsAreJudgedAnewWithoutTheModel() throws {
    let scratch = TemporaryFolder()
    let folder = scratch.path("out")
    #expect(try Program.run(command + ["--out", folder]).status == 0)
    let before = try contents(folder)
    // An older grader may have given this wrong verdict.
    let path = folder + "/completions.jsonl"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let range = try #require(text.range(of: "\"correct\":true"))
    try Data(text.replacingCharacters(in: range, with: "\"correct\":false").utf8)
      .write(to: URL(fileURLWithPath: path))
    let replay = try Program.run(["eval", "--replay", folder])
    #expect(replay.status == 0)
    #expect(replay.errors.contains("1 verdicts changed"))
    #expect(try contents(folder) == before)
  }

  @Test func otherSettingsInTheSameFolderAreRefused() throws {
    let scratch = TemporaryFolder()
    let folder = scratch.path("out")
    let small = ["eval", pico, "--limit", "2", "--out", folder]
    #expect(try Program.run(small).status == 0)
    let other = try Program.run(small + ["--temperature", "1"])
    #expect(other.status == 1)
    #expect(other.errors.contains("temperature") && other.errors.contains("--out"))
  }

  @Test(arguments: [
    (["--benchmark", "nothing-of-the-kind"], "was not found", Int32(1)),
    (["--benchmark", "aime24", "--data", "/nonexistent"], "/nonexistent/aime24/test.jsonl", 1),
    (["--samples", "0"], "--samples", 64), (["--no-base"], "--no-base", 64),
  ])
  func wrongUsageIsExplained(options: [String], fragment: String, status: Int32) throws {
    let run = try Program.run(
      ["eval", pico] + options, environment: ["HF_HOME": "/nonexistent"])
    #expect(run.status == status)
    #expect(run.errors.contains(fragment), "\(run.errors)")
  }
}
