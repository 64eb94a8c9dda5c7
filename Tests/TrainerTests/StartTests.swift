import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import TinaRuntime
@testable import Trainer

/// Runs that start from an adapter.
@Suite struct StartTests {
  /// A short run's adapter in PEFT's format.
  private func peft(_ changes: [String: String] = [:]) async throws -> (run: ShortRun, path: String) {
    var run = ShortRun(changes)
    run.options.peft = true
    _ = try await run.run(stopAt: 1)
    return (run, run.folder + "/checkpoint-1/peft")
  }

  private func error(_ changes: [String: String], without removed: [String] = []) -> String {
    do {
      _ = try ShortRun(changes, without: removed).training()
      return ""
    } catch { return "\(error)" }
  }

  private static let shape = ["lora_r", "lora_alpha"]

  /// Ranks, scales and numbers are the adapter's, module by module; the file names its ancestor.
  @Test func trainingGoesOnFromAnAdapter() async throws {
    let first = try await peft([
      "lora_target_modules": "[q_proj, down_proj]", "use_rslora": "true", "layers_to_transform": "[1, 3]",
      "rank_pattern": "{layers.3.mlp.down_proj: 2}", "alpha_pattern": "{q_proj: 8}",
    ])
    let model = try Model(path: pico, threads: 2)
    let second = ShortRun(["init_adapter": first.path, "max_steps": "2"], without: Self.shape)
    let start = try StartingAdapter(path: first.path, second.recipe(), model)
    #expect(
      start.modules.map(\.name)
        == [1, 3].flatMap { ["layers.\($0).self_attn.q_proj", "layers.\($0).mlp.down_proj"] })
    #expect(start.modules.map(\.rank) == [4, 4, 4, 2])
    #expect(start.modules.map(\.scale) == [4, 8, 4, Float(16 / 2.0.squareRoot())])
    let parameters = LoRAParameters(start.settings, start.modules, for: model.config)
    start.write(to: parameters)
    for entry in try TinaFile(path: first.run.files.adapter(1)).archive().entries {
      let pair = try #require(entry.pair)
      let place = try #require(parameters.pairs.first { $0.name == entry.module })
      #expect(parameters.values.slice(place.a, place.aCount) == pair.a.floats())
      #expect(parameters.values.slice(place.b, place.bCount) == pair.b.floats())
      #expect(place.scale == pair.scale)
    }
    _ = try await second.run(stopAt: 1)
    let archive = try TinaFile(path: second.files.adapter(1)).archive()
    let ancestor = try #require(archive.training?["init"]?.object)
    #expect(ancestor["content_digest"]?.string == start.digest)
    let own = try Adapter(path: second.files.adapter(1))
    #expect(own.modules.map(\.rank) == start.modules.map(\.rank) || own.modules.count == 4)
    // What it exports, PEFT's rules give the same ranks and scales to.
    let exported = second.folder + "/out"
    try archive.export(.peft, to: exported)
    let back = try Adapter(path: exported)
    #expect(
      back.modules.map(\.scale) == own.modules.map(\.scale)
        && back.modules.map(\.rank) == own.modules.map(\.rank))
    // A third generation knows both.
    let third = ShortRun(["init_adapter": second.files.adapter(1), "max_steps": "1"], without: Self.shape)
    _ = try await third.run()
    let line = try TinaFile(path: third.files.adapter(1)).archive().training
    #expect(
      line?["init"]?.object?["training"]?.object?["init"]?.object?["content_digest"]?.string == start.digest)
  }

  @Test func contradictionsSayHow() async throws {
    let first = try await peft()
    let base = ["init_adapter": first.path]
    for (key, value, parts) in [
      ("lora_r", "8", ["found 8", "expected 4"]), ("lora_alpha", "64", ["scale of 16.0", "scale of 4.0"]),
      ("use_rslora", "true", ["use_rslora", "scale of 4.0"]),
      ("lora_target_modules", "[q_proj]", ["found q_proj", "down_proj"]),
      ("layers_to_transform", "[0]", ["found [0]"]), ("init_lora_weights", "gaussian", ["one beginning"]),
    ] {
      let message = error(base.merging([key: value]) { $1 }, without: Self.shape.filter { $0 != key })
      #expect(parts.allSatisfy { message.contains($0) }, "\(key): \(message)")
    }
    // What agrees is no contradiction.
    _ = try ShortRun(base).training()
    #expect(error(["reference": "init"]).contains("init without an adapter"))
  }

  /// KL to the adapter that the run started from is zero where it starts, and KL to the base is not.
  @Test func theReferenceIsChosen() async throws {
    let first = try await peft(["learning_rate": "1.0e-2"])
    for (reference, isZero) in [("init", true), ("base", false)] {
      let run = ShortRun(["init_adapter": first.path, "beta": "0.1", "reference": reference])
      _ = try await run.run(stopAt: 2)
      let kl = run.lines.compactMap { $0.values["kl"] }
      #expect((kl[0] == 0) == isZero && kl[1] > 0, "\(reference): \(kl)")
    }
  }

  /// A run goes on from its own beginning alone, and ends in the same bytes.
  @Test func resumedRunsKeepTheirBeginning() async throws {
    let first = try await peft()
    let changes = ["init_adapter": first.path, "beta": "0.05", "reference": "init"]
    let (whole, parts) = (ShortRun(changes), ShortRun(changes))
    let expected = try await whole.run(stopAt: 3).adapter
    _ = try await parts.run(stopAt: 1)
    let ended = try await parts.run(stopAt: 3).adapter
    #expect(FileManager.default.contentsEqual(atPath: expected, andPath: ended))
    var recipe = try parts.recipe()
    recipe.initAdapter = nil
    recipe.reference = .base
    let error = #expect(throws: TrainerError.self) {
      try TrainingRun(recipe, model: try Model(path: pico, threads: 1), options: parts.options)
    }
    #expect(error?.description.contains("adapter to start from") == true, "\(error?.description ?? "")")
  }

  /// A gaussian beginning has the deviation that PEFT gives it, 1 / rank.
  @Test func gaussianBeginnings() throws {
    var settings = LoRASettings(rank: 8, alpha: 8, targets: ["q_proj", "down_proj"])
    settings.initialisation = .gaussian
    let parameters = try LoRAParameters(settings, for: try Model(path: pico, threads: 1).config)
    parameters.initialise(seed: 3)
    let values = parameters.pairs.flatMap { parameters.values.slice($0.a, $0.aCount) }.map(Double.init)
    let deviation = (values.reduce(0) { $0 + $1 * $1 } / Double(values.count)).squareRoot()
    #expect(abs(deviation * 8 - 1) < 0.02 && abs(values.reduce(0, +)) / Double(values.count) < 0.005)
    #expect(values.contains { abs($0) > 3.0 / 8 })
    #expect(
      parameters.pairs.allSatisfy { pair in
        parameters.values.slice(pair.b, pair.bCount).allSatisfy { $0 == 0 }
      })
  }
}
