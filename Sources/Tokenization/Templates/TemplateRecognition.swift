import Support

/// Knows a template's Jinja source by marks that its relatives lack. A template without such marks, or with marks of
/// two models, is none.
extension ChatTemplate {
  /// Recognises a template's Jinja source; nil if it is not a known one.
  init?(recognising source: String) {
    let source = TemplateSource(source)
    let found = [
      Self.deepSeek(source), Self.chatML(source), Self.llama3(source), Self.llama2(source),
      Self.gemma(source), Self.zephyr(source),
    ].compactMap(\.self)
    guard found.count == 1, case .known(let template) = found[0] else { return nil }
    self = template
  }

  /// What a source with a family's marks is.
  private enum Relative {
    case known(ChatTemplate)
    case unknown
  }

  // Each gives nil for a source without its family's marks.

  private static func deepSeek(_ source: TemplateSource) -> Relative? {
    guard source.has("<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>") else { return nil }
    // Later DeepSeek models switch thinking on and off, close it in the prompt, or put text between turns.
    if source.hasAny("<｜Assistant｜></think>", "thinking", "<｜User｜>\n") { return .unknown }
    let opens = source.has("'<｜Assistant｜><think>\n'")
    let strips = source.has("split('</think>')[-1]")
    switch (opens, strips) {
    case (true, true): return .known(.deepSeekR1Think)
    case (false, false) where source.has("'<｜Assistant｜>'}}"): return .known(.deepSeekR1Plain)
    default: return .unknown
    }
  }

  private static func chatML(_ source: TemplateSource) -> Relative? {
    guard source.has("<|im_start|>", "<|im_end|>") else { return nil }
    if source.has("## Metadata", "Reasoning Mode: ", "You are a helpful AI assistant named SmolLM") {
      return smolLM3(source)
    }
    if source.has("last_query_index", "enable_thinking is false", "'<think>\n\n</think>\n\n'") {
      // Others open the thinking in the prompt, or have no switch.
      let isOwn =
        source.has("split('</think>')[-1]", "'\n<think>\n' + ")
        && !source.hasAny("assistant\n<think>\n'", "bos_token")
      return isOwn ? .known(.qwen3) : .unknown
    }
    guard source.has("<|im_start|>assistant\n'"),
      !source.hasAny("<think>", "enable_thinking", "reasoning", "bos_token", "trim")
    else { return .unknown }
    return .known(.chatML(defaultSystem: source.defaultSystem))
  }

  private static func smolLM3(_ source: TemplateSource) -> Relative {
    guard
      source.has(
        "\"<think>\n\n</think>\n\"", "content.lstrip(\"\n\")", "Knowledge Cutoff Date: June 2025\n",
        "## Custom Instructions\n\n", "conclusion.\n\n")
    else { return .unknown }
    // Where the header ends in every case, nothing but the end of the block of tools comes before it.
    let end = source.text.lastRange(ofBytes: "<|im_end|>\n\" -}}")
    let before = end.map { source.text[..<$0.lowerBound].strippedTail }
    let isClosed = before.map { $0.ends(with: "{%-endif-%}{{-\"") } ?? false
    let header = SmolLM3Header(
      isDated: source.has("Today Date: "), isClosed: isClosed, isReplaceable: source.has("/system_override"))
    return .known(.smolLM3(header))
  }

  private static func llama3(_ source: TemplateSource) -> Relative? {
    guard source.has("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>") else { return nil }
    if source.hasAny("<think>", "enable_thinking", "reasoning") { return .unknown }
    guard source.hasAny("<|start_header_id|>assistant<|end_header_id|>\n\n") else { return .unknown }
    let isDated = source.has("Cutting Knowledge Date: December 2023\n", "Today Date: \" + date_string")
    if isDated,
      source.has("bos_token", "<|start_header_id|>system<|end_header_id|>\n\n", "| trim + '<|eot_id|>'")
    {
      return .known(.llama3(isDated: true))
    }
    let isPlain =
      source.has("| trim + '<|eot_id|>'", "bos_token") && !source.hasAny("Date", "system", "tools")
    return isPlain ? .known(.llama3(isDated: false)) : .unknown
  }

  private static func llama2(_ source: TemplateSource) -> Relative? {
    guard source.has("[INST]", "[/INST]") else { return nil }
    let isOwn = source.has(
      "'<<SYS>>\n' + system_message + '\n<</SYS>>\n\n' + ", "'[INST] ' + content.strip() + ' [/INST]'",
      "content.strip() + ' ' + eos_token", "bos_token")
    return isOwn && !source.hasAny("[AVAILABLE_TOOLS]", "<think>") ? .known(.llama2) : .unknown
  }

  private static func gemma(_ source: TemplateSource) -> Relative? {
    guard source.has("<start_of_turn>", "<end_of_turn>") else { return nil }
    guard source.has("'<start_of_turn>' + role + '\n'", "'<start_of_turn>model\n'", "| trim", "bos_token"),
      source.hasAny("<end_of_turn>\n'"), !source.hasAny("<think>", "enable_thinking", "tools")
    else { return .unknown }
    if source.has("first_user_prefix", "+ '\n\n'") { return .known(.gemma(foldsSystem: true)) }
    return source.has("System role not supported") ? .known(.gemma(foldsSystem: false)) : .unknown
  }

  private static func zephyr(_ source: TemplateSource) -> Relative? {
    guard source.has("<|user|>", "<|assistant|>", "<|system|>") else { return nil }
    let isOwn = source.has(
      "'<|user|>\n' + message['content'] + eos_token", "'<|system|>\n' + message['content'] + eos_token",
      "message['content'] + eos_token", "loop.last and add_generation_prompt", "{{ '<|assistant|>' }}\n")
    return isOwn && !source.has("bos_token") ? .known(.zephyr) : .unknown
  }
}

/// A template's source, `\n` in its texts read as a newline.
private struct TemplateSource {
  let text: String

  init(_ text: String) { self.text = text.replacing(bytesOf: "\\n", with: "\n") }

  func has(_ marks: String...) -> Bool { marks.allSatisfy { text.firstRange(ofBytes: $0) != nil } }

  func hasAny(_ marks: String...) -> Bool { marks.contains { text.firstRange(ofBytes: $0) != nil } }

  /// The literal text in `<|im_start|>system\n…<|im_end|>` of the template.
  var defaultSystem: String? {
    var rest = text[...]
    while let start = rest.firstRange(ofBytes: "<|im_start|>system\n") {
      rest = rest[start.upperBound...]
      if let end = rest.firstRange(ofBytes: "<|im_end|>") {
        let text = rest[..<end.lowerBound]
        if !text.isEmpty, !text.utf8.contains(UInt8(ascii: "'")), !text.utf8.contains(UInt8(ascii: "{")) {
          return String(text)
        }
      }
    }
    // Qwen2.5 has the text as a separate string, in the branch for tools.
    guard let start = text.firstRange(ofBytes: "{{- 'You are ") else { return nil }
    let own = text[start.upperBound...].utf8.prefix { $0 != UInt8(ascii: "'") }
    return "You are " + String(Substring(own))
  }
}

extension Substring {
  /// The last characters, without white space between them.
  fileprivate var strippedTail: String {
    String(String(suffix(120)).unicodeScalars.filter { !$0.properties.isWhitespace })
  }
}
