import ModelFiles
import TestSupport
import Testing
import TinaRuntime

@testable import Serving

@Suite struct RequestTests {
  /// Members of a chat that are refused, and the field that the refusal names.
  static let refusals: [(String, String)] = [
    (#""temperature": "hot""#, "temperature"), (#""temperature": 2.1"#, "temperature"),
    (#""temperature": 0.0001"#, "temperature"), (#""temperature": 1e999"#, "temperature"),
    (#""top_p": 0"#, "top_p"), (#""top_p": 1.1"#, "top_p"), (#""top_k": 1.5"#, "top_k"),
    (#""min_p": -1"#, "min_p"), (#""repetition_penalty": 0"#, "repetition_penalty"),
    (#""presence_penalty": 3"#, "presence_penalty"), (#""frequency_penalty": -3"#, "frequency_penalty"),
    (#""n": 0"#, "n"), (#""n": 65"#, "n"), (#""n": true"#, "n"), (#""seed": 1.5"#, "seed"),
    (#""seed": 18446744073709551616"#, "seed"), (#""max_tokens": 0"#, "max_tokens"),
    (#""max_tokens": 5, "max_completion_tokens": 6"#, "max_tokens"),
    (#""stop": 5"#, "stop"), (#""stop": [""]"#, "stop"), (#""stop": ["a", 5]"#, "stop"),
    (#""stream": 1"#, "stream"), (#""stream_options": {"include_usage": true}"#, "stream_options"),
    (#""stream": true, "stream_options": {"x": 1}"#, "stream_options.x"),
    (#""logprobs": 1"#, "logprobs"), (#""top_logprobs": 2"#, "top_logprobs"),
    (#""logprobs": true, "top_logprobs": 21"#, "top_logprobs"),
    (#""logit_bias": {"5": 100}"#, "logit_bias"), (#""tools": [{}]"#, "tools"),
    (#""tool_choice": "required""#, "tool_choice"),
    (#""response_format": {"type": "json_object"}"#, "response_format"),
    (#""reasoning_effort": "high""#, "reasoning_effort"), (#""store": true"#, "store"),
    (#""temprature": 0.5"#, "temprature"), (#""best_of": 3"#, "best_of"),
    (#""tina": 5"#, "tina"), (#""tina": {"x": 1}"#, "tina.x"),
    (#""tina": {"prompt_index": -1}"#, "tina.prompt_index"),
    (#""tina": {"sample_index": 4294967295}"#, "tina.sample_index"),
    (#""tina": {"return": ["all"]}"#, "tina.return"),
    (#""stream": true, "tina": {"return": ["text"]}"#, "tina.return"),
  ]

  @Test(arguments: refusals)
  func unsupportedFieldsAreRefusedByName(members: String, param: String) async throws {
    let service = try await picoService()
    let reply = await service.chat(members)
    #expect(reply.status == 400)
    #expect(try reply.json()["error", "param"]?.string == param)
    #expect(try reply.json()["error", "type"]?.string == "invalid_request_error")
  }

  static let messages: [(String, String)] = [
    ("5", "messages"), ("[]", "messages"), ("[5]", "messages[0]"),
    (#"[{"role": "user"}]"#, "messages[0].content"),
    (#"[{"role": "tool", "content": "x"}]"#, "messages[0].role"),
    (#"[{"role": "king", "content": "x"}]"#, "messages[0].role"),
    (#"[{"role": "user", "content": []}]"#, "messages[0].content"),
    (
      #"[{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]"#,
      "messages[0].content[0].type"
    ),
    (#"[{"role": "user", "content": "x", "reasoning_content": "y"}]"#, "messages[0].reasoning_content"),
    (#"[{"role": "assistant", "content": "x", "prefix": true}]"#, "messages[0].prefix"),
    (#"[{"role": "assistant", "content": "x", "tool_calls": [{}]}]"#, "messages[0].tool_calls"),
    (#"[{"role": "assistant", "content": "x", "audio": {"id": "y"}}]"#, "messages[0].audio"),
  ]

  @Test(arguments: messages)
  func messagesAreRefusedByPlace(messages: String, param: String) async throws {
    let service = try await picoService()
    let reply = await service.ask(
      "POST", "/v1/chat/completions", #"{"model": "pico", "messages": \#(messages)}"#)
    #expect(reply.status == 400)
    #expect(try reply.json()["error", "param"]?.string == param)
  }

  @Test func impossibleRequestsAreRefusedAtOnce() async throws {
    let service = try await picoService()
    let long = String(repeating: "1 ", count: 3000)
    let chat = await service.chat("", content: long)
    #expect(chat.status == 400)
    #expect(try chat.json()["error", "code"]?.string == "context_length_exceeded")
    #expect(try chat.json()["error", "param"]?.string == "messages")
    for prompt in [#""\#(long)""#, "[1, 512]", "[-1]"] {
      let reply = await service.ask("POST", "/v1/completions", #"{"model": "pico", "prompt": \#(prompt)}"#)
      #expect(reply.status == 400)
      #expect(try reply.json()["error", "param"]?.string == "prompt")
    }
    #expect(service.admission.load == Admission.Load() && service.engine.statistics.steps == 0)
  }

  @Test func fieldsThatChangeNothingAreAccepted() async throws {
    let service = try await picoService()
    let plain = try await service.chat(#""seed": 2"#).json()
    let dressed = try await service.chat(
      #"""
      "seed": 2, "user": "me", "metadata": {"a": 1}, "logit_bias": {}, "tools": [], "tool_choice": "none",
      "response_format": {"type": "text"}, "store": false, "audio": null, "temperature": null, "n": 1,
      "stop": null, "top_k": -1, "presence_penalty": 0, "modalities": ["text"]
      """#
    ).json()
    #expect(plain["choices", "0", "message"] == dressed["choices", "0", "message"])
    let parts = try await service.ask(
      "POST", "/v1/chat/completions",
      #"{"model": "math", "seed": 2, "messages": [{"role": "user", "content": [{"type": "text", "text": "What is "}, {"type": "text", "text": "12 + 3 * 4?"}]}]}"#
    ).json()
    #expect(plain["choices", "0", "message"] == parts["choices", "0", "message"])
  }

  @Test(arguments: [
    "", "{", "[]", "null", "\u{FEFF}{}", #"{"model": "pico", "model": "math"}"#, "{\"model\": \"\u{1}\"}",
    #"{"model": "\ud800"}"#, String(repeating: "[", count: 100_000), #"{"a": 1} {"b": 2}"#,
  ])
  func bodiesThatAreNoObjectAreRefused(body: String) async throws {
    let service = try await picoService()
    for path in ["/v1/chat/completions", "/v1/completions", "/tokenize", "/detokenize"] {
      let reply = await service.ask("POST", path, body)
      #expect(reply.status == 400)
      #expect(try reply.json()["error", "message"]?.string?.isEmpty == false)
    }
  }

  /// Requests with bytes changed, cut out, doubled and swapped: each is refused or understood, none crashes.
  @Test func mutatedRequestsAreRefusedOrUnderstood() throws {
    let seeds = [
      #"{"model":"pico:math@0.5","messages":[{"role":"system","content":"é😀"},{"role":"user","content":[{"type":"text","text":"x"}]}],"temperature":0.7,"top_p":0.9,"n":2,"seed":18446744073709551615,"stop":["a","b"],"stream":true,"stream_options":{"include_usage":true},"logprobs":true,"top_logprobs":5,"max_tokens":9223372036854775807}"#,
      #"{"model":"pico","prompt":[[1,2,3],"x"],"max_tokens":5,"logprobs":3,"top_k":-1,"min_p":0.1,"best_of":1,"echo":false}"#,
    ].map { Array($0.utf8) }
    let pieces = [
      "null", "-1", "1e400", "9223372036854775808", "[[[[", "\"", "\\u0000", "{}", "NaN", "\u{0}", "é",
    ].map {
      Array($0.utf8)
    }
    var random = SeededGenerator(1)
    var understood = 0
    for round in 0..<20_000 {
      var body = seeds[round % seeds.count]
      for _ in 0...random.below(3) where !body.isEmpty {
        let place = random.below(body.count)
        switch random.below(5) {
        case 0: body[place] = UInt8(random.below(256))
        case 1: body.removeSubrange(place..<min(place + random.below(12), body.count))
        case 2: body.insert(contentsOf: pieces[random.below(pieces.count)], at: place)
        case 3:
          body.replaceSubrange(
            place..<min(place + random.below(8), body.count), with: pieces[random.below(pieces.count)])
        default: body.swapAt(place, random.below(body.count))
        }
      }
      do throws(ServingError) {
        var fields = try RequestFields(body: body)
        if round % 2 == 0 {
          _ = try ChatRequest(&fields, RequestLimits())
        } else {
          _ = try TextRequest(&fields, RequestLimits())
        }
        understood += 1
      } catch {
        #expect((400..<500).contains(error.status))
      }
    }
    // Some changes are harmless, most are not: both outcomes occur.
    #expect(understood > 100 && understood < 10_000)
  }
}
