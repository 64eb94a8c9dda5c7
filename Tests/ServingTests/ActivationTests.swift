import ModelFiles
import TestSupport
import Testing
import TinaRuntime

@testable import Serving

/// The server tells what activations were rounded to.
@Suite(.needsPico) struct ActivationTests {
  @Test(arguments: [ActivationChoice.f32, .bf16, .int8])
  func everyAnswerTellsItsActivations(choice: ActivationChoice) async throws {
    let engine = Engine(
      model: try Model(path: pico, threads: 2, activations: choice), memoryBudget: 64 << 20)
    let adapters = AdapterRegistry(engine: engine, baseName: "math")
    let service = try Service(engine: engine, adapters: adapters, settings: Service.Settings())
    // Pico has BF16 weights only: eight bits are for others.
    let name = choice == .bf16 ? "bf16" : "f32"
    let health = try await service.ask("GET", "/health").json()
    #expect(health["activations"]?.string == name)
    #expect(health["kernels"]?.string == engine.model.kernels)
    let chat = try await service.chat(#""max_tokens": 2"#).json()
    let text = try await service.ask(
      "POST", "/v1/completions", #"{"model": "math", "prompt": "1", "max_tokens": 2}"#
    ).json()
    let response = try await service.ask(
      "POST", "/v1/responses", #"{"model": "math", "input": "1", "max_output_tokens": 2}"#
    ).json()
    for answer in [chat, text, response] {
      let print = try #require(answer["system_fingerprint"]?.string)
      #expect(print.hasPrefix("tina-") && print.hasSuffix("-" + name), "\(print)")
    }
  }
}
