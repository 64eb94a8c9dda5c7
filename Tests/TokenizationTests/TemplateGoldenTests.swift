import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import Tokenization

/// Against the models' own templates, rendered as transformers does (tools/golden/chat_templates.py).
@Suite struct TemplateGoldenTests {
  static let templates: [(name: String, template: ChatTemplate)] = [
    ("gemma2", .gemma(foldsSystem: false)), ("gemma3", .gemma(foldsSystem: true)), ("llama2", .llama2),
    ("llama3", .llama3(isDated: false)), ("llama3.1", .llama3(isDated: true)),
    ("llama3.2", .llama3(isDated: true)),
    (
      "qwen2.5",
      .chatML(defaultSystem: "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.")
    ),
    ("qwen3", .qwen3),
    (
      "smollm2",
      .chatML(defaultSystem: "You are a helpful AI assistant named SmolLM, trained by Hugging Face")
    ),
    ("smollm3", .smolLM3(SmolLM3Header(isDated: true, isClosed: true, isReplaceable: true))),
    ("smollm3-open", .smolLM3(SmolLM3Header(isDated: true, isClosed: false, isReplaceable: true))),
    ("smollm3-undated", .smolLM3(SmolLM3Header(isDated: false, isClosed: true, isReplaceable: false))),
    ("zephyr", .zephyr),
  ]

  @Test(arguments: templates.indices) func conversationsAreWrittenAsByTheReference(index: Int) throws {
    let (name, template) = Self.templates[index]
    let golden = try #require(try JSON.parse(path: fixture("templates.json")).object)
    let long = golden["long"]?.string ?? ""
    let talks = (golden["talks"]?.array ?? []).map { talk in
      (talk.array ?? []).map { message in
        ChatMessage(
          role: message.object?["role"]?.string.flatMap { ChatMessage.Role(rawValue: $0) } ?? .user,
          content: message.object?["content"]?.string ?? "")
      }
    }
    let cases = golden["templates"]?.object?[name]?.array?.compactMap(\.object) ?? []
    #expect(cases.count >= 28)
    for item in cases {
      let talk = talks[item["talk"]?.int ?? 0]
      let found = try? template.render(
        talk, bosToken: "<B>", eosToken: "<E>", options: ChatOptions(thinking: item["thinking"]?.bool),
        addGenerationPrompt: item["generation"]?.bool ?? false)
      let expected = item["text"]?.string?.replacingOccurrences(of: "LONG", with: long)
      #expect(
        found.map { Array($0.utf8) } == expected.map { Array($0.utf8) },
        "\(talk): \(quoted(found ?? "refused"))")
    }
  }

  /// A folder with the models' own templates (see tools/golden/chat_templates.py), where there is one.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["TINA_TEMPLATES"] != nil))
  func theModelsOwnTemplatesAreRecognised() throws {
    let folder = ProcessInfo.processInfo.environment["TINA_TEMPLATES"] ?? ""
    for (name, template) in Self.templates {
      let source = try String(contentsOfFile: "\(folder)/\(name).jinja", encoding: .utf8)
      #expect(ChatTemplate(recognising: source) == template, "\(name)")
    }
  }
}

/// What tells one family's template from another's.
@Suite struct TemplateRecognitionTests {
  private static let turn = "message['role'] + '\\n' + message['content']"
  private static let qwen3 = """
    {%- set ns = namespace(last_query_index=0) %}{{- '<|im_start|>' + \(turn) + '<|im_end|>\\n' }}
    {%- set content = message.content.split('</think>')[-1].lstrip('\\n') %}
    {{- message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') }}{{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}
    """
  private static let smolLM3 = """
    {{- "<|im_start|>system\\n" -}}{%- if "/system_override" in system_message -%}{{- "<|im_end|>\\n" -}}{%- endif -%}
    {{- "## Metadata\\n\\n" -}}{{- "Knowledge Cutoff Date: June 2025\\n" -}}{{- "Today Date: " ~ today ~ "\\n" -}}
    {{- "Reasoning Mode: " + reasoning_mode + "\\n\\n" -}}{{- "## Custom Instructions\\n\\n" -}}
    {{- "You are a helpful AI assistant named SmolLM, conclusion.\\n\\n" -}}{%- if tools -%}{{- "\\n\\n" -}}
    {%- endif -%}
    {{- "<|im_end|>\\n" -}}
    {{ "<|im_start|>assistant\\n" + "<think>\\n\\n</think>\\n" + content.lstrip("\\n") + "<|im_end|>\\n" }}
    """
  private static let llama3 = """
    {{- bos_token }}{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
    {{- "Cutting Knowledge Date: December 2023\\n" }}{{- "Today Date: " + date_string + "\\n\\n" }}
    {{- message['content'] | trim + '<|eot_id|>' }}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
    """
  private static let llama2 = """
    {% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}
    {{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{{ ' '  + content.strip() + ' ' + eos_token }}
    """
  private static let gemma = """
    {{ bos_token }}{%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}
    {{ '<start_of_turn>' + role + '\n' + first_user_prefix }}{{ message['content'] | trim }}{{ '<end_of_turn>\n' }}
    {{'<start_of_turn>model\n'}}
    """
  private static let zephyr = """
    {{ '<|user|>\n' + message['content'] + eos_token }}
    {{ '<|system|>\n' + message['content'] + eos_token }}{{ '<|assistant|>\n'  + message['content'] + eos_token }}
    {% if loop.last and add_generation_prompt %}
    {{ '<|assistant|>' }}
    {% endif %}
    """

  @Test func eachIsItsOwn() {
    #expect(ChatTemplate(recognising: Self.qwen3) == .qwen3)
    #expect(
      ChatTemplate(recognising: Self.smolLM3)
        == .smolLM3(SmolLM3Header(isDated: true, isClosed: true, isReplaceable: true)))
    #expect(ChatTemplate(recognising: Self.llama3) == .llama3(isDated: true))
    #expect(ChatTemplate(recognising: Self.llama2) == .llama2)
    #expect(ChatTemplate(recognising: Self.gemma) == .gemma(foldsSystem: true))
    #expect(ChatTemplate(recognising: Self.zephyr) == .zephyr)
    // A newline may be spelled or stand in the text.
    #expect(ChatTemplate(recognising: Self.qwen3.replacingOccurrences(of: "\\n", with: "\n")) == .qwen3)
  }

  @Test(arguments: [
    // The thinking is opened in the prompt, or there is no switch.
    (qwen3, "assistant\\n' }}", "assistant\\n<think>\\n' }}"), (qwen3, "is false", "is true"),
    (smolLM3, "content.lstrip", "content.strip"), (smolLM3, "June 2025", "July 2025"),
    (llama3, "December 2023", "January 2025"), (llama3, "| trim", ""), (llama2, "<<SYS>>", "<<S>>"),
    (llama2, "content.strip() + ' [/INST]'", "content + ' [/INST]'"), (gemma, "| trim", ""),
    (gemma, "first_user_prefix", "prefix"), (zephyr, "+ eos_token", ""), (zephyr, "loop.last and ", ""),
    // Two models' marks.
    (zephyr, "loop.last", "<start_of_turn><end_of_turn> loop.last"),
  ])
  func relativesAreRefused(source: String, old: String, new: String) {
    let changed = source.replacingOccurrences(of: old, with: new)
    #expect(changed != source)
    #expect(ChatTemplate(recognising: changed) == nil)
  }

  @Test func optionsThatATemplateLacksAreRefused() throws {
    let talk = [ChatMessage(role: .user, content: "a")]
    for (template, options, name) in [
      (ChatTemplate.gemma(foldsSystem: true), ChatOptions(thinking: false), "enable_thinking"),
      (.chatML(defaultSystem: nil), ChatOptions(thinking: true), "enable_thinking"),
      (.deepSeekR1Think, ChatOptions(thinking: false), "enable_thinking"),
      (.qwen3, ChatOptions(date: "1 May 2026"), "date_string"),
      (.llama3(isDated: true), ChatOptions(date: "1\n<|eot_id|>"), "date_string"),
      (.llama3(isDated: true), ChatOptions(date: ""), "date_string"),
    ] {
      do {
        _ = try template.render(talk, bosToken: "", options: options)
        Issue.record("\(template) took \(options)")
      } catch { #expect("\(error)".contains(name)) }
    }
    #expect(throws: Never.self) {
      try ChatTemplate.deepSeekR1Think.render(talk, bosToken: "", options: ChatOptions(thinking: true))
    }
    let dated = try ChatTemplate.llama3(isDated: true).render(
      talk, bosToken: "", options: ChatOptions(date: "1 May 2026"))
    #expect(dated.contains("Today Date: 1 May 2026\n\n"))
  }

  /// Where marks are text and no tokens, a message that spells one is refused.
  @Test func marksThatAreTextAreRefusedInMessages() {
    for (template, mark) in [
      (ChatTemplate.llama2, "[/INST]"), (.llama2, "<<SYS>>"), (.zephyr, "<|assistant|>"),
    ] {
      for role in [ChatMessage.Role.system, .user] {
        let talk = [ChatMessage(role: role, content: "x\(mark)y"), ChatMessage(role: .user, content: "z")]
        #expect(throws: TokenizationError.self) {
          try template.render(talk, bosToken: "<s>", eosToken: "</s>")
        }
      }
    }
    #expect(throws: TokenizationError.self) {
      try ChatTemplate.zephyr.render([ChatMessage(role: .user, content: "no end")], bosToken: "<s>")
    }
  }
}
