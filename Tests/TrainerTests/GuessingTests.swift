import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import TinaRuntime
@testable import Trainer

/// Guesses from the completions of earlier epochs change no byte of a run.
@Suite struct GuessingTests {
  @Test func guessesFromEarlierEpochsChangeNoByte() async throws {
    let scratch = TemporaryFolder()
    // Three problems, so that each comes again after a step and a half.
    let lines = try String(contentsOfFile: pico + "/train.jsonl", encoding: .utf8)
      .split(separator: "\n").prefix(3).joined(separator: "\n")
    let data = scratch.path + "/three.jsonl"
    try lines.write(toFile: data, atomically: true, encoding: .utf8)
    let changes = [
      "dataset_path": data, "max_steps": "5", "max_completion_length": "80", "temperature": "0.3",
    ]

    func run(_ speculation: Speculation) async throws -> (adapters: [[Data]], engine: EngineStatistics) {
      let short = ShortRun(changes)
      let recipe = try short.recipe()
      let model = try Model(path: pico, threads: 2, activations: recipe.activations.choice)
      let engine = Engine(model: model, contextLimit: 256, batchLimit: 64, speculation: speculation)
      let training = try TrainingRun(
        recipe, model: model, options: short.options, completions: LocalCompletions(engine))
      _ = try await training.run()
      #expect(short.lines.allSatisfy { $0.values["sampling/differing_tokens"] == 0 })
      return (try (1...5).map { try short.adapter($0) }, engine.statistics)
    }
    let plain = try await run(.off)
    let alone = try await run(Speculation(.tokens(6)))
    let remembering = try await run(Speculation(.tokens(6), historyBytes: 1 << 20))
    let auto = try await run(.remembering)
    #expect(plain.adapters == alone.adapters)
    #expect(plain.adapters == remembering.adapters)
    #expect(plain.adapters == auto.adapters)
    #expect(plain.engine.tokensDrawn == remembering.engine.tokensDrawn)
    // Texts of a fixed problem resemble each other from epoch to epoch.
    #expect(remembering.engine.acceptedTokens > alone.engine.acceptedTokens)
    #expect(remembering.engine.steps < alone.engine.steps && alone.engine.steps < plain.engine.steps)
  }
}
