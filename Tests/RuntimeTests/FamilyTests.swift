import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import TinaRuntime

/// Each family against transformers in float32, from both dialects of config.json and from GGUF
/// (tools/golden/families.py).
@Suite struct FamilyTests {
  static let cases: [String] = {
    guard let golden = try? SafetensorsFile(path: fixture("families-golden.safetensors")) else { return [] }
    return golden.tensors.compactMap { $0.name.hasSuffix(".tokens") ? String($0.name.dropLast(7)) : nil }
  }()

  @Test func thereAreCases() { #expect(Self.cases.count == 9) }

  @Test(arguments: cases)
  func logitsAndGreedyIdsMatch(name: String) async throws {
    let golden = try SafetensorsFile(path: fixture("families-golden.safetensors"))
    let tokens = integers(try #require(golden[name + ".tokens"]))
    let expected = try #require(golden[name + ".logits"]).floats()
    let range = try #require(expected.max()) - #require(expected.min())
    let folder = fixture("family-" + name)
    var paths = [folder]
    if FileManager.default.fileExists(atPath: folder + "/model.gguf") { paths.append(folder + "/model.gguf") }
    for path in paths {
      let model = try Model(path: path, threads: 2, activations: .f32)
      let engine = Engine(model: model, cacheType: .f32)
      // In pieces, so that windows and keys of earlier passes count.
      let logits = try engine.logits(tokens: tokens, chunk: 16).suffix(expected.count)
      let difference = zip(logits, expected).map { abs($0 - $1) }.max() ?? .infinity
      #expect(difference <= 1e-5 * range, "\(path): \(difference / range) of the range")
      let greedy = integers(try #require(golden[name + ".greedy"]))
      let ids = try await engine.generate(
        GenerationRequest(
          prompt: Array(tokens.prefix(8)), .init(sampling: .greedy, maxTokens: greedy.count), endTokens: [])
      ).collect().ids
      // Past its positions no model is asked.
      #expect(!ids.isEmpty && ids == Array(greedy.prefix(ids.count)), "\(path)")
      #expect(ids.count == min(greedy.count, model.config.maxPositions - 8), "\(path)")
    }
  }

  /// transformers 4 and 5 write the same model differently.
  @Test(arguments: cases) func bothDialectsAreTheSameArchitecture(name: String) throws {
    let folder = fixture("family-" + name)
    #expect(try Architecture(path: folder + "/config.json") == Architecture(path: folder + "/config-4.json"))
  }

  /// A GGUF file's tensors are the checkpoint's, under its names and in its order.
  @Test(arguments: cases) func tensorsOfGGUFAreTheCheckpoints(name: String) throws {
    let folder = fixture("family-" + name)
    guard FileManager.default.fileExists(atPath: folder + "/model.gguf") else { return }
    let (checkpoint, gguf) = (try StoredModel(path: folder), try StoredModel(path: folder + "/model.gguf"))
    #expect(Set(checkpoint.weights.tensors.keys) == Set(gguf.weights.tensors.keys))
    let file = try GGUFFile(path: folder + "/model.gguf")
    for (name, tensor) in checkpoint.weights.tensors {
      let other = try #require(gguf.weights[name])
      #expect(other.shape == tensor.shape && other.floats() == tensor.floats(), "\(name)")
      // And back to what the file holds.
      let stored = try #require(file.tensors.first { $0.name == gguf.config.ggufName(of: name) })
      #expect(gguf.config.toGGUF(other).floats() == stored.floats(), "\(name)")
    }
    #expect(checkpoint.config.biases == gguf.config.biases && checkpoint.config.norms == gguf.config.norms)
    #expect(checkpoint.config.attention.map(\.window) == gguf.config.attention.map(\.window))
  }

  /// One order of summation: alone, in batches, in pieces, on any number of threads, on any path.
  @Test(arguments: cases) func rowsDoNotDependOnTheirCompany(name: String) throws {
    let path = fixture("family-" + name)
    let tokens = someTokens(37, below: 60)
    let reference = try batchedLogits(Model(path: path, threads: 1), [tokens], adapters: [nil], chunk: 1)[0]
    for (threads, chunk) in [(2, 7), (3, 64)] {
      let model = try Model(path: path, threads: threads)
      let others = (0..<4).map { someTokens(9 + $0, below: 60, seed: UInt64($0 + 2)) }
      let batch = batchedLogits(
        model, [tokens] + others, adapters: Array(repeating: nil, count: 5), chunk: chunk)
      #expect(sameBits(batch[0], reference), "\(threads) threads, \(chunk) tokens")
    }
  }

  /// A text model saved as part of one that also sees images, without that part.
  @Test func gemmaWithinALargerModelIsTheSame() throws {
    let (source, folder) = (fixture("family-gemma3"), TemporaryFolder())
    let inner = try #require(try JSON.parse(path: source + "/config.json").object)
    let text = JSONObject(inner.members.filter { $0.0 != "architectures" }.map { (key: $0.0, value: $0.1) })
    let whole = JSONObject([
      ("architectures", .array([.string("Gemma3ForConditionalGeneration")])),
      ("model_type", .string("gemma3")),
      ("text_config", .object(text)),
    ])
    _ = folder.write("config.json", Array(JSONValue.object(whole).text().utf8))
    let tokens = someTokens(20, below: 60)
    let expected = try Engine(model: Model(path: source, threads: 1)).logits(tokens: tokens)
    for prefix in ["language_model.model.", "model.language_model."] {
      let tensors = try StoredModel(path: source).weights.tensors.values.map { tensor in
        tensor.renamed(prefix + tensor.name.dropFirst("model.".count))
      }
      try SafetensorsWriter.write(tensors, metadata: [], to: folder.path("model.safetensors"))
      #expect(
        sameBits(try Engine(model: Model(path: folder.path, threads: 1)).logits(tokens: tokens), expected))
    }
    // With the part that sees, it is another model.
    let vision = Tensor(name: "vision_tower.x", shape: [2], floats: [1, 2])
    let tensors = try StoredModel(path: source).weights.tensors.values + [vision]
    try SafetensorsWriter.write(Array(tensors), metadata: [], to: folder.path("model.safetensors"))
    let error = #expect(throws: RuntimeError.self) { try Model(path: folder.path, threads: 1) }
    #expect("\(try #require(error))".contains("vision_tower.x"))
  }

  /// Metadata that would change the arithmetic, and tensors that are not the family's, are refused by name.
  @Test(arguments: [
    ("qwen3", "qwen3.rope.scaling.type", GGUFValue.text("longrope")),
    ("qwen3", "qwen3.expert_count", .uint32(8)),
    ("qwen3", "qwen3.attention.sliding_window", .uint32(8)),
    ("qwen3", "qwen3.rope.dimension_count", .uint32(4)),
    ("qwen3", "qwen3.attention.causal", .bool(false)), ("llama", "llama.attention.key_length", .uint32(10)),
    ("llama", "llama.rope.scaling.factor", .float32(0)),
    ("llama", "llama.attention.head_count_kv", .uint32(3)),
    ("llama", "llama.expert_count", .uint32(2)), ("llama", "llama.logit_scale", .float32(0.5)),
    ("llama3", "llama.rope.scaling.type", .text("yarn")),
    ("llama3", "llama.rope.dimension_count", .uint32(8)),
    ("smollm3", "smollm3.something.new", .bool(true)), ("smollm3", "smollm3.block_count", .uint32(9)),
    ("gemma3", "gemma3.final_logit_softcapping", .float32(30)),
    ("gemma3", "gemma3.attention.sliding_window", .uint32(0)),
    ("gemma3", "gemma3.attention.sliding_window_pattern", .uint32(0)),
    ("gemma3", "general.architecture", .text("gemma2")),
    ("qwen2-yarn", "qwen2.rope.scaling.factor", .text("x")),
    ("qwen2-yarn", "qwen2.rope.scaling.yarn_ext_factor", .float32(0)),
  ])
  func foreignMetadataIsRefused(name: String, key: String, value: GGUFValue) throws {
    let file = try GGUFFile(path: fixture("family-\(name)/model.gguf"))
    let folder = TemporaryFolder()
    let target = folder.path("changed.gguf")
    try GGUFWriter.write(metadata: file.metadata, tensors: file.tensors, to: target)
    #expect(throws: Never.self) { try Model(path: target, threads: 1) }
    let metadata = file.metadata.filter { $0.key != key } + [(key, value)]
    try GGUFWriter.write(metadata: metadata, tensors: file.tensors, to: target)
    #expect(throws: (any Error).self) { try Model(path: target, threads: 1) }
  }

  private func integers(_ tensor: Tensor) -> [Int] {
    let bytes = tensor.bytes
    return (0..<tensor.elementCount).map {
      Int(unsafe bytes.unsafeLoadUnaligned(fromByteOffset: 4 * $0, as: Int32.self))
    }
  }
}
