import Foundation
import ModelFiles
import Support
import TestSupport
import Testing
import TinaRuntime

@testable import Serving

/// A client's prediction, and what is told of guesses.
@Suite struct PredictionTests {
  /// A service that guesses wherever something is found.
  private func service(_ amount: Speculation.Amount) async throws -> Service {
    let engine = Engine(
      model: try Model(path: pico, threads: 2), memoryBudget: 64 << 20, speculation: Speculation(amount))
    let adapters = AdapterRegistry(engine: engine, baseName: "pico")
    try await adapters.load(name: "math", AdapterSource(path: picoAdapter))
    return try Service(engine: engine, adapters: adapters, settings: Service.Settings())
  }

  private func members(_ text: String, seed: Int = 5) -> String {
    #""seed": \#(seed), "prediction": {"type": "content", "content": \#(JSONValue.string(text).text())}"#
  }

  private func count(_ reply: JSONValue, _ name: String) -> Int {
    reply["usage", "completion_tokens_details", name]?.int ?? -1
  }

  @Test func aPredictionIsADraftAndNoMore() async throws {
    let plain = try await service(.off)
    let guessing = try await service(.tokens(8))
    let expected = try await plain.chat(#""seed": 5"#).json()
    let message = try #require(expected["choices", "0", "message"])
    let said =
      (message["reasoning_content"]?.string ?? "") + "\n</think>\n" + (message["content"]?.string ?? "")
    #expect(count(expected, "accepted_prediction_tokens") == 0)
    #expect(count(expected, "rejected_prediction_tokens") == 0)
    var accepted: [Int] = []
    for text in [said, "Something else entirely: " + String(said.reversed())] {
      let reply = try await guessing.chat(members(text)).json()
      #expect(reply["choices"] == expected["choices"])
      for member in ["prompt_tokens", "completion_tokens", "total_tokens"] {
        #expect(reply["usage", member] == expected["usage", member])
      }
      accepted.append(count(reply, "accepted_prediction_tokens"))
      #expect(count(reply, "rejected_prediction_tokens") >= 0)
    }
    let tokens = try #require(expected["usage", "completion_tokens"]?.int)
    #expect(accepted[0] > tokens / 2 && accepted[1] < accepted[0])
    // A list of parts, as OpenAI's clients may send it.
    let parts =
      #""seed": 5, "prediction": {"type": "content", "content": [{"type": "text", "text": "1"}, {"type": "text", "text": "2"}]}"#
    #expect(try await guessing.chat(parts).json()["choices"] == expected["choices"])
    let metrics = await guessing.ask("GET", "/metrics").text
    let drafted = guessing.engine.statistics.draftedTokens
    #expect(metrics.contains("\nvllm:spec_decode_num_draft_tokens_total \(drafted)\n") && drafted > 0)
    #expect(metrics.contains("\nvllm:spec_decode_num_accepted_tokens_total "))
    #expect(metrics.contains("\nvllm:spec_decode_num_drafts_total "))
    #expect(metrics.contains(#"vllm:spec_decode_num_accepted_tokens_per_pos_total{position="0"} "#))
  }

  /// A million tokens cost what their beginning costs.
  @Test func aLongPredictionIsBounded() async throws {
    let service = try await service(.tokens(4))
    let long = String(repeating: "7 + 12 ", count: 300_000)
    let reply = await service.chat(members(long))
    #expect(reply.status == 200)
    var fields = try RequestFields(
      body: Array(#"{"prediction": {"type": "content", "content": "\#(long)"}}"#.utf8))
    #expect(try Conversation.prediction(&fields)?.utf8.count == 1 << 18)
    let expected = try await self.service(.off).chat(#""seed": 5"#).json()
    #expect(try reply.json()["choices"] == expected["choices"])
  }

  @Test func whatIsNoPredictionIsRefusedByName() async throws {
    let service = try await service(.off)
    for (value, field) in [
      (#""text""#, "prediction"), (#"{"type": "speech", "content": "x"}"#, "prediction.type"),
      (#"{"type": "content"}"#, "prediction.content"), (#"{"content": "x"}"#, "prediction.type"),
      (#"{"type": "content", "content": 5}"#, "prediction.content"),
      (#"{"type": "content", "content": "x", "more": 1}"#, "prediction.more"),
    ] {
      let reply = await service.chat(#""prediction": \#(value)"#)
      #expect(reply.status == 400)
      #expect(try reply.json()["error", "param"]?.string == field, "\(value)")
    }
    #expect(await service.chat(#""prediction": null, "max_tokens": 1"#).status == 200)
  }
}
