import Foundation
import ModelFiles
import TestSupport
import Testing
import TinaRuntime
import Tokenization

@testable import Serving

/// `chat_template_kwargs`, from the request to the prompt.
@Suite struct TemplateOptionTests {
  /// What tells Qwen3's template from others, with Pico's model behind it.
  private static let qwen3 = """
    {%- set ns = namespace(last_query_index=0) %}{{- '<|im_start|>' + message['role'] + '<|im_end|>\\n' }}
    {%- set content = message.content.split('</think>')[-1].lstrip('\\n') %}
    {{- message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') }}{{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}
    """

  private func qwen3Service(_ folder: TemporaryFolder) throws -> Service {
    let model = folder.makeFolder("model")
    for name in try FileManager.default.contentsOfDirectory(atPath: pico)
    where name.hasSuffix(".json") || name.hasSuffix(".safetensors") {
      try FileManager.default.copyItem(atPath: "\(pico)/\(name)", toPath: "\(model)/\(name)")
    }
    try Self.qwen3.write(toFile: model + "/chat_template.jinja", atomically: true, encoding: .utf8)
    let engine = Engine(model: try Model(path: model, threads: 2), memoryBudget: 64 << 20)
    return try Service(engine: engine, adapters: AdapterRegistry(engine: engine, baseName: "pico"))
  }

  private func post(_ service: Service, _ path: String, _ options: String) async -> Reply {
    await service.ask(
      "POST", path, #"{"model": "pico", "messages": [{"role": "user", "content": "1+1?"}]\#(options)}"#)
  }

  @Test func theSwitchReachesThePrompt() async throws {
    let folder = TemporaryFolder()
    let service = try qwen3Service(folder)
    var texts: [String: String] = [:]
    for value in ["true", "false", "null"] {
      let reply = await post(
        service, "/tokenize", #", "chat_template_kwargs": {"enable_thinking": \#(value)}"#)
      #expect(reply.status == 200)
      let ids = try reply.json()["tokens"]?.array?.compactMap(\.int) ?? []
      texts[value] = service.tokenizer.decode(ids)
    }
    let plain = "<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n"
    #expect(texts["true"] == plain && texts["null"] == plain)
    #expect(texts["false"] == plain + "<think>\n\n</think>\n\n")
    let options = #", "max_tokens": 4, "chat_template_kwargs": {"enable_thinking": false}"#
    #expect(await post(service, "/v1/chat/completions", options).status == 200)
    #expect(
      await post(service, "/v1/chat/completions", #", "chat_template_kwargs": {}, "max_tokens": 2"#).status
        == 200)
  }

  @Test(arguments: [
    (#"{"enable_thinking": false}"#, "chat_template_kwargs.enable_thinking"),
    (#"{"date_string": "1 May 2026"}"#, "chat_template_kwargs.date_string"),
    (#"{"documents": []}"#, "chat_template_kwargs.documents"),
  ])
  func whatTheTemplateLacksIsRefusedByName(value: String, param: String) async throws {
    let service = try await picoService()
    for path in ["/v1/chat/completions", "/tokenize"] {
      let reply = await post(service, path, #", "chat_template_kwargs": \#(value)"#)
      #expect(reply.status == 400)
      #expect(try reply.json()["error", "param"]?.string == param, "\(reply.text)")
    }
  }
}
