import Foundation
import TestSupport
import Testing

@Suite struct UsageTests {
  @Test(arguments: [
    ["run", "--no-such-option"], ["run", "a/b", "prompt", "one too many"], ["no-such-command"], ["score"],
    ["run", "--greedy", "--top-p", "0.5", "hello"], ["run", "--temperature", "-1", "hello"],
    ["run", "--top-p", "0", "hello"], ["run", "--max-tokens", "0", "hello"],
    ["run", "--threads", "0", "hello"],
    ["run", "--raw", "--system", "x", "hello"], ["run", "--no-special", "hello"],
    ["run", "--jsonl", "-", "models/x", "hello"],
    ["grade"], ["grade", "--max-steps", "0", "1", "1"], ["run", "--json", "--hide-thinking", "hello"],
    ["run", "--cache-type", "f64", "hello"], ["run", "--cache-memory", "1000000000", "hello"],
    ["serve", "--port", "65536"], ["serve", "--adapter", "a=x", "--adapter", "a=y"],
    ["serve", "--adapter", "a:b=x"], ["serve", "--name", ""], ["serve", "--max-running", "0"],
    ["serve", "--allow-origin", "https://friend.example/"], ["serve", "--allow-host", "tina.example:443"],
  ])
  func wrongUsageExitsWith64(_ arguments: [String]) throws {
    let result = try Program.run(arguments)
    #expect(result.status == 64)
    #expect(result.errors.contains("Error: "))
    #expect(result.output.isEmpty)
  }

  @Test(arguments: ["run", "score", "tokenize", "grade"])
  func helpHasExamples(_ command: String) throws {
    let result = try Program.run([command, "--help"])
    #expect(result.status == 0)
    #expect(result.output.contains("EXAMPLES:"))
    #expect(result.output.contains("tina \(command) "))
  }

  @Test func versionIsTold() throws {
    let result = try Program.run(["--version"])
    #expect(result.status == 0)
    let lines = result.output.split(separator: "\n")
    #expect(lines.count == 4 && lines[0].wholeMatch(of: /tina \d+\.\d+\.\d+/) != nil)
    #expect(zip(lines.dropFirst(), ["commit: ", "kernels: ", "traits: "]).allSatisfy { $0.hasPrefix($1) })
  }

  @Test(arguments: [
    ["run", "no/such/model", "hello"], ["run", "no/such/model"], ["score", "no/such/model", "-"],
    ["tokenize", "no/such/model", "-"], ["tokenize", "no/such/model/tokenizer.json", "-"],
  ])
  func missingModelIsNamed(_ arguments: [String]) throws {
    let result = try Program.run(arguments, input: "{}")
    #expect(result.status == 1)
    #expect(result.errors.contains("no/such/model"))
    #expect(result.output.isEmpty)
  }

  @Test func missingFileIsNamed() throws {
    let result = try Program.run(["tokenize", "no/such/model", "no/such/file.jsonl"])
    #expect(result.status == 1)
    #expect(result.errors.contains("no/such/file.jsonl"))
  }

  @Test func missingPicoSaysWhereItWasSought() throws {
    let scratch = TemporaryFolder()
    let result = try Program.run(
      ["run", "hello"], in: scratch.path, environment: ["TINA_PICO": scratch.path("pico")])
    #expect(result.status == 1)
    #expect(result.errors.contains(scratch.path("pico")))
  }

  @Test func emptyPromptIsRefusedBeforeAnythingIsLoaded() throws {
    let result = try Program.run(["run", "no/such/model", ""])
    #expect(result.status == 1)
    #expect(result.errors.contains("the prompt is empty"))
    #expect(try Program.run(["run", "no/such/model"], input: "\n").errors.contains("the prompt is empty"))
  }
}

/// `tina bench` on the smallest model.
@Suite(.needsPico)
struct BenchTests {
  @Test func measuresPicoInSeconds() throws {
    let result = try Program.run(["bench", pico, "--quick", "--json", "--threads", "1"])
    #expect(result.status == 0, "\(result.errors)")
    let numbers = try result.object()
    for key in [
      "read", "fma", "bf16", "bytes", "load", "prefill128", "group", "decode1", "decode16", "decode16-r32",
      "decode16-a4", "queue", "sampling", "other",
    ] { #expect((numbers[key] as? Double ?? 0) > 0, "\(key)") }
    #expect(numbers["decode1/limit"] is Double)
  }

  @Test func makesNoModelOverAnother() throws {
    let result = try Program.run(["bench", "--make", pico])
    #expect(result.status == 1 && result.errors.contains("found a model there already"))
  }
}
