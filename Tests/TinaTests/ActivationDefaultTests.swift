import Foundation
import TestSupport
import Testing

/// What the commands round activations to where nobody says.
@Suite(.needsPico) struct ActivationDefaultTests {
  private static let files = ["completions.jsonl", "summary.json", "settings.json"]

  private func evaluate(_ folder: String, _ options: [String] = []) throws -> [Data] {
    let run = try Program.run(
      ["eval", pico, "--samples", "2", "--limit", "8", "--max-tokens", "48", "--out", folder] + options)
    #expect(run.status == 0, "\(run.errors)")
    return try Self.files.map { try Data(contentsOf: URL(fileURLWithPath: folder + "/" + $0)) }
  }

  /// Results of an evaluation are float32's on every processor unless it is told otherwise, and say what they are.
  @Test func evaluationRoundsNothingUnlessTold() throws {
    let scratch = TemporaryFolder()
    let usual = try evaluate(scratch.path("usual"))
    #expect(try evaluate(scratch.path("f32"), ["--activations", "f32"]) == usual)
    let rounded = try evaluate(scratch.path("bf16"), ["--activations", "bf16"])
    for (data, name) in [(usual, "f32"), (rounded, "bf16")] {
      let settings = try JSONSerialization.jsonObject(with: data[2]) as? [String: Any]
      #expect(settings?["activations"] as? String == name)
    }
    // The folder's results are not mixed with others, and folders without a name get different ones.
    let mixed = try Program.run(
      [
        "eval", pico, "--samples", "2", "--limit", "8", "--max-tokens", "48", "--out", scratch.path("usual"),
        "--activations", "bf16",
      ])
    #expect(mixed.status == 1 && mixed.errors.contains("activations"), "\(mixed.errors)")
  }

  /// The same of scores, which show every bit. Rounding would be seen.
  @Test func scoresRoundNothingUnlessTold() throws {
    let line = #"{"prompt": "What is 2 + 3?", "completion": " The answer is 5, because 2 + 3 = 5."}"#
    func score(_ options: [String] = []) throws -> String {
      let run = try Program.run(["score", pico, "-"] + options, input: line + "\n")
      #expect(run.status == 0, "\(run.errors)")
      return run.output
    }
    let usual = try score()
    #expect(try score(["--activations", "f32"]) == usual)
    #expect(try score(["--activations", "bf16"]) != usual)
  }

  /// An answer takes the fastest and says so: bf16 where the processor multiplies pairs of them.
  @Test func answersTellWhatTheyTook() throws {
    func activations(_ options: [String], isa: String? = nil) throws -> (json: String?, line: String) {
      let prompt = ["run", pico, "What is 2 + 3?", "--max-tokens", "4"]
      let environment = isa.map { ["TINA_ISA": $0] } ?? [:]
      let json = try Program.run(prompt + options + ["--json"], environment: environment)
      let plain = try Program.run(prompt + options, environment: environment)
      return (try json.object()["activations"] as? String, plain.errors)
    }
    let slow = try activations([], isa: "portable")
    #expect(slow.json == "f32" && slow.line.contains("f32 activations"), "\(slow)")
    for name in ["f32", "bf16"] {
      let named = try activations(["--activations", name])
      #expect(named.json == name && named.line.contains("\(name) activations"), "\(named)")
    }
    let usual = try activations([])
    #expect(usual.line.contains("\(usual.json ?? "none") activations"), "\(usual)")
    // The same on this machine, every time.
    #expect(try activations(["--activations", "fastest"]).json == usual.json)
    let flags = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    #expect(usual.json == (flags.contains("avx512_bf16") ? "bf16" : "f32"))
  }

  @Test func unknownActivationsAreRefused() throws {
    let run = try Program.run(["run", pico, "1", "--activations", "int4"])
    #expect(run.status == 64 && run.errors.contains("fastest"), "\(run.errors)")
  }
}
