import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import TinaRuntime

/// What is said, and when, if an adapter can't be attached; and files that change under a model.
@Suite struct AttachingTests {
  private let model: Model

  init() throws { model = try Model(path: fixture("tiny-f32"), threads: 1) }

  private func adapter(_ module: String, a: Float = 0.5, b: Float = 1, scale: Float = 1, rows: Int? = nil)
    -> Adapter
  {
    let (out, input) = Projection.down.shape(model.config)
    return Adapter(
      name: "made",
      modules: [
        AdapterModule(
          name: module,
          pair: LowRankPair(
            a: Tensor(name: "A", shape: [1, input], floats: Array(repeating: a, count: input)),
            b: Tensor(
              name: "B", shape: [rows ?? out, 1], floats: (0..<(rows ?? out)).map { $0 % 2 == 0 ? b : -b / 2 }
            ),
            scale: scale))
      ])
  }

  private func refusal(_ adapter: Adapter, scale: Float = 1) -> RuntimeError? {
    do throws(RuntimeError) {
      _ = try AttachedAdapter(adapter, to: model, scale: scale)
      return nil
    } catch { return error }
  }

  @Test(arguments: [Float.infinity, .nan, -.infinity, 1e30, -1e30, 1e-30, 1.1e6, 9e-7])
  func factorsOutOfRangeAreRefusedAlike(scale: Float) {
    guard
      case .invalidSetting("adapter scale", _, AttachedAdapter.scaleRange)? = refusal(
        adapter("layers.0.mlp.down_proj"), scale: scale)
    else {
      Issue.record("\(scale)")
      return
    }
  }

  @Test func factorsInRangeAreTaken() {
    for scale: Float in [0, -0.0, 1, -1, 1e-3, 60] {
      #expect(refusal(adapter("layers.0.mlp.down_proj"), scale: scale) == nil, "\(scale)")
    }
  }

  @Test func numbersThatOverflowAreFoundWhenAttaching() {
    for layer in 0..<model.config.layerCount {
      guard case .adapterNotFinite? = refusal(adapter("layers.\(layer).mlp.down_proj", b: 1e35, scale: 1e4))
      else {
        Issue.record("layer \(layer)")
        continue
      }
    }
  }

  @Test func pairsOutsideOfLayersMustFitToo() {
    let width = model.config.hiddenSize
    #expect("\(refusal(adapter("lm_head"))!)".contains("lora_A has shape [1, 64], expected [1, \(width)]"))
    #expect("\(refusal(adapter("embed_tokens"))!)".contains("an embedding (lora_embedding_A"))
    #expect(
      "\(refusal(adapter("layers.99.mlp.down_proj"))!)".contains("it has \(model.config.layerCount) layers"))
  }

  /// What says beforehand whether an adapter fits, and what attaches it, agree.
  @Test(arguments: [
    "layers.0.mlp.down_proj", "lm_head", "layers.7777.mlp.down_proj", "layers.00.mlp.down_proj",
    "layers.0.mlp", "x",
  ])
  func judgementAndAttachmentAgree(module: String) {
    let its = adapter(module)
    #expect(AdapterFit.violations(its, model.config).isEmpty == (refusal(its) == nil))
    if refusal(its) == nil { #expect(AdapterFit.violations(its, nil).isEmpty) }
  }

  @Test func aMisfitNamesTheBaseOfItsConfiguration() throws {
    let folder = TemporaryFolder()
    let source = fixture("adapter-all-r4")
    for name in try FileManager.default.contentsOfDirectory(atPath: source) {
      try FileManager.default.copyItem(atPath: source + "/" + name, toPath: folder.path(name))
    }
    var config = try JSON.parse(path: folder.path("adapter_config.json")).object!
    config = config.with("base_model_name_or_path", .string("someone/other-7B"))
    folder.write("adapter_config.json", JSONValue.object(config).text())
    let other = try Model(path: pico, threads: 1)
    let error = #expect(throws: RuntimeError.self) {
      try AttachedAdapter(Adapter(path: folder.path), to: other)
    }
    #expect(error.map { "\($0)" }?.contains("someone/other-7B") == true)
  }

  @Test func theEngineSaysThatItsFilesChanged() async throws {
    let folder = TemporaryFolder()
    for name in try FileManager.default.contentsOfDirectory(atPath: fixture("tiny-f32")) {
      try FileManager.default.copyItem(atPath: fixture("tiny-f32") + "/" + name, toPath: folder.path(name))
    }
    usleep(20_000)
    let model = try Model(path: folder.path, threads: 1)
    let engine = Engine(model: model)
    let request = GenerationRequest(prompt: [1, 2, 3], .init(maxTokens: 4), endTokens: [])
    _ = try await engine.generate(request).collect()
    let handle = try #require(FileHandle(forWritingAtPath: folder.path("model.safetensors")))
    try handle.truncate(atOffset: 4096)
    for _ in 0..<2 {
      await #expect(throws: RuntimeError.self) { try await engine.generate(request).collect() }
    }
    await #expect(throws: RuntimeError.self) { _ = try await engine.score(prompt: [1], completion: [2]) }
    #expect(throws: RuntimeError.self) { try engine.logits(tokens: [1, 2]) }
    #expect(throws: RuntimeError.self) { try AttachedAdapter(adapter("layers.0.mlp.down_proj"), to: model) }
  }
}
