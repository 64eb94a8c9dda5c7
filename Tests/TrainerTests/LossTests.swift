import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import TinaRuntime
@testable import Trainer

/// Whole runs of TRL's GRPOTrainer on fixed completions (tools/golden/grpo.py, objectives.py and mismatch.py).
@Suite struct LossTests {
  static let files = ["grpo", "objectives", "mismatch"]
  static let cases: [(file: String, golden: JSONObject)] = files.flatMap { file in
    let value = try? JSON.parse(path: fixture(file + ".json"))
    return (value?.array?.compactMap(\.object) ?? []).map { (file, $0) }
  }
  static let names = cases.compactMap { $0.golden["name"]?.string }

  @Test func thereAreCases() { #expect(Self.names.count == 21) }

  @Test(arguments: names)
  func runsMatchTRL(name: String) throws {
    let (file, golden) = try #require(Self.cases.first { $0.golden["name"]?.string == name })
    let tensors = try SafetensorsFile(path: fixture(file + ".safetensors"))
    func number(_ key: String) -> Double? { golden[key]?.double }
    func required(_ key: String) throws -> Double { try #require(number(key), "\(key)") }
    let steps = Int(try required("steps"))
    let model = try Model(path: tiny(try #require(golden["model"]?.string)), threads: 2)
    let parameters = try LoRAParameters(
      LoRASettings(
        rank: Int(try required("rank")), alpha: try required("alpha"), dropout: 0,
        targets: golden["targets"]?.array?.compactMap(\.string) ?? LoRASettings().targets),
      for: model.config)
    for tensor in tensors.tensors where tensor.name.hasPrefix(name + "/start.") {
      try #require(parameters.set(String(tensor.name.dropFirst(name.count + 7)), tensor.floats()))
    }
    var settings = try UpdateSettings.defaults()
    settings.loss = LossSettings(
      type: try #require(LossType(rawValue: golden["loss_type"]?.string ?? "")), beta: try required("beta"),
      epsilon: try required("epsilon"), epsilonHigh: number("epsilon_high"),
      correctsKL: golden["use_bias_correction_kl"]?.bool ?? false,
      maxCompletionLength: Int(try required("max_completion_length")))
    if let level = golden["importance_sampling_level"]?.string {
      settings.loss.level = try #require(ImportanceSamplingLevel(rawValue: level))
    }
    if file == "mismatch" { settings.correction = try correction(golden) }
    settings.loss.delta = number("delta")
    settings.loss.topEntropyShare = number("top_entropy_quantile") ?? 1
    if let steps = golden["steps_per_generation"]?.int {
      settings.parts = steps / (golden["gradient_accumulation_steps"]?.int ?? 1)
    }
    let optimizer = OptimizerSettings(
      learningRate: try required("learning_rate"), weightDecay: try required("weight_decay"),
      maxGradNorm: try required("max_grad_norm"))
    settings.scaling = try #require(RewardScaling(rawValue: golden["scale_rewards"]?.string ?? ""))
    settings.batchSize = (golden["per_device_train_batch_size"]?.int) ?? 4
    settings.iterations = Int(try required("num_iterations"))
    settings.masksTruncated = golden["mask_truncated_completions"]?.bool ?? false
    settings.temperature = Float(try required("temperature"))
    settings.rowLimit = name == "tina" ? 20 : 4096  // passes of a part of a group change nothing
    let kind = try #require(LearningRateSchedule.Kind(rawValue: golden["lr_scheduler_type"]?.string ?? ""))
    let schedule = LearningRateSchedule(
      kind, warmupSteps: Int(try required("warmup_steps")), totalSteps: steps,
      minimumShare: kind == .cosineWithMinLR ? 0.1 : 0)
    let update = PolicyUpdate(
      try PolicyPass(model, cacheType: .f32), parameters, settings, optimizer, schedule)

    let eos = Int(try required("eos"))
    let generations = try #require(golden["generations"]?.array).map { generation in
      (generation.array ?? []).compactMap(\.object).map { group in
        let completions = (group["completions"]?.array ?? []).map { ($0.array ?? []).compactMap(\.int) }
        return ScoredGroup(
          prompt: (group["prompt"]?.array ?? []).compactMap(\.int), completions: completions,
          isTruncated: completions.map { $0.last != eos },
          rewards: (group["rewards"]?.array ?? []).map(\.double),
          sampled: group["logprobs"]?.array?.map { told in
            (told.array ?? []).map { $0.double.map { Float($0) } ?? .nan }
          })
      }
    }
    let logs = try #require(golden["logs"]?.array).compactMap(\.object)
    var generation: Generation?
    for step in 0..<steps {
      let number = step % settings.stepsPerGeneration
      if number == 0 {
        generation = try update.prepare(generations[step / settings.stepsPerGeneration])
      }
      let metrics = try update.step(try #require(generation), number: number)
      let pairs: [(String, Double?, Double)] = [
        ("loss", metrics.loss, 2e-5), ("grad_norm", metrics.gradientNorm, 2e-4),
        ("learning_rate", metrics.learningRate, 1e-12), ("kl", metrics.kl, 2e-5),
        ("entropy", metrics.entropy, 2e-5),
      ]
      let mismatch = metrics.mismatch
      let isCorrected = settings.correction?.isOn == true
      let sampling: [(String, Double?, Double)] = [
        ("sampling/sampling_logp_difference/mean", mismatch?.mean, 2e-5),
        ("sampling/sampling_logp_difference/max", mismatch?.largest, 2e-5),
        ("sampling/importance_sampling_ratio/min", mismatch?.ratio.least, 1e-4),
        ("sampling/importance_sampling_ratio/mean", mismatch?.ratio.mean, 1e-4),
        ("sampling/importance_sampling_ratio/max", mismatch?.ratio.most, 1e-4),
      ].filter { _ in isCorrected }
      let isCispo = settings.loss.type == .cispo
      let clips: [(String, Double?, Double)] = [
        ("clip_ratio/low_mean", metrics.lowClipMean, 1e-6),
        ("clip_ratio/high_mean", metrics.highClipMean, 1e-6),
        ("clip_ratio/low_min", metrics.lowClipMin, 1e-6),
        ("clip_ratio/high_max", metrics.highClipMax, 1e-6),
        ("clip_ratio/region_mean", metrics.regionClipMean, 1e-6),
      ]
      let cut: [(String, Double?, Double)] = [("cispo_clip_ratio", metrics.highClipMean, 1e-6)]
      for (key, mine, tolerance) in pairs + sampling + (isCispo ? cut : clips) {
        let theirs = logs[step][key]?.double
        #expect((mine == nil) == (theirs == nil), "\(key) at step \(step)")
        guard let mine, let theirs else { continue }
        #expect(abs(mine - theirs) <= tolerance * max(1, abs(theirs)), "\(key) at \(step): \(mine) \(theirs)")
      }
    }
    for tensor in tensors.tensors where tensor.name.hasPrefix(name + "/end.") {
      let (_, offset, count) = try #require(parameters.place(String(tensor.name.dropFirst(name.count + 5))))
      let start = try #require(tensors[tensor.name.replacingOccurrences(of: "/end.", with: "/start.")])
        .floats()
      let mine = zip(parameters.values.slice(offset, count), start).map { $0 - $1 }
      let theirs = zip(tensor.floats(), start).map { $0 - $1 }
      let error = relativeError(mine, theirs)
      #expect(error < 2e-3, "the change of \(tensor.name): \(error)")
      #expect(
        relativeError(parameters.values.slice(offset, count), tensor.floats()) <= 1e-4, "\(tensor.name)")
    }
  }

  private func correction(_ golden: JSONObject) throws -> SamplingCorrection {
    let name = "vllm_importance_sampling_"
    var correction = SamplingCorrection()
    correction.isOn = golden[name + "correction"]?.bool ?? true
    correction.mode =
      try golden[name + "mode"]?.string.map { try #require(.init(rawValue: $0)) } ?? correction.mode
    correction.highest =
      golden[name + "cap"]?.double ?? golden[name + "clip_max"]?.double ?? correction.highest
    correction.lowest = golden[name + "clip_min"]?.double
    return correction
  }

  @Test func advantagesOfTwoGroups() {
    let rewards: [[Double?]] = [[1, 0, 0, 1], [2, 2, nil, 2]]
    let group = Advantages.compute(rewards, scaling: .group)
    let spread = (1.0 / 3).squareRoot()
    #expect(abs(group[0][0] - 0.5 / (spread + 1e-4)) < 1e-12)
    #expect(group[1] == [0, 0, 0, 0])
    #expect(Advantages.compute(rewards, scaling: .none)[0] == [0.5, -0.5, -0.5, 0.5])
    let all = Advantages.deviation([1, 0, 0, 1, 2, 2, nil, 2])
    #expect(abs(Advantages.compute(rewards, scaling: .batch)[0][0] - 0.5 / (all + 1e-4)) < 1e-12)
  }
}
