import Foundation
import TestSupport
import Testing

/// `tina eval --endpoint` on `tina serve`.
@Suite(.needsPico) struct EndpointTests {
  private static let files = ["completions.jsonl", "summary.json", "settings.json", "problems.jsonl"]

  private func contents(_ folder: String) throws -> [Data] {
    try Self.files.map { try Data(contentsOf: URL(fileURLWithPath: folder + "/" + $0)) }
  }

  @Test func aServerGivesTheBytesOfAnEvaluationHere() async throws {
    let scratch = TemporaryFolder()
    let server = try RunningServer(["--adapter", "math=" + picoAdapter, "--activations", "f32"])
    try await server.isUp()
    let common = [
      "--benchmark", pico + "/heldout.jsonl", "--prompt", "plain", "--samples", "2", "--limit", "8",
    ]
    let here = scratch.path("here")
    #expect(
      try Program.run(
        ["eval", pico, "--adapter", "math=" + picoAdapter, "--activations", "f32", "--out", here] + common
      ).status == 0)
    let there = scratch.path("there")
    let arguments = ["eval", "--endpoint", server.address, "--out", there, "--connections", "5"] + common
    let run = try Program.run(arguments)
    #expect(run.status == 0, "\(run.errors)")
    #expect(try contents(here) == contents(there))

    // The same command again asks nothing, and an interrupted one asks the rest.
    let lines = try String(contentsOfFile: there + "/completions.jsonl", encoding: .utf8).split(
      separator: "\n")
    try FileManager.default.removeItem(atPath: there + "/completions.jsonl")
    try Data((lines.shuffled().prefix(20).joined(separator: "\n") + "\n").utf8)
      .write(to: URL(fileURLWithPath: there + "/completions.part.jsonl"))
    #expect(try Program.run(arguments).status == 0)
    #expect(try contents(here) == contents(there))

    // A factor, and a name of one's own.
    let half = try Program.run(
      [
        "eval", "--endpoint", server.address, "--model", "half=math@0.5", "--json", "--out",
        scratch.path("half"),
      ]
        + common)
    #expect(half.status == 0 && half.output.contains("\"contestant\":\"half\""), "\(half.errors)")
    let wrong = try Program.run(["eval", "--endpoint", server.address, "--model", "nobody"] + common)
    #expect(wrong.status == 1 && wrong.errors.contains("expected one of pico, math"), "\(wrong.errors)")
  }

  @Test func optionsOfModelsHereAreRefused() throws {
    for extra in [[pico], ["--adapter", picoAdapter], ["--threads", "1"], ["--no-base", "--adapter", "x"]] {
      let run = try Program.run(["eval", "--endpoint", "http://127.0.0.1:1"] + extra)
      #expect(run.status == 64 && run.errors.contains("--endpoint"), "\(extra): \(run.errors)")
    }
    #expect(try Program.run(["eval", "--model", "x"]).status == 64)
    let gone = try Program.run(["eval", "--endpoint", "no address"])
    #expect(gone.status == 1 && gone.errors.contains("no address of a server"))
  }
}
