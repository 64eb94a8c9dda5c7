import Foundation
import TestSupport
import Testing

/// `tina train` as a user runs it: resumption, full disks, and its files in `tina run`.
@Suite(.needsPico)
struct TrainTests {
  static let recipe = """
    dataset_path: \(pico)/train.jsonl
    prompt_template: model
    system_prompt: ""
    lora_r: 4
    lora_alpha: 16
    lora_dropout: 0.05
    learning_rate: 2.0e-3
    num_generations: 4
    per_device_train_batch_size: 4
    gradient_accumulation_steps: 2
    max_prompt_length: 128
    max_completion_length: 96
    max_steps: 4
    save_steps: 1
    temperature: 1.0
    """

  private func train(
    _ scratch: TemporaryFolder, _ name: String, _ more: [String] = [], fileLimit: Int? = nil
  ) throws -> Program.Result {
    let recipe = scratch.write("recipe.yaml", Self.recipe)
    return try Program.run(
      [
        "train", recipe, "--model", pico, "--output", scratch.path(name), "--ignore-missing-signal",
        "--memory", "1",
      ] + more, fileLimit: fileLimit)
  }

  private func answer(_ adapter: String) throws -> [Int] {
    let arguments = [
      "run", pico, "--adapter", adapter, "--greedy", "--json", "--max-tokens", "40",
      "What is 7 + 5 * 3?",
    ]
    let object = try Program.run(arguments).object()
    return try #require(object["ids"] as? [Int])
  }

  /// A run that was stopped and continued gives the adapter of an uninterrupted one; their checkpoints answer alike.
  @Test func resumedAdaptersAnswerAlike() throws {
    let scratch = TemporaryFolder()
    let whole = try train(scratch, "whole")
    #expect(whole.status == 0, "\(whole.errors)")
    #expect(whole.output.hasSuffix("checkpoint-4/adapter.tina\n"))
    #expect(try train(scratch, "parts", ["--stop-at", "2"]).status == 0)
    let rest = try train(scratch, "parts", ["--threads", "1"])
    #expect(rest.status == 0 && rest.errors.contains("going on after step 2"), "\(rest.errors)")
    var answers: [[Int]] = []
    for step in 1...4 {
      let files = ["whole", "parts"].map { scratch.path("\($0)/checkpoint-\(step)/adapter.tina") }
      let both = try files.map { try answer($0) }
      #expect(both[0] == both[1], "step \(step)")
      answers.append(both[0])
    }
    let last = ["whole", "parts"].map {
      FileManager.default.contents(atPath: scratch.path($0 + "/checkpoint-4/adapter.tina"))
    }
    #expect(last[0] != nil && last[0] == last[1])
    // What the run took is told of its checkpoints.
    let inspected = try Program.run(["inspect", scratch.path("whole/checkpoint-4/adapter.tina")])
    #expect(inspected.output.contains("took") && inspected.output.contains("floating-point operations"))
    // Checkpoints of the middle are differences, and a converted one needs no other.
    let verified = try Program.run(["verify", scratch.path("whole/checkpoint-3/adapter.tina")])
    #expect(verified.status == 0, "\(verified.errors)")
    let copy = scratch.path("copy.tina")
    #expect(try Program.run(["convert", scratch.path("whole/checkpoint-3/adapter.tina"), copy]).status == 0)
    #expect(try answer(copy) == answers[2])
  }

  /// When the disk is full at a checkpoint, earlier ones stay whole, and the run later ends in the same bytes.
  @Test func fullDisksLoseNothing() throws {
    let scratch = TemporaryFolder()
    #expect(try train(scratch, "whole").status == 0)
    #expect(try train(scratch, "full", ["--stop-at", "2"]).status == 0)
    let before = try ["adapter.tina", "optimizer.bin", "state.json"].map {
      try Data(contentsOf: URL(fileURLWithPath: scratch.path("full/checkpoint-2/" + $0)))
    }
    // No file may grow beyond 64 KiB: the third checkpoint fails in its first large file.
    let limited = try train(scratch, "full", fileLimit: 64)
    #expect(limited.status == 74 && limited.errors.contains("checkpoint-3"), "\(limited.errors)")
    let names = try FileManager.default.contentsOfDirectory(atPath: scratch.path("full")).sorted()
    #expect(!names.contains("checkpoint-3") && names.allSatisfy { !$0.hasPrefix(".partial") }, "\(names)")
    for (name, bytes) in zip(["adapter.tina", "optimizer.bin", "state.json"], before) {
      #expect(try Data(contentsOf: URL(fileURLWithPath: scratch.path("full/checkpoint-2/" + name))) == bytes)
    }
    #expect(try train(scratch, "full").status == 0)
    let ends = ["whole", "full"].map {
      FileManager.default.contents(atPath: scratch.path($0 + "/checkpoint-4/adapter.tina"))
    }
    #expect(ends[0] != nil && ends[0] == ends[1])
  }

  @Test func recipesThatCannotBeAreRefusedBeforeAnyWork() throws {
    let scratch = TemporaryFolder()
    let output = scratch.path("run")
    for (recipe, part) in [
      (Self.recipe + "\nlearning_rat: 1", "Did you mean learning_rate?"),
      (Self.recipe.replacingOccurrences(of: "train.jsonl", with: "nowhere.jsonl"), "nowhere.jsonl"),
      (Self.recipe.replacingOccurrences(of: "train.jsonl", with: "model.safetensors"), "model.safetensors"),
    ] {
      let path = scratch.write("bad.yaml", recipe)
      let result = try Program.run(["train", path, "--model", pico, "--output", output])
      #expect(result.status == 1 && result.errors.contains(part), "\(result.errors)")
      #expect(result.output.isEmpty && !FileManager.default.fileExists(atPath: output))
    }
  }
}
