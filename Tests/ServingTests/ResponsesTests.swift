import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import Serving

@Suite struct ResponsesTests {
  func respond(_ service: Service, _ members: String, input: String = #""What is 12 + 3 * 4?""#) async
    -> Reply
  {
    let tail = members.isEmpty ? "" : ", " + members
    return await service.ask("POST", "/v1/responses", #"{"model": "math", "input": \#(input)\#(tail)}"#)
  }

  @Test func aResponseSaysWhatAChatSays() async throws {
    let service = try await picoService()
    let chat = try await service.chat(#""seed": 5"#).json()
    let response = try await respond(service, #""seed": 5, "store": false"#).json()
    #expect(response["object"]?.string == "response" && response["status"]?.string == "completed")
    let output = try #require(response["output"]?.array)
    #expect(output.map { $0["type"]?.string } == ["reasoning", "message"])
    let message = chat["choices", "0", "message"]
    #expect(output[0]["content", "0", "text"]?.string == message?["reasoning_content"]?.string)
    #expect(output[1]["content", "0", "text"]?.string == message?["content"]?.string)
    #expect(output[1]["role"]?.string == "assistant")
    #expect(response["usage", "output_tokens"] == chat["usage", "completion_tokens"])
    #expect(response["usage", "input_tokens"] == chat["usage", "prompt_tokens"])
  }

  @Test func aStreamTellsTheWholeResponse() async throws {
    let service = try await picoService()
    let whole = try await respond(service, #""seed": 5"#).json()
    let stream = await respond(service, #""seed": 5, "stream": true"#)
    var events: [JSONValue] = []
    for event in stream.text.components(separatedBy: "\n\n") where !event.isEmpty {
      let lines = event.components(separatedBy: "\n")
      try #require(lines.count == 2 && lines[1].hasPrefix("data: "))
      events.append(try JSON.parse(Array(lines[1].dropFirst(6).utf8), file: "event"))
      #expect(lines[0] == "event: " + (events.last?["type"]?.string ?? ""))
    }
    #expect(events.map { $0["sequence_number"]?.int } == Array(0..<events.count))
    let kinds = events.compactMap { $0["type"]?.string }
    #expect(Array(kinds.prefix(2)) == ["response.created", "response.in_progress"])
    #expect(kinds.last == "response.completed")
    let item = [
      "response.output_item.added", "response.content_part.added", "delta", "done",
      "response.content_part.done", "response.output_item.done",
    ]
    var folded: [String] = []
    for kind in kinds.dropFirst(2).dropLast() {
      let short = kind.hasSuffix(".delta") ? "delta" : kind.hasSuffix("_text.done") ? "done" : kind
      if folded.last != "delta" || short != "delta" { folded.append(short) }
    }
    #expect(folded == item + item)
    let deltas = events.filter { $0["type"]?.string == "response.output_text.delta" }
    #expect(
      deltas.compactMap { $0["delta"]?.string }.joined()
        == whole["output", "1", "content", "0", "text"]?.string)
    let last = events.last?["response"]
    #expect(last?["output"]?.array?.count == 2)
    #expect(last?["output", "1", "content"] == whole["output", "1", "content"])
  }

  @Test func aCutAnswerIsIncomplete() async throws {
    let service = try await picoService()
    let response = try await respond(service, #""max_output_tokens": 3"#).json()
    #expect(response["status"]?.string == "incomplete")
    #expect(response["incomplete_details", "reason"]?.string == "max_output_tokens")
    #expect(response["output", "0", "status"]?.string == "incomplete")
  }

  @Test func theOutputIsTakenBackAsInput() async throws {
    let service = try await picoService()
    let first = try await respond(service, #""seed": 5"#).json()
    let output = first["output"]?.array?.map { $0.text() }.joined(separator: ", ") ?? ""
    let input =
      #"[{"role": "developer", "content": "Add."}, {"role": "user", "content": [{"type": "input_text", "text": "1 + 1?"}]}, \#(output), {"role": "user", "content": "2 + 2?"}]"#
    let second = try await respond(
      service, #""instructions": "Be brief.", "max_output_tokens": 4"#, input: input
    )
    .json()
    #expect(second["error"] == .null && second["instructions"]?.string == "Be brief.")
  }

  @Test(arguments: [
    (#""previous_response_id": "resp_1""#, "previous_response_id"), (#""store": true"#, "store"),
    (#""tools": [{"type": "web_search"}]"#, "tools"), (#""background": true"#, "background"),
    (#""text": {"format": {"type": "json_schema"}}"#, "text.format"), (#""n": 2"#, "n"),
    (#""reasoning": {"effort": "high"}"#, "reasoning.effort"), (#""include": ["x"]"#, "include"),
    (#""max_output_tokens": 0"#, "max_output_tokens"), (#""truncation": "auto""#, "truncation"),
  ])
  func whatIsNotThereIsRefused(members: String, param: String) async throws {
    let reply = await respond(try await picoService(), members)
    #expect(reply.status == 400)
    #expect(try reply.json()["error", "param"]?.string == param)
  }

  @Test(arguments: [
    (#"[]"#, "input"), (#"5"#, "input"), (#"[{"type": "function_call"}]"#, "input[0].type"),
    (#"[{"role": "user", "content": [{"type": "input_image"}]}]"#, "input[0].content[0].type"),
    (#"[{"type": "reasoning", "summary": []}]"#, "input"),
  ])
  func itemsOtherThanTextAreRefused(input: String, param: String) async throws {
    let reply = await respond(try await picoService(), "", input: input)
    #expect(reply.status == 400)
    #expect(try reply.json()["error", "param"]?.string == param)
  }
}
