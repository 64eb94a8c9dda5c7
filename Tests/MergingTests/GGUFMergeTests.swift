import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing
import TinaRuntime

@testable import Merging

private let mixed = tiny("gguf/quantised.gguf")

/// Merges into GGUF files, of GGUF bases, and in memory.
@Suite struct GGUFMergeTests {
  private let adapter = [(path: tiny("adapter-all-r4"), scale: Float(1))]

  /// Every weight is that of the merged directory, to the bit.
  @Test(arguments: [(GGUFFileType.f32, ElementType.f32), (.bf16, .bf16), (.f16, .f16)])
  func theFileHoldsWhatTheDirectoryHolds(_ types: (GGUFFileType, ElementType)) async throws {
    let scratch = TemporaryFolder()
    let report = try await merge(tiny("tiny-bf16"), adapter, to: scratch.path("out.gguf")) {
      $0.fileType = types.0
    }
    _ = try await merge(tiny("tiny-bf16"), adapter, to: scratch.path("out")) { $0.elementType = types.1 }
    #expect(scratch.names == ["out", "out.gguf", "out.merge-report.json"])
    let written = try #require(try JSON.parse(path: scratch.path("out.merge-report.json")).object)
    #expect(written == report.json.object && written["dtype"]?.string == types.0.rawValue)
    #expect(report.files == ["out.gguf"] && report.modules.count == 14)
    let file = try StoredModel(path: scratch.path("out.gguf"))
    let base = try WeightFiles(directory: tiny("tiny-bf16")).tensors
    for (name, tensor) in try WeightFiles(directory: scratch.path("out")).tensors {
      let other = try #require(file.weights.tensors[name])
      // Vectors stay in float32, exactly as the base has them.
      let expected = tensor.shape.count == 2 ? tensor.floats() : try #require(base[name]).floats()
      #expect(other.floats() == expected, "\(name)")
    }
    if types.0 == .f32 { #expect(report.logits.relativeDifference <= 1e-5) }
  }

  @Test func eightBitsAreMeasuredAndNear() async throws {
    let scratch = TemporaryFolder()
    let report = try await merge(tiny("tiny-f32"), adapter, to: scratch.path("out.gguf")) {
      $0.fileType = .q8_0
    }
    #expect(report.modules.allSatisfy { abs(($0.survived ?? 0) - 1) < 0.1 && ($0.error ?? 0) > 0 })
    #expect(report.logits.relativeDifference < 0.05)
    let file = try GGUFFile(path: scratch.path("out.gguf"))
    #expect(file.tensors.contains { $0.elementType == .q8_0 } && file["general.file_type"]?.integer == 7)
  }

  /// M1: a change below a quantisation step of the base is rounded away. It is measured, and nothing is left.
  @Test(arguments: [GGUFFileType.q8_0, .q4_0, .bf16])
  func aChangeThatQuantisationErasesIsRefused(_ type: GGUFFileType) async throws {
    let scratch = TemporaryFolder()
    let base = scratch.path("base.gguf")
    _ = try Quantization(Model(path: tiny("tiny-bf16"), threads: 2), output: base, type: type).run()
    let small = try scaledAdapter(tiny("adapter-all-r4"), by: 2e-4, to: scratch.path("small"))
    do {
      _ = try await merge(base, [(small, 1)], to: scratch.path("out.gguf")) { $0.fileType = type }
      Issue.record("not refused")
    } catch MergeError.lost(let modules, let name, _) {
      #expect(!modules.isEmpty && name == type.rawValue)
      #expect(modules.allSatisfy { ($0.survived ?? 1) < 0.5 })
    }
    #expect(scratch.names == ["base.gguf", "small"])
    let report = try await merge(base, [(small, 1)], to: scratch.path("out.gguf")) {
      $0.fileType = type
      $0.acceptsLoss = true
    }
    #expect((report.worst?.survived ?? 1) < 0.5)
  }

  /// M1: a first rounding is right on average, but its noise may be larger than the change, and a warning says so.
  @Test func aWarningTellsOfQuantisationNoise() async throws {
    let scratch = TemporaryFolder()
    let small = try scaledAdapter(tiny("adapter-all-r4"), by: 2e-3, to: scratch.path("small"))
    let report = try await merge(tiny("tiny-f32"), [(small, 1)], to: scratch.path("out.gguf")) {
      $0.fileType = .q4_0
      $0.acceptsLoss = true
    }
    #expect((report.total.error ?? 0) > 1 && report.warnings.contains { $0.contains("rounding noise") })
  }

  /// A float GGUF base is merged like the directory that it was made from.
  @Test func aFloatBaseInGGUFMergesLikeItsDirectory() async throws {
    let scratch = TemporaryFolder()
    let base = scratch.path("base.gguf")
    _ = try Quantization(Model(path: tiny("tiny-bf16"), threads: 2), output: base, type: .bf16).run()
    let model = try Model(path: base, threads: 2)
    #expect(try Merge.ownFileType(model) == .bf16)
    for type in [GGUFFileType.bf16, .q8_0] {
      let a = try await merge(base, adapter, to: scratch.path("a.gguf")) {
        $0.fileType = type
        $0.replacesOutput = true
      }
      let b = try await merge(tiny("tiny-bf16"), adapter, to: scratch.path("b.gguf")) {
        $0.fileType = type
        $0.replacesOutput = true
      }
      #expect(a.baseDigest == b.baseDigest && a.modules == b.modules)
      let (first, second) = (
        try GGUFFile(path: scratch.path("a.gguf")), try GGUFFile(path: scratch.path("b.gguf"))
      )
      for (x, y) in zip(first.tensors, second.tensors) {
        #expect(x.name == y.name && x.storage.copy(x.byteRange) == y.storage.copy(y.byteRange))
      }
    }
    #expect(throws: MergeError.self) {
      try Merge(
        [AttachedAdapter(Adapter(path: adapter[0].path), to: model)], into: model, output: "directory")
    }
  }

  /// M1 and M6: a quantised base is not rounded to its type again unless the type is named. Into float32 the merge is
  /// exact, and a warning names the base that the adapter was trained on.
  @Test func aQuantisedBaseIsMergedIntoFloatsOnly() async throws {
    let scratch = TemporaryFolder()
    let model = try Model(path: mixed, threads: 2)
    #expect(throws: MergeError.self) { try Merge.ownFileType(model) }
    let own = try randomAdapter(model, scratch)
    let report = try await merge(mixed, [(own, 1)], to: scratch.path("out.gguf")) { $0.fileType = .f32 }
    #expect(report.logits.relativeDifference <= 1e-5 && abs((report.worst?.survived ?? 0) - 1) < 1e-3)
    #expect(report.baseDigest.count == 64)
    let again = try await merge(scratch.path("out.gguf"), [(own, 1)], to: scratch.path("twice.gguf")) {
      $0.fileType = .f32
    }
    #expect(again.warnings.contains { $0.contains("itself made by merging") })
  }

  /// A rank-2 adapter for all output projections of a model.
  private func randomAdapter(_ model: Model, _ scratch: TemporaryFolder) throws -> String {
    let folder = scratch.path("own")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let config = model.config
    let queries = config.headCount * config.headDim
    var tensors: [Tensor] = []
    for layer in 0..<config.layerCount {
      let prefix = "base_model.model.model.layers.\(layer).self_attn.o_proj.lora_"
      func values(_ count: Int, _ seed: Int) -> [Float] {
        (0..<count).map { Float(($0 * 7919 + seed * 104_729) % 2003) / 2003 - 0.5 }
      }
      tensors.append(
        Tensor(
          name: prefix + "A.weight", shape: [2, queries], floats: values(2 * queries, layer)))
      tensors.append(
        Tensor(
          name: prefix + "B.weight", shape: [config.hiddenSize, 2],
          floats: values(2 * config.hiddenSize, layer + 9).map { $0 * 0.05 }))
    }
    try SafetensorsWriter.write(
      tensors, metadata: [("format", "pt")], to: folder + "/adapter_model.safetensors")
    let text = #"{"peft_type":"LORA","r":2,"lora_alpha":2,"target_modules":["o_proj"],"bias":"none"}"#
    try Data(text.utf8).write(to: URL(fileURLWithPath: folder + "/adapter_config.json"))
    return folder
  }

  // In memory.

  private func logits(_ model: Model, _ adapter: AttachedAdapter? = nil) throws -> [Float] {
    try Engine(model: model, cacheType: .f32).logits(tokens: (0..<30).map { $0 * 7 % 60 }, adapter: adapter)
  }

  /// M2: merged in float32, in memory, computes what attached does; the base is left as it was.
  @Test(arguments: ["tiny-f32", "tiny-bf16", "tiny-tied"])
  func mergedInMemoryComputesWhatAttachedDoes(_ base: String) throws {
    let model = try Model(path: tiny(base), threads: 2)
    let before = try logits(model)
    let attached = [
      try AttachedAdapter(Adapter(path: tiny("adapter-all-r4")), to: model, scale: 0.7),
      try AttachedAdapter(Adapter(path: tiny("adapter-patterns")), to: model),
    ]
    let merge = try RuntimeMerge(attached, into: model, elementType: .f32)
    let expected = try logits(model, AttachedAdapter.sum(attached, on: model))
    let range = (expected.max() ?? 0) - (expected.min() ?? 0)
    let away = zip(try logits(merge.model), expected).map { abs($0 - $1) }.max() ?? .infinity
    #expect(away <= 1e-5 * range && away >= 0)
    #expect(zip(expected, before).contains { abs($0 - $1) > 1e-3 * range }, "the adapter does nothing")
    #expect(try logits(model) == before)
    #expect(merge.modules.count == 14 && merge.byteCount > 0 && merge.summary.contains("survived rounding"))
    // Weights that no adapter changes are not copied.
    let embedding = try #require(merge.model.directory.weights.tensors["model.embed_tokens.weight"])
    #expect(embedding.file != nil)
  }

  @Test func mergedInMemoryIsWhatIsWritten() async throws {
    let scratch = TemporaryFolder()
    let model = try Model(path: tiny("tiny-bf16"), threads: 2)
    let attached = try AttachedAdapter(Adapter(path: adapter[0].path), to: model)
    let merged = try RuntimeMerge([attached], into: model, elementType: .bf16)
    let report = try await merge(tiny("tiny-bf16"), adapter, to: scratch.path("out"))
    #expect(merged.modules.sorted { $0.name < $1.name } == report.modules.sorted { $0.name < $1.name })
    for (name, tensor) in try WeightFiles(directory: scratch.path("out")).tensors {
      #expect(merged.model.directory.weights.tensors[name]?.floats() == tensor.floats(), "\(name)")
    }
  }

  @Test func aChangeThatMemorysTypeErasesIsRefused() throws {
    let scratch = TemporaryFolder()
    let small = try scaledAdapter(tiny("adapter-all-r4"), by: 2e-4, to: scratch.path("small"))
    let model = try Model(path: tiny("tiny-bf16"), threads: 2)
    let attached = try AttachedAdapter(Adapter(path: small), to: model)
    do {
      _ = try RuntimeMerge([attached], into: model, elementType: .bf16)
      Issue.record("not refused")
    } catch MergeError.lostInMemory(let modules, let type) {
      #expect(modules.count == 14 && type == "BF16")
    }
    _ = try RuntimeMerge([attached], into: model, elementType: .bf16, acceptsLoss: true)
    _ = try RuntimeMerge([attached], into: model, elementType: .f32)
    #expect(throws: MergeError.self) { try RuntimeMerge([attached], into: model, elementType: .i8) }
  }

  @Test func aQuantisedBaseIsMergedInMemory() throws {
    let scratch = TemporaryFolder()
    let model = try Model(path: mixed, threads: 2, activations: .f32)
    let attached = try AttachedAdapter(Adapter(path: randomAdapter(model, scratch)), to: model)
    let merge = try RuntimeMerge([attached], into: model, elementType: .f32)
    let expected = try logits(model, attached)
    let range = (expected.max() ?? 0) - (expected.min() ?? 0)
    let away = zip(try logits(merge.model), expected).map { abs($0 - $1) }.max() ?? .infinity
    #expect(away <= 1e-5 * range)
  }
}
