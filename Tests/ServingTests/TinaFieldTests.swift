import AdapterFormat
import ModelFiles
import Support
import TestSupport
import Testing
import TinaRuntime
import Tokenization

@testable import Serving

/// What Tina's own clients ask for: a sample by its number, and its tokens as they were drawn.
@Suite(.needsPico) struct TinaFieldTests {
  private static let settings = #""seed": 5, "temperature": 1.5, "top_p": 1, "max_tokens": 24"#

  private func told(_ service: Service, _ members: String) async throws -> JSONValue {
    let reply = await service.chat(Self.settings + ", " + members, model: "pico")
    return try #require(try reply.json()["tina"], "\(reply.text)")
  }

  private func floats(_ value: JSONValue?) -> [UInt32] {
    (value?.array ?? []).compactMap {
      guard case .number(let digits) = $0 else { return nil }
      return Float(digits)?.bitPattern
    }
  }

  @Test func aSampleIsTheEnginesOwn() async throws {
    let service = try await picoService()
    let all = try await told(
      service,
      #""n": 3, "tina": {"prompt_index": 7, "return": ["prompt", "text", "token_ids", "logprobs"]}"#)
    let alone = try await told(
      service,
      #""tina": {"prompt_index": 7, "sample_index": 2, "return": ["prompt", "text", "token_ids", "logprobs"]}"#
    )
    #expect(all["choices", "2"] == alone["choices", "0"] && all["choices", "1"] != alone["choices", "0"])
    let other = try await told(
      service, #""tina": {"prompt_index": 8, "sample_index": 2, "return": ["token_ids"]}"#)
    #expect(other["choices", "0", "token_ids"] != alone["choices", "0", "token_ids"])

    let assistant = service.assistant
    let messages = [ChatMessage(role: .user, content: "What is 12 + 3 * 4?")]
    var request = assistant.request(for: try assistant.encode(messages), promptIndex: 7, sampleIndex: 2)
    request.settings = AnswerSettings(
      sampling: SamplingParameters(temperature: 1.5, seed: 5), maxTokens: 24)
    let text = try await assistant.engine.generate(request).collect()
    #expect(try alone["prompt"]?.string == assistant.prompts.render(messages))
    #expect(alone["choices", "0", "text"]?.string == assistant.text(of: text.ids))
    #expect(alone["choices", "0", "token_ids"]?.array?.compactMap(\.int) == text.ids)
    #expect(alone["choices", "0", "tokens"]?.int == text.ids.count)
    #expect(floats(alone["choices", "0", "logprobs"]) == text.logProbabilities.map(\.bitPattern))
    #expect(
      floats(alone["choices", "0", "tempered_logprobs"]) == text.temperedLogProbabilities.map(\.bitPattern))
  }

  @Test func whoAsksForNothingIsToldNothing() async throws {
    let service = try await picoService()
    for members in [Self.settings, Self.settings + #", "tina": {"sample_index": 1}"#] {
      #expect(try await service.chat(members).json()["tina"] == nil)
    }
    // A prompt of ids is no conversation that could be told.
    let reply = await service.ask(
      "POST", "/v1/completions", #"{"model": "pico", "prompt": "1", "tina": {"return": ["prompt"]}}"#)
    #expect(reply.status == 400)
    #expect(try reply.json()["error", "param"]?.string == "tina.return")
    let several = await service.ask(
      "POST", "/v1/completions", #"{"model": "pico", "prompt": ["1", "2"], "tina": {"prompt_index": 1}}"#)
    #expect(try several.json()["error", "param"]?.string == "tina.prompt_index")
  }

  @Test func theServerTellsWhatItsAnswersDependOn() async throws {
    let service = try await picoService()
    let told = try await service.ask("GET", "/v1/adapters").json()
    let model = service.engine.model
    #expect(told["tina"]?.string == tinaVersion && told["takes_adapters"]?.bool == false)
    #expect(told["activations"]?.string == model.activations.rawValue && told["cache_type"]?.string == "f16")
    #expect(try told["base", "digest"]?.string == model.directory.weightsDigest())
    #expect(told["adapters"]?.array?.count == 1 && told["adapters", "0", "name"]?.string == "math")
  }
}
