import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import TinaRuntime
@testable import Trainer

/// Runs whose rollouts and forward passes round activations to bf16.
@Suite(.needsPico) struct ActivationTests {
  private let rounded = ShortRun(["activations": "bf16", "max_steps": "3"])

  /// Every token's log-probability is the sampler's to the bit, and the run is another than in float32.
  @Test func samplerAndTrainerRoundAlike() async throws {
    let exact = ShortRun(["max_steps": "3"])
    _ = try await rounded.run(stopAt: 2)
    _ = try await exact.run(stopAt: 2)
    for line in rounded.lines {
      #expect((line.values["sampling/checked_tokens"] ?? 0) > 100)
      #expect(line.values["sampling/differing_tokens"] == 0)
      #expect(line.values["grad_norm"] ?? 0 > 0)
    }
    #expect(try rounded.adapter(2) != exact.adapter(2))
    for (short, name) in [(rounded, "bf16"), (exact, "f32")] {
      let state = try JSON.parse(path: short.folder + "/checkpoint-2/state.json")
      #expect(state.object?["activations"]?.string == name)
      let archive = try TinaFile(path: short.files.adapter(2)).archive()
      #expect(archive.training?["activations"]?.string == name)
    }
  }

  /// Other rounding is another run, also where only an option of the command says so.
  @Test func goingOnUnderOthersIsRefused() async throws {
    _ = try await rounded.run(stopAt: 1)
    func training(_ activations: Recipe.TrainedActivations, opened: ActivationChoice) throws {
      var recipe = try rounded.recipe()
      recipe.activations = activations
      _ = try TrainingRun(
        recipe, model: try Model(path: pico, threads: 1, activations: opened), options: rounded.options)
    }
    let other = #expect(throws: TrainerError.self) { try training(.f32, opened: .f32) }
    #expect(other?.description.contains("a run with bf16 activations") == true)
    #expect(other?.description.contains("activations: bf16") == true)
    try training(.bf16, opened: .bf16)
    // A base that rounds as the recipe does not say would learn from numbers that nobody named.
    let silent = #expect(throws: TrainerError.self) { try training(.bf16, opened: .int8) }
    #expect(silent?.description.contains("a base opened with f32 activations") == true)
  }

  /// A checkpoint from before activations were kept is one of float32.
  @Test func olderCheckpointsAreOfFloat32() async throws {
    let short = ShortRun(["max_steps": "3"])
    _ = try await short.run(stopAt: 1)
    let path = short.folder + "/checkpoint-1/state.json"
    let state = try #require(try JSON.parse(path: path).object).with("activations", nil).with("sha256", nil)
    try Data(JSONValue.object(state).text().utf8).write(to: URL(fileURLWithPath: path))
    _ = try short.training()
    var recipe = try short.recipe()
    recipe.activations = .bf16
    let model = try Model(path: pico, threads: 1, activations: .bf16)
    #expect(throws: TrainerError.self) { try TrainingRun(recipe, model: model, options: short.options) }
  }

  /// Nothing is rounded where weights are not BF16, so asking for it is a mistake.
  @Test func aBaseOfOtherWeightsIsRefused() throws {
    var recipe = try rounded.recipe()
    recipe.maxPromptLength = 32
    let model = try Model(path: tiny("tiny-f32"), threads: 1, activations: .bf16)
    let error = #expect(throws: TrainerError.self) {
      try TrainingRun(recipe, model: model, options: rounded.options)
    }
    #expect(error?.description.contains("bf16 for a base in F32") == true)
  }
}
