import ModelFiles
import TestSupport
import Testing

@testable import Serving

/// What clients send without asking for anything is taken; what asks for something that Tina lacks is refused by name.
@Suite struct ClientFieldTests {
  static let chatFields = [
    #""best_of": 1"#, #""echo": false"#, #""ignore_eos": false"#, #""chat_template_kwargs": {}"#, #""n": 1"#,
    #""chat_template_kwargs": {"enable_thinking": true}"#,
    #""chat_template_kwargs": {"enable_thinking": null}"#,
    #""logit_bias": {}"#, #""user": "u""#, #""metadata": {"a": "b"}"#, #""store": false"#,
    #""service_tier": "auto""#, #""parallel_tool_calls": true"#, #""tools": []"#, #""tool_choice": "none""#,
    #""response_format": {"type": "text"}"#, #""stream_options": {"include_usage": false}"#,
    #""stream_options": {}"#, #""stream_options": {"continuous_usage_stats": false}"#, #""top_k": 0"#,
    #""min_tokens": 0"#, #""skip_special_tokens": true"#, #""use_beam_search": false"#,
    #""stop_token_ids": []"#,
    #""mirostat": 0, "mirostat_tau": 5, "mirostat_eta": 0.1"#, #""repeat_penalty": 1.0, "repeat_last_n": 64"#,
    #""typical_p": 1, "tfs_z": 1"#, #""dry_multiplier": 0, "dry_base": 1.75"#, #""cache_prompt": true"#,
    #""n_predict": -1"#, #""id_slot": -1"#, #""grammar": """#, #""reasoning_format": "auto""#,
    #""include_reasoning": true"#, #""reasoning_effort": "medium""#, #""verbosity": "medium""#,
    #""add_generation_prompt": true"#, #""continue_final_message": false"#, #""documents": []"#,
    #""guided_json": null"#, #""prompt_cache_key": "x""#, #""safety_identifier": "x""#, #""nonsense": null"#,
    #""stop": []"#, #""modalities": ["text"]"#, #""functions": []"#, #""return_token_ids": false"#,
  ]

  @Test(arguments: chatFields)
  func whatAsksForNothingIsTaken(field: String) throws {
    let body = #"{"model": "pico", "messages": [{"role": "user", "content": "x"}], \#(field)}"#
    var fields = try RequestFields(body: Array(body.utf8))
    _ = try ChatRequest(&fields, RequestLimits())
  }

  @Test(arguments: [
    (#""echo": true"#, "echo"), (#""ignore_eos": true"#, "ignore_eos"),
    (#""chat_template_kwargs": {"thinking": false}"#, "chat_template_kwargs.thinking"),
    (#""chat_template_kwargs": {"enable_thinking": "no"}"#, "chat_template_kwargs.enable_thinking"),
    (#""chat_template_kwargs": {"date_string": 5}"#, "chat_template_kwargs.date_string"),
    (#""chat_template_kwargs": []"#, "chat_template_kwargs"),
    (
      #""stream": true, "stream_options": {"continuous_usage_stats": true}"#,
      "stream_options.continuous_usage_stats"
    ),
    (#""min_tokens": 5"#, "min_tokens"), (#""mirostat": 2"#, "mirostat"),
    (#""repeat_penalty": 1.1"#, "repeat_penalty"), (#""grammar": "root ::= x""#, "grammar"),
    (#""guided_json": {"type": "object"}"#, "guided_json"), (#""service_tier": "flex""#, "service_tier"),
    (#""cache_salt": "x""#, "cache_salt"), (#""add_generation_prompt": false"#, "add_generation_prompt"),
    (#""response_format": {"type": "json_schema", "json_schema": {}}"#, "response_format"),
    (#""prompt_logprobs": 0"#, "prompt_logprobs"), (#""skip_special_tokens": false"#, "skip_special_tokens"),
  ])
  func whatAsksForSomethingElseIsRefused(field: String, param: String) {
    let body = #"{"model": "pico", "messages": [{"role": "user", "content": "x"}], \#(field)}"#
    let error = #expect(throws: ServingError.self) {
      var fields = try RequestFields(body: Array(body.utf8))
      _ = try ChatRequest(&fields, RequestLimits())
    }
    #expect(error?.param == param)
  }

  @Test(arguments: [
    #""echo": false"#, #""best_of": 1"#, #""suffix": """#, #""logprobs": false"#,
    #""add_special_tokens": true"#,
    #""ignore_eos": false"#, #""user": "x""#, #""stream_options": null"#, #""logit_bias": {}"#,
  ])
  func completionsTakeItToo(field: String) throws {
    var fields = try RequestFields(body: Array(#"{"model": "pico", "prompt": "x", \#(field)}"#.utf8))
    _ = try TextRequest(&fields, RequestLimits())
  }

  /// Members of an assistant's message as clients keep it, and of any message.
  @Test(arguments: [
    #""reasoning_content": "thought", "refusal": null, "annotations": null, "audio": null, "function_call": null, "tool_calls": null"#,
    #""reasoning_content": "", "annotations": [], "tool_calls": []"#, #""reasoning": "thought""#,
    #""name": "Tina""#, #""id": "msg_1", "type": "message", "status": "completed""#,
    #""cache_control": {"type": "ephemeral"}"#, #""provider_specific_fields": {"x": 1}"#,
    #""reasoning_details": [{"type": "reasoning.text", "text": "x"}]"#, #""parsed": null, "images": []"#,
  ])
  func anOwnAnswerIsTakenBack(members: String) async throws {
    let service = try await picoService()
    func body(_ members: String) -> String {
      #"{"model": "pico", "messages": [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"\#(members)}, {"role": "user", "content": "2+2?"}]}"#
    }
    let plain = try await service.ask("POST", "/tokenize", body("")).json()
    let dressed = await service.ask("POST", "/tokenize", body(", " + members))
    #expect(dressed.status == 200)
    // The thinking of an earlier answer is no part of the prompt.
    #expect(try dressed.json() == plain)
  }

  @Test func partsOfMessagesMayHaveLabels() async throws {
    let service = try await picoService()
    let reply = await service.ask(
      "POST", "/tokenize",
      #"{"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]}, {"role": "assistant", "content": null, "reasoning_content": "cut off"}]}"#
    )
    #expect(reply.status == 200)
  }

  @Test func anEmptyPromptIsRefused() async throws {
    let service = try await picoService()
    for prompt in [#""""#, #"["x", ""]"#] {
      let reply = await service.ask("POST", "/v1/completions", #"{"model": "pico", "prompt": \#(prompt)}"#)
      #expect(reply.status == 400)
      #expect(try reply.json()["error", "param"]?.string == "prompt")
      #expect(try reply.json()["error", "message"]?.string?.contains("the prompt is empty") == true)
    }
    // The template gives tokens.
    #expect(await service.chat(#""max_tokens": 1"#, content: "").status == 200)
  }

  @Test func preflightsAllowTheHeadersAskedFor() async throws {
    let service = try await picoService { $0.gate.allowedOrigins = ["http://localhost:5174"] }
    let asked = "authorization,content-type, x-stainless-arch , X-Stainless-Lang,bad name,\u{e9}"
    func ask(_ origin: String) async -> Reply {
      await service.ask(
        "OPTIONS", "/v1/chat/completions",
        headers: [
          (name: "Host", value: "localhost"), (name: "Origin", value: origin),
          (name: "Access-Control-Request-Method", value: "POST"),
          (name: "Access-Control-Request-Headers", value: asked),
        ])
    }
    let allowed = await ask("http://localhost:5174")
    #expect(allowed.status == 204)
    #expect(
      allowed.header("Access-Control-Allow-Headers")
        == "Authorization, Content-Type, x-stainless-arch, X-Stainless-Lang")
    let foreign = await ask("http://evil.example")
    #expect(foreign.status == 403 && foreign.header("Access-Control-Allow-Origin") == nil)
  }
}
