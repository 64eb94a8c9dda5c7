import Foundation
import TestSupport
import Testing

@testable import Tokenization

@Suite struct ChatTemplateTests {
  static let conversation = [
    ChatMessage(role: .system, content: "Be brief."), ChatMessage(role: .user, content: "1+1?"),
    ChatMessage(role: .assistant, content: "<think>\neasy\n</think>\n\n2"),
    ChatMessage(role: .user, content: "2+2?"),
  ]

  @Test func deepSeekTemplates() throws {
    let plain = try ChatTemplate.deepSeekR1Plain.render(Self.conversation, bosToken: "<B>")
    #expect(
      plain == "<B>Be brief.<｜User｜>1+1?<｜Assistant｜><think>\neasy\n</think>\n\n2<｜end▁of▁sentence｜>"
        + "<｜User｜>2+2?<｜Assistant｜>")
    let think = try ChatTemplate.deepSeekR1Think.render(Self.conversation, bosToken: "<B>")
    #expect(
      think == "<B>Be brief.<｜User｜>1+1?<｜Assistant｜>\n\n2<｜end▁of▁sentence｜><｜User｜>2+2?"
        + "<｜Assistant｜><think>\n")
    #expect(ChatTemplate.deepSeekR1Think.opensThinking && !ChatTemplate.deepSeekR1Plain.opensThinking)
  }

  @Test func chatML() throws {
    let own = try ChatTemplate.chatML(defaultSystem: "Default.").render(Self.conversation, bosToken: "")
    #expect(
      own == "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n1+1?<|im_end|>\n"
        + "<|im_start|>assistant\n<think>\neasy\n</think>\n\n2<|im_end|>\n<|im_start|>user\n2+2?<|im_end|>\n"
        + "<|im_start|>assistant\n")
    let standard = try ChatTemplate.chatML(defaultSystem: "Default.").render(
      [ChatMessage(role: .user, content: "hi")], bosToken: "", addGenerationPrompt: false)
    #expect(standard == "<|im_start|>system\nDefault.<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n")
  }

  @Test func realTemplatesAreRecognised() throws {
    if let folder = shared("tokenizer-r1-distill-qwen-1.5b/saved-finetune") {
      #expect(try ChatTemplate(directory: folder) == .deepSeekR1Think)
    }
    if let folder = shared("tokenizer-qwen2.5") {
      let template = try ChatTemplate(directory: folder)
      guard case .chatML(let system) = template else {
        Issue.record("found \(template)")
        return
      }
      #expect(system?.hasPrefix("You are") ?? false, "\(system ?? "none")")
    }
    if let file = shared("tokenizer-r1-distill-qwen-1.5b/templates/tina_chat_template.py") {
      let source = try String(contentsOfFile: file, encoding: .utf8)
      // The file holds two templates.
      let second = try #require(source.range(of: "REASON_CHAT_TEMPLATE"))
      #expect(ChatTemplate(recognising: String(source[second.lowerBound...])) == .deepSeekR1Plain)
      #expect(ChatTemplate(recognising: String(source[..<second.lowerBound])) == .zephyr)
      #expect(ChatTemplate(recognising: source) == nil)
    }
  }

  @Test(arguments: [
    "", "{{ messages }}", "{% for m in messages %}[INST] {{ m.content }} [/INST]{% endfor %}",
    "<｜User｜> <｜Assistant｜></think> <｜end▁of▁sentence｜> {{'<｜Assistant｜>'}}",
    "<|im_start|>assistant\\n' {% if enable_thinking %} <|im_end|>",
  ])
  func othersAreRefusedWithAWayOut(source: String) throws {
    #expect(ChatTemplate(recognising: source) == nil)
    let folder = TemporaryFolder()
    folder.write("tokenizer_config.json", try JSONEncoder().encode(["chat_template": source]))
    do {
      _ = try ChatTemplate(directory: folder.path)
      Issue.record("accepted")
    } catch { #expect(error.description.contains("--raw")) }
  }
}
