import AdapterFormat
import Foundation
import ModelFiles
import Processes
import TestSupport
import Testing

@testable import TinaRuntime
@testable import Trainer

/// PiSSA's beginning against PEFT's own, with TRL's steps behind it (tools/golden/pissa.py), and against itself.
@Suite struct PiSSATests {
  static let cases =
    (try? JSON.parse(path: fixture("pissa.json")))?.array?.compactMap(\.object) ?? []
  static let names = cases.compactMap { $0["name"]?.string }

  @Test func thereAreCases() { #expect(Self.names == ["plain", "rslora"]) }

  private func settings(_ golden: JSONObject) throws -> LoRASettings {
    var settings = LoRASettings(
      rank: try #require(golden["r"]?.int), alpha: try #require(golden["lora_alpha"]?.double), dropout: 0)
    settings.isRankStabilised = golden["use_rslora"]?.bool ?? false
    settings.initialisation = .pissa
    return settings
  }

  private func learner(
    _ settings: LoRASettings, _ model: Model, rate: Double, steps: Int
  ) throws -> AdapterLearner {
    let parameters = try LoRAParameters(settings, for: model.config)
    PrincipalBeginning.write(to: parameters, of: model)
    return AdapterLearner(
      try PolicyPass(model, cacheType: .f32), parameters, OptimizerSettings(learningRate: rate),
      LearningRateSchedule(.constant, warmupSteps: 0, totalSteps: steps), seed: 1,
      processes: SingleProcess())
  }

  /// B · A over some of the ranks of a pair, row after row.
  private func product(
    _ a: [Float], _ b: [Float], _ rank: Int, _ range: Range<Int>
  ) -> [Float] {
    let (input, output) = (a.count / rank, b.count / rank)
    return (0..<output).flatMap { i in
      (0..<input).map { j in
        Float(range.reduce(0.0) { $0 + Double(b[i * rank + $1]) * Double(a[$1 * input + j]) })
      }
    }
  }

  /// Singular vectors have no sign of their own, so products are compared: the beginning's, and the whole update's as
  /// PEFT's conversion to a plain adapter gives it.
  @Test(arguments: names)
  func runsMatchPEFT(name: String) throws {
    let golden = try #require(Self.cases.first { $0["name"]?.string == name })
    let tensors = try SafetensorsFile(path: fixture("pissa.safetensors"))
    let steps = try #require(golden["steps"]?.int)
    let size = try #require(golden["batch"]?.int)
    let settings = try settings(golden)
    let model = try Model(path: tiny("tiny-f32"), threads: 2)
    let learner = try learner(
      settings, model, rate: try #require(golden["learning_rate"]?.double), steps: steps)
    let documents = try #require(golden["documents"]?.array).map { pair in
      let rows = (pair.array ?? []).map { ($0.array ?? []).compactMap(\.int) }
      return Document(rows[0], labelled: rows[1].map { $0 == 1 })
    }
    let update = SupervisedUpdate(learner: learner, loss: .nll, rowLimit: 4096)
    let logs = try #require(golden["logs"]?.array).compactMap(\.object)
    for step in 0..<steps {
      let metrics = try update.step([Array(documents[step * size..<(step + 1) * size])])
      for (key, mine) in [("loss", metrics.loss), ("grad_norm", metrics.gradientNorm)] {
        let theirs = try #require(logs[step][key]?.double)
        #expect(abs(mine - theirs) <= 1e-4 * max(1, abs(theirs)), "\(key) at \(step): \(mine) \(theirs)")
      }
    }
    let converted = try #require(golden["converted"]?.object)
    #expect(settings.stored.rank == converted["r"]?.int)
    #expect(abs(settings.stored.alpha - (converted["lora_alpha"]?.double ?? 0)) < 1e-12)
    let parameters = learner.parameters
    #expect(parameters.pairs.count == 14)
    for pair in parameters.pairs {
      func theirs(_ half: String) throws -> [Float] {
        try #require(tensors.tensors.first { $0.name == "\(name)/\(pair.name).\(half)" }).floats()
      }
      let rank = pair.rank
      let (a, b) = (
        parameters.values.slice(pair.a, pair.aCount), parameters.values.slice(pair.b, pair.bCount)
      )
      let (theirA, theirB) = (try theirs("lora_A"), try theirs("lora_B"))
      #expect(rank == settings.stored.rank && theirA.count == a.count && theirB.count == b.count)
      for range in [rank / 2..<rank, 0..<rank] {
        let error = relativeError(product(a, b, rank, range), product(theirA, theirB, rank, range))
        #expect(error <= 1e-4, "\(pair.name), \(range): \(error)")
      }
    }
  }

  /// At first the adapter changes nothing. Then one half learns, and the other keeps its bits.
  @Test func oneHalfIsFrozen() throws {
    var settings = LoRASettings(rank: 3, alpha: 6, dropout: 0)
    settings.initialisation = .pissa
    let model = try Model(path: tiny("tiny-f32"), threads: 1)
    let learner = try learner(settings, model, rate: 1e-2, steps: 3)
    let parameters = learner.parameters
    let batch = GroupBatch(prompt: [5, 9, 17], completions: [[20, 31, 4], [8, 7]])
    func values(_ adapter: LoRAParameters?) throws -> [Float] {
      try learner.pass.logProbabilities(batch, adapter: adapter).logProbabilities.flatMap { $0 }
    }
    let (with, without) = (try values(parameters), try values(nil))
    #expect(zip(with, without).allSatisfy { abs($0 - $1) < 1e-5 })
    func halves(_ pair: TrainedPair) -> (learnt: [Float], frozen: [Float]) {
      let (a, b) = (
        parameters.values.slice(pair.a, pair.aCount), parameters.values.slice(pair.b, pair.bCount)
      )
      let half = pair.rank / 2
      let rows = b.indices.filter { $0 % pair.rank < half }
      let others = b.indices.filter { $0 % pair.rank >= half }
      return (
        Array(a.prefix(half * pair.input)) + rows.map { b[$0] },
        Array(a.dropFirst(half * pair.input)) + others.map { b[$0] }
      )
    }
    let before = parameters.pairs.map(halves)
    let update = SupervisedUpdate(learner: learner, loss: .nll, rowLimit: 4096)
    let document = Document([5, 9, 17, 20, 31, 4], labelled: [false, false, true, true, true, true])
    for _ in 0..<3 { _ = try update.step([[document]]) }
    for (pair, old) in zip(parameters.pairs, before) {
      let new = halves(pair)
      #expect(new.frozen.map(\.bitPattern) == old.frozen.map(\.bitPattern), "\(pair.name)")
      #expect(zip(new.learnt, old.learnt).allSatisfy { $0 != $1 }, "\(pair.name)")
    }
  }

  /// A run that was stopped ends in the same bytes, in a plain adapter of twice the rank.
  @Test func runsGoOnAndAreConverted() async throws {
    let changes = [
      "init_lora_weights": "pissa", "lora_r": "3", "lora_alpha": "6", "rank_pattern": "{k_proj: 2}",
    ]
    let (whole, parts) = (ShortRun(changes), ShortRun(changes))
    let expected = try await whole.run(stopAt: 3).adapter
    _ = try await parts.run(stopAt: 1, threads: 1)
    let ended = try await parts.run(stopAt: 3).adapter
    #expect(FileManager.default.contentsEqual(atPath: expected, andPath: ended))
    let archive = try TinaFile(path: expected).archive()
    let configuration = try #require(archive.configuration)
    #expect(configuration["r"]?.int == 6 && configuration["lora_alpha"]?.double == 12)
    #expect(configuration["init_lora_weights"]?.bool == true)
    #expect(configuration["rank_pattern"]?.object?["k_proj"]?.int == 4)
    for entry in archive.entries {
      guard case .lowRank(let pair) = entry.content else { continue }
      let half = entry.module.hasSuffix("k_proj") ? 2 : 3
      #expect(pair.rank == 2 * half && pair.scale == Float(6) / Float(half), "\(entry.module)")
    }
  }

  @Test func ranksBeyondTheMatrixAreRefused() throws {
    var settings = LoRASettings(rank: 17, alpha: 6, dropout: 0)
    settings.initialisation = .pissa
    let config = try Model(path: tiny("tiny-f32"), threads: 1).config
    let error = #expect(throws: TrainerError.self) { try settings.modules(for: config) }
    #expect(error?.description.contains("17") == true && error?.description.contains("k_proj") == true)
  }
}
