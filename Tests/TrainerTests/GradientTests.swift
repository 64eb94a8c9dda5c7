import AdapterFormat
import CKernels
import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import TinaRuntime
@testable import Trainer

/// A case of gradients.safetensors (tools/golden/gradients.py).
struct GradientCase {
  let model: String
  let settings: LoRASettings
  let temperature: Float
  let batch: GroupBatch
  let weights: [[Float]]
  let logProbabilities: [Float]
  let entropies: [Float]
  let values: [String: [Float]]
  let gradients: [String: [Float]]

  static let file = try? SafetensorsFile(path: fixture("gradients.safetensors"))
  /// Of the models of tools/golden/families.py.
  static let families = try? SafetensorsFile(path: fixture("family-gradients.safetensors"))
  static let names = names(file)
  static let familyNames = names(families)

  private static func names(_ file: SafetensorsFile?) -> [String] {
    (file?.tensors ?? []).compactMap { $0.name.hasSuffix("/prompt") ? String($0.name.dropLast(7)) : nil }
  }

  init(_ name: String) throws {
    let file = try #require(Self.familyNames.contains(name) ? Self.families : Self.file)
    func floats(_ key: String) throws -> [Float] { try #require(file[name + "/" + key]).floats() }
    func integers(_ key: String) throws -> [Int] { ints(try #require(file[name + "/" + key])) }
    let parts = name.split(separator: "/").map(String.init)
    model = parts[1]
    let numbers = try floats("settings")
    settings = LoRASettings(
      rank: Int(numbers[0]), alpha: Double(numbers[1]), dropout: 0,
      targets: parts[2].split(separator: "+").map(String.init))
    temperature = numbers[2]
    let lengths = try integers("lengths")
    batch = GroupBatch(
      prompt: try integers("prompt"), completions: pieces(try integers("completions"), lengths))
    weights = pieces(try floats("weights"), lengths)
    logProbabilities = try floats("logps")
    entropies = try floats("entropies")
    var values: [String: [Float]] = [:]
    var gradients: [String: [Float]] = [:]
    for tensor in file.tensors where tensor.name.hasPrefix(name + "/") {
      let key = tensor.name.dropFirst(name.count + 1)
      if key.hasPrefix("value.") { values[String(key.dropFirst(6))] = tensor.floats() }
      if key.hasPrefix("gradient.") { gradients[String(key.dropFirst(9))] = tensor.floats() }
    }
    self.values = values
    self.gradients = gradients
  }

  func parameters(_ model: Model) throws -> LoRAParameters {
    let parameters = try LoRAParameters(settings, for: model.config)
    for (name, numbers) in values { try #require(parameters.set(name, numbers), "\(name)") }
    #expect(values.count == 2 * parameters.pairs.count)
    return parameters
  }
}

/// The backward pass against PyTorch and PEFT, and against itself.
@Suite struct GradientTests {
  @Test func thereAreCases() {
    #expect(GradientCase.names.count == 7 && GradientCase.familyNames.count == 7)
  }

  @Test(arguments: GradientCase.names + GradientCase.familyNames)
  func gradientsMatch(name: String) throws {
    let golden = try GradientCase(name)
    let model = try Model(path: tiny(golden.model), threads: 2)
    let parameters = try golden.parameters(model)
    let pass = try PolicyPass(model, cacheType: .f32)
    let gradient = FloatMemory(parameters.count)
    let values = try pass.logProbabilities(
      golden.batch, adapter: parameters, dropout: .none,
      temperature: golden.temperature, gradient: gradient
    ) { _ in golden.weights }
    for (mine, theirs) in zip(values.logProbabilities.flatMap { $0 }, golden.logProbabilities) {
      #expect(abs(mine - theirs) < 2e-4, "\(mine) \(theirs)")
    }
    for (mine, theirs) in zip(values.entropies.flatMap { $0 }, golden.entropies) {
      #expect(abs(mine - theirs) < 2e-4, "\(mine) \(theirs)")
    }
    for (name, expected) in golden.gradients.sorted(by: { $0.key < $1.key }) {
      let (_, offset, count) = try #require(parameters.place(name))
      let error = relativeError(gradient.slice(offset, count), expected)
      #expect(error <= 1e-4, "\(name): \(error)")
    }
  }

  /// Kept or recomputed activations, any number of threads, any path of instructions: the same bits. In its own
  /// process, because a path is chosen for all threads of one.
  @Test func bitsDoNotDependOnThreadsOrRecomputation() async {
    await #expect(processExitsWith: .success) {
      for cache in ["f32", "f16"] { try GradientTests.compareBits(cache, "pages/") }
      try GradientTests.compareBits("f16", "gemma3/")
    }
  }

  private static func compareBits(_ cache: String, _ prefix: String) throws {
    let names = GradientCase.names + GradientCase.familyNames
    let name = try #require(names.first { $0.hasPrefix(prefix) })
    let golden = try GradientCase(name)
    var reference: [Float]?
    let best = unsafe String(cString: tk_isa())
    // How many blocks' activations are kept.
    let (all, one) = (1 << 20, 1)
    for (threads, kept, path) in [
      (1, all, best), (2, all, best), (2, one, best), (3, 0, best), (1, 0, best), (2, 0, "avx2"),
      (2, 0, "portable"),
    ] {
      // A path that this processor lacks leaves the one before.
      _ = unsafe tk_isa_select(path)
      let model = try Model(path: tiny(golden.model), threads: threads)
      let parameters = try golden.parameters(model)
      let block = LayerRecord.bytes(rows: golden.batch.rowCount, model.config, rank: parameters.maxRank)
      let pass = try PolicyPass(
        model, cacheType: try #require(CacheType(rawValue: cache)), activationLimit: kept * block)
      // A smaller pass before keeps more blocks, whose memory the next one takes over or gives back.
      let smaller = GroupBatch(prompt: golden.batch.prompt, completions: [golden.batch.completions[0]])
      _ = try pass.logProbabilities(
        smaller, adapter: parameters, dropout: .none, gradient: FloatMemory(parameters.count)
      ) { _ in [golden.weights[0]] }
      let gradient = FloatMemory(parameters.count)
      _ = try pass.logProbabilities(
        golden.batch, adapter: parameters, dropout: Dropout(probability: 0.1, seed: 3, pass: 5),
        gradient: gradient
      ) { _ in golden.weights }
      #expect(gradient.norm > 0)
      if let reference {
        #expect(sameBits(gradient.all, reference), "\(threads) threads, \(kept) kept, \(path)")
      }
      reference = gradient.all
    }
    _ = unsafe tk_isa_select(best)
  }

  /// With dropout: the gradient predicts how the sum changes along a direction, the mask held fixed.
  @Test func dropoutIsDifferentiatedWithItsMask() throws {
    let golden = try GradientCase(try #require(GradientCase.names.first { $0.hasPrefix("all/") }))
    let model = try Model(path: tiny(golden.model), threads: 2)
    let parameters = try golden.parameters(model)
    let pass = try PolicyPass(model, cacheType: .f32)
    let dropout = Dropout(probability: 0.25, seed: 1, pass: 2)
    func value(_ gradient: FloatMemory, _ dropout: Dropout) throws -> Double {
      let values = try pass.logProbabilities(
        golden.batch, adapter: parameters, dropout: dropout, gradient: gradient
      ) { _ in golden.weights }
      var sum = 0.0
      for (logProbability, weight) in zip(values.logProbabilities.joined(), golden.weights.joined()) {
        sum += Double(logProbability) * Double(weight)
      }
      return sum
    }
    let gradient = FloatMemory(parameters.count)
    let middle = try value(gradient, dropout)
    #expect(try value(FloatMemory(parameters.count), Dropout(probability: 0.25, seed: 1, pass: 3)) != middle)
    // Along the gradient itself.
    let step = 3e-5 / gradient.norm
    let start = parameters.values.all
    func shifted(_ factor: Double) throws -> Double {
      for i in 0..<start.count {
        unsafe parameters.values.pointer[i] = start[i] + Float(factor * Double(gradient.pointer[i]))
      }
      return try value(FloatMemory(parameters.count), dropout)
    }
    let slope = (try shifted(step) - shifted(-step)) / (2 * step)
    #expect(abs(slope / (gradient.norm * gradient.norm) - 1) < 2e-2, "\(slope) \(gradient.norm)")
  }

  /// What is dropped is dropped with the probability asked for, and the rest is scaled to make up for it.
  @Test func dropoutKeepsTheMean() {
    let ones = [Float](repeating: 1, count: 4000)
    var out = ones
    var kept = 0
    var sum: Float = 0
    for row in 0..<10 {
      unsafe Dropout(probability: 0.05, seed: 9, pass: 1).apply(
        ones, ones.count, module: 3, sequence: 2, position: UInt32(row), into: &out, add: false)
      kept += out.filter { $0 != 0 }.count
      sum += out.reduce(0, +)
    }
    #expect(abs(Double(kept) / 40000 - 0.95) < 0.005)
    #expect(abs(sum / 40000 - 1) < 0.005)
  }

  /// Whoever knows seed, pass and place can draw a mask again, from Philox alone.
  @Test func dropoutDrawsTheNumbersOfPhilox() {
    let x = (0..<21).map { Float($0) + 0.5 }
    var out = x
    unsafe Dropout(probability: 0.5, seed: 0x1_0000_0009, pass: 4).apply(
      x, x.count, module: 3, sequence: 2, position: 7, into: &out, add: true)
    for i in x.indices {
      let block = Philox.block(counter: (UInt32(i / 8) | 3 << 16, 7, 2, 4), key: (9 ^ 0x4472_6F70, 1))
      let word = [block.0, block.1, block.2, block.3][i % 8 / 2]
      let isDropped = word >> UInt32(16 * (i % 2)) & 0xFFFF < 32768
      #expect(out[i] == (isDropped ? x[i] : 3 * x[i]), "element \(i)")
    }
  }

  /// The sampler's log-probabilities are the trainer's, bit for bit.
  @Test(
    arguments: [
      "tiny-f32", "tiny-bf16", "tiny-window", "tiny-tied", "family-qwen2-yarn", "family-qwen3",
      "family-llama3",
      "family-smollm3-window", "family-gemma3",
    ], [ActivationChoice.f32, .bf16])
  func logProbabilitiesAreTheSamplers(name: String, activations: ActivationChoice) async throws {
    let model = try Model(path: tiny(name), threads: 2, activations: activations)
    let size = min(96, model.config.vocabSize)
    // As long as the smallest of these models can hold.
    let prompt = (0..<(size == 96 ? 45 : 33)).map { ($0 * 37 + 11) % size }
    let completions = [
      (0..<(size == 96 ? 40 : 30)).map { ($0 * 53 + 5) % size }, [3], (0..<19).map { ($0 * 29 + 1) % size },
    ]
    let batch = GroupBatch(prompt: prompt, completions: completions)
    for cache in CacheType.allCases {
      let engine = Engine(model: model, cacheType: cache)
      let pass = try PolicyPass(model, cacheType: cache)
      let mine = try pass.logProbabilities(batch, adapter: nil)
      for (i, completion) in completions.enumerated() {
        let theirs = try await engine.score(prompt: prompt, completion: completion)
        #expect(sameBits(mine.logProbabilities[i], theirs))
      }
    }
  }

  /// The same of log-probabilities under a temperature, as it is sampled with and as the loss can take it.
  @Test(arguments: ["tiny-f32", "tiny-bf16", "tiny-tied"], [Float(0.6), 1, 1.7])
  func temperedLogProbabilitiesAreTheSamplers(name: String, temperature: Float) async throws {
    let model = try Model(path: tiny(name), threads: 2)
    let engine = Engine(model: model)
    let request = GenerationRequest(
      prompt: (0..<21).map { ($0 * 31 + 7) % 96 },
      .init(
        sampling: SamplingParameters(temperature: temperature, topK: 40, topP: 0.95, seed: 5), maxTokens: 33),
      endTokens: [])
    let completions = try await engine.generate(request, samples: 4).collect()
    let batch = GroupBatch(prompt: request.prompt, completions: completions.map(\.ids))
    let pass = try PolicyPass(model)
    let plain = try pass.logProbabilities(batch, adapter: nil)
    let tempered = try pass.logProbabilities(batch, adapter: nil, temperature: temperature)
    for (i, completion) in completions.enumerated() {
      #expect(completion.ids.count == 33)
      #expect(sameBits(plain.logProbabilities[i], completion.logProbabilities))
      #expect(sameBits(tempered.logProbabilities[i], completion.temperedLogProbabilities))
    }
    #expect(sameBits(plain.logProbabilities[0], tempered.logProbabilities[0]) == (temperature == 1))
  }
}
