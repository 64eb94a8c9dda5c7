import AdapterFormat
import ModelFiles
import TestSupport
import Testing

@testable import TinaRuntime

/// The probe that an adapter passes when it is attached.
@Suite struct ProbeTests {
  let model: Model

  init() throws { model = try Model(path: fixture("tiny-f32"), threads: 1) }

  /// An adapter of rank 1 on one projection; every element of A and B has the same value.
  func adapter(layer: Int, a: Float, b: Float) -> Adapter {
    let (out, input) = Projection.down.shape(model.config)
    return Adapter(
      name: "probe",
      modules: [
        AdapterModule(
          name: "layers.\(layer).\(Projection.down.path)",
          pair: LowRankPair(
            a: Tensor(name: "A", shape: [1, input], floats: Array(repeating: a, count: input)),
            b: Tensor(name: "B", shape: [out, 1], floats: (0..<out).map { $0 % 2 == 0 ? b : -b / 2 }),
            scale: 1))
      ])
  }

  @Test func anEffectIsSeenInWhateverLayerItIs() throws {
    for layer in 0..<model.config.layerCount {
      _ = try AttachedAdapter(adapter(layer: layer, a: 0.5, b: 1), to: model)
      // So small an effect does not end the walk through the layers early: the logits decide.
      _ = try AttachedAdapter(adapter(layer: layer, a: 0.001, b: 0.001), to: model)
    }
  }

  @Test func anAdapterThatRoundingSwallowsIsRefused() throws {
    let faint = adapter(layer: 0, a: 1e-20, b: 1e-15)
    #expect(!faint.isZero)
    #expect(throws: RuntimeError.self) { _ = try AttachedAdapter(faint, to: model) }
  }

  /// A caller that asks again and again does not keep others from the forward pass.
  @Test func takingTurnsIsFair() async throws {
    let engine = Engine(model: model)
    let busy = try engine.generate(
      GenerationRequest(prompt: [1, 2, 3], .init(sampling: .init(temperature: 2)), endTokens: []), samples: 8)
    for _ in 0..<20 { _ = try AttachedAdapter(adapter(layer: 0, a: 0.5, b: 1), to: model) }
    busy.cancel()
    #expect(engine.statistics.steps < engine.contextLimit)
  }
}
