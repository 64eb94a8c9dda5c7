import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import TinaRuntime

/// Logits and greedy ids against transformers and peft in float32 (tools/golden/logits.py).
@Suite struct GoldenTests {
  static let cases: [String] = {
    guard let golden = try? SafetensorsFile(path: fixture("golden.safetensors")) else { return [] }
    return golden.tensors.compactMap { $0.name.hasSuffix(".tokens") ? String($0.name.dropLast(7)) : nil }
  }()

  @Test func thereAreCases() { #expect(Self.cases.count > 15) }

  @Test(arguments: cases)
  func tinyModelsMatch(name: String) async throws {
    let parts = name.split(separator: "+").map(String.init)
    let model = try Model(path: fixture(parts[0]), threads: 2)
    let adapter = try parts.count > 1 ? AttachedAdapter(Adapter(path: fixture(parts[1])), to: model) : nil
    try await compare(
      model, adapter, try SafetensorsFile(path: fixture("golden.safetensors")), name, prompt: 8)
  }

  @Test(.enabled(if: FileManager.default.fileExists(atPath: fixture("pico-golden.safetensors"))))
  func picoMatches() async throws {
    let golden = try SafetensorsFile(path: fixture("pico-golden.safetensors"))
    let model = try Model(path: pico, threads: 2)
    let adapter = try AttachedAdapter(Adapter(path: pico + "/adapter"), to: model)
    for problem in 0..<3 {
      try await compare(model, nil, golden, "\(problem)", prompt: nil)
      try await compare(model, adapter, golden, "\(problem)+adapter", prompt: nil)
    }
  }

  /// Greedy ids of a model made in numpy from public weights, where the machine has it.
  @Test func storyModelMatches() async throws {
    guard let folder = shared("models/story-qwen2-derived") else {
      print("skipped: shared/models/story-qwen2-derived is not beside the checkout")
      return
    }
    let golden = try JSON.parse(path: folder + "/golden_greedy.json")
    let prompt = golden.object?["prompt_ids"]?.array?.compactMap(\.int) ?? []
    // The file's ids begin with the prompt.
    let expected = (golden.object?["greedy_ids"]?.array?.compactMap(\.int) ?? []).dropFirst(prompt.count)
    try #require(!prompt.isEmpty && !expected.isEmpty, "keys: \(golden.object?.keys ?? [])")
    let engine = Engine(model: try Model(path: folder, threads: 2), cacheType: .f32)
    let ids = try await engine.generate(
      GenerationRequest(prompt: prompt, sampling: .greedy, maxTokens: min(expected.count, 64))
    ).collect().ids
    #expect(ids == Array(expected.prefix(64)))
  }

  /// `prompt`: how many of the tokens the greedy ids continue; all when nil.
  private func compare(
    _ model: Model, _ adapter: AttachedAdapter?, _ golden: SafetensorsFile, _ name: String, prompt: Int?
  ) async throws {
    let tokens = ints(try #require(golden[name + ".tokens"]))
    let expected = try #require(golden[name + ".logits"]).floats()
    let engine = Engine(model: model, cacheType: .f32)
    let all = try engine.logits(tokens: tokens, adapter: adapter, chunk: 16)
    let logits = Array(all.suffix(expected.count))
    let range = try #require(expected.max()) - #require(expected.min())
    let difference = zip(logits, expected).map { abs($0 - $1) }.max() ?? .infinity
    #expect(difference <= 1e-4 * range, "\(name): \(difference / range) of the range")

    let greedy = ints(try #require(golden[name + ".greedy"]))
    let ids = try await engine.generate(
      GenerationRequest(
        prompt: Array(tokens.prefix(prompt ?? tokens.count)), adapter: adapter, sampling: .greedy,
        maxTokens: greedy.count)
    ).collect().ids
    #expect(ids == greedy, "\(name)")
  }

  private func ints(_ tensor: Tensor) -> [Int] {
    let bytes = tensor.bytes
    return (0..<tensor.elementCount).map {
      Int(unsafe bytes.unsafeLoadUnaligned(fromByteOffset: 4 * $0, as: Int32.self))
    }
  }
}
