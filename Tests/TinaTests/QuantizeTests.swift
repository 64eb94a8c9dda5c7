import Foundation
import TestSupport
import Testing

/// Quantised files as a user makes and uses them.
@Suite(.serialized, .needsPico) struct QuantizeCommandTests {
  private static let question = ["What is 17 + 25?", "--greedy", "--max-tokens", "48", "--json"]
  private static let adapter = picoAdapter

  private func quantised(_ scratch: TemporaryFolder, _ type: String = "Q8_0") throws -> String {
    let file = scratch.path("pico.gguf")
    let result = try Program.run(["quantize", pico, file, "--type", type, "--force"])
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output.contains("rounding error of the weights"))
    return file
  }

  @Test func everyCommandTakesTheFileAsItsModel() throws {
    let scratch = TemporaryFolder()
    let file = try quantised(scratch)
    let reference = try Program.run(["run", pico, "--adapter", Self.adapter] + Self.question).object()
    for options in [[], ["--merged", "f32"]] {
      let answer = try Program.run(["run", file, "--adapter", Self.adapter] + options + Self.question)
        .object()
      #expect(answer["text"] as? String == reference["text"] as? String)
    }
    let line = #"{"prompt": "1 + 1 =", "completion": " 2"}"#
    let scored = try Program.run(["score", file, "-"], input: line).object()
    #expect((scored["logprobs"] as? [Double])?.count == (scored["ids"] as? [Int])?.count)
    let tokenized = try Program.run(["tokenize", file, "-"], input: #"{"text": "1 + 1 ="}"#).object()
    #expect((tokenized["ids"] as? [Int])?.isEmpty == false)

    let problems = scratch.write("two.jsonl", #"{"problem": "What is 2 + 3?", "answer": "5"}"# + "\n")
    for options in [
      ["--adapter", Self.adapter], ["--adapter", Self.adapter, "--no-base", "--merged", "bf16"],
    ] {
      let result = try Program.run(
        ["eval", file, "--benchmark", problems, "--max-tokens", "64", "--samples", "2"] + options
          + ["--out", scratch.path("eval\(options.count)"), "--json"])
      #expect(result.status == 0, "\(result.errors)")
      let contestants = try #require(try result.objects().last?["contestants"] as? [[String: Any]])
      #expect(contestants.count == (options.count == 2 ? 2 : 1))
    }
  }

  /// An adapter that knows its base by content recognises it in the quantised file.
  @Test func theAdapterRecognisesTheFile() throws {
    let scratch = TemporaryFolder()
    let file = try quantised(scratch, "Q4_K_M")
    let known = scratch.path("known.tina")
    #expect(try Program.run(["convert", Self.adapter, known, "--base", pico]).status == 0)
    let run = try Program.run(["run", file, "--adapter", known] + Self.question)
    #expect(run.status == 0 && !run.errors.contains("not identified"), "\(run.errors)")
    let confirmed = try Program.run(["convert", known, scratch.path("again.tina"), "--base", file])
    #expect(confirmed.status == 0, "\(confirmed.errors)")
    // Quantised weights found no identity, because the adapter was not trained on them.
    let unknown = try Program.run(["convert", Self.adapter, scratch.path("no.tina"), "--base", file])
    #expect(unknown.status == 1 && unknown.errors.contains("quantised from"), "\(unknown.errors)")
    // The same weights as floats found one, and give the names of a GGUF adapter.
    let floats = scratch.path("f32.gguf")
    #expect(try Program.run(["quantize", pico, floats, "--type", "F32"]).status == 0)
    let other = scratch.path("other.tina")
    let named = try Program.run(["convert", Self.adapter, other, "--base", floats, "--json"]).object()
    let original = try Program.run(["convert", known, scratch.path("copy.tina"), "--json"]).object()
    #expect(named["base"] as? String == original["base"] as? String && named["base"] is String)
    #expect(
      try Program.run(["convert", Self.adapter, scratch.path("a.gguf"), "--base", file]).status == 0)
  }

  @Test func aFileIsMergedIntoAFile() throws {
    let scratch = TemporaryFolder()
    let merged = scratch.path("merged.gguf")
    let result = try Program.run(["merge", pico, Self.adapter, merged, "--dtype", "q8_0"])
    #expect(result.status == 0 && result.output.contains("Q8_0"), "\(result.errors)")
    #expect(FileManager.default.fileExists(atPath: scratch.path("merged.merge-report.json")))
    let answer = try Program.run(["run", merged] + Self.question).object()
    let attached = try Program.run(["run", pico, "--adapter", Self.adapter] + Self.question).object()
    #expect(answer["text"] as? String == attached["text"] as? String)
    // A merge into a quantised base needs a type, and the message says so.
    let refused = try Program.run(["merge", try quantised(scratch), Self.adapter, scratch.path("no.gguf")])
    #expect(refused.status == 1 && refused.errors.contains("keep the adapter attached"), "\(refused.errors)")
  }

  @Test func trainingOnAQuantisedBaseIsRefusedByName() throws {
    let scratch = TemporaryFolder()
    let file = try quantised(scratch)
    let result = try Program.run(
      [
        "train", Checkout.path("Recipes/pico.yaml"), "--model", file, "--output",
        scratch.path("run"),
      ])
    #expect(result.status == 1 && result.errors.contains("quantised to Q8_0"), "\(result.errors)")
  }

  /// A base of floats in a GGUF file trains to the same adapter as its directory, byte for byte.
  @Test func trainingOnAFloatFileIsTrainingOnTheModel() throws {
    let scratch = TemporaryFolder()
    let file = scratch.path("pico.gguf")
    #expect(try Program.run(["quantize", pico, file, "--type", "BF16"]).status == 0)
    var runs: [Data] = []
    for model in [pico, file] {
      let folder = scratch.path("run\(runs.count)")
      let result = try Program.run(
        [
          "train", Checkout.path("Recipes/pico.yaml"), "--model", model, "--output",
          folder,
          "--stop-at", "1",
        ], in: Checkout.root)
      #expect(result.status == 0, "\(result.errors)")
      let peft = scratch.path("peft\(runs.count)")
      #expect(try Program.run(["convert", folder + "/checkpoint-1/adapter.tina", peft]).status == 0)
      runs.append(try Data(contentsOf: URL(fileURLWithPath: peft + "/adapter_model.safetensors")))
    }
    #expect(runs.count == 2 && runs[0] == runs[1])
  }

  @Test func wrongUsageIsTold() throws {
    let scratch = TemporaryFolder()
    for (arguments, fragment) in [
      (["quantize", pico, scratch.path("out"), "--type", "Q8_0"], "ends in .gguf"),
      (["quantize", pico, scratch.path("out.gguf"), "--type", "Q3_K"], "expected F32"),
      (["quantize", pico, scratch.path("out.gguf")], "--type"),
      (["run", pico, "--merged", "f32", "x"], "needs an --adapter"),
      (["merge", pico, Self.adapter, scratch.path("o.gguf"), "--dtype", "int3"], "expected F32"),
      (["merge", pico, Self.adapter, scratch.path("o.gguf"), "--shard-size", "1GB"], "not divided"),
      (["merge", pico, Self.adapter, scratch.path("out"), "--dtype", "q8_0"], "ends in .gguf"),
    ] {
      let result = try Program.run(arguments)
      #expect(result.status == 64 && result.errors.contains(fragment), "\(arguments): \(result.errors)")
    }
    // The adapter of a line would be a second one on top of the first.
    let lines = #"{"prompt": "1", "adapter": "x"}"#
    let result = try Program.run(
      ["run", pico, "--adapter", Self.adapter, "--merged", "f32", "--jsonl", "-"], input: lines)
    #expect(result.status == 1 && result.output.contains("--merged put one into the weights"))
  }
}
