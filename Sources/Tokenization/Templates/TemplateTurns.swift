import ModelFiles
import Support

/// A conversation on its way to a prompt: the parts so far, and what the template may need.
struct TemplateTurns {
  let template: ChatTemplate
  var messages: ArraySlice<ChatMessage>
  let bos: String
  let eos: String
  let options: ChatOptions
  let addsGenerationPrompt: Bool
  private(set) var parts: [TextPart] = []

  init(
    _ template: ChatTemplate, _ messages: [ChatMessage], bos: String, eos: String, _ options: ChatOptions,
    addsGenerationPrompt: Bool
  ) {
    self.template = template
    self.messages = messages[...]
    self.bos = bos
    self.eos = eos
    self.options = options
    self.addsGenerationPrompt = addsGenerationPrompt
  }

  /// The template's own text, which holds the marks of turns.
  mutating func add(_ text: String) { parts.append(TextPart(text, .all)) }

  mutating func add(_ part: TextPart) { parts.append(part) }

  func refuse(found: String, expected: String) -> TokenizationError {
    .conversation(template: template.name, found: found, expected: expected)
  }

  /// Takes the system message that the conversation begins with.
  mutating func takeSystem() -> ChatMessage? {
    messages.first?.role == .system ? messages.removeFirst() : nil
  }

  /// Refuses messages in an order that the template has no form for.
  func checkTurns(alternate: Bool) throws(TokenizationError) {
    for (index, message) in messages.enumerated() {
      if message.role == .system {
        throw refuse(
          found: "a system message that is not the first", expected: "at most one, before all other messages")
      }
      if alternate, (message.role == .user) != index.isMultiple(of: 2) {
        throw refuse(
          found: "two messages of the \(message.role.rawValue) in a row or an assistant's first",
          expected: "messages of user and assistant in turn, the user's first")
      }
    }
  }

  /// Refuses messages that spell a mark of turns, where marks are text and no tokens: nothing could tell them apart.
  func checkMarks(_ marks: [String], _ messages: some Sequence<ChatMessage>) throws(TokenizationError) {
    for message in messages {
      for mark in marks where message.content.firstRange(ofBytes: mark) != nil {
        throw refuse(
          found: "a message of the \(message.role.rawValue) that holds \(quoted(mark))",
          expected: "messages without the template's own marks, which would begin another turn")
      }
    }
  }

  /// Refuses a model that names no token for the end of a turn.
  func checkEnd() throws(TokenizationError) {
    if eos.utf8.isEmpty {
      throw refuse(found: "a model that names no eos_token", expected: "the token that ends a turn")
    }
  }
}

// MARK: Marks in tokens

extension TemplateTurns {
  mutating func deepSeek(opensThinking: Bool) {
    // The last system message counts, wherever it stands.
    add(bos)
    if let system = messages.last(where: { $0.role == .system }) { add(system.part) }
    for message in messages {
      switch message.role {
      case .system: continue
      case .user:
        add("<｜User｜>")
        add(message.part)
      case .assistant:
        var content = message.content
        if opensThinking, let end = content.lastRange(ofBytes: "</think>") {
          content = String(content[end.upperBound...])
        }
        add("<｜Assistant｜>")
        add(message.part(content))
        add("<｜end▁of▁sentence｜>")
      }
    }
    if addsGenerationPrompt { add(opensThinking ? "<｜Assistant｜><think>\n" : "<｜Assistant｜>") }
  }

  mutating func chatML(defaultSystem: String?) {
    if messages.first?.role != .system, let defaultSystem {
      add("<|im_start|>system\n\(defaultSystem)<|im_end|>\n")
    }
    for message in messages { addTurn(message) }
    if addsGenerationPrompt { add("<|im_start|>assistant\n") }
  }

  private mutating func addTurn(_ message: ChatMessage) {
    add("<|im_start|>\(message.role.rawValue)\n")
    add(message.part)
    add("<|im_end|>\n")
  }

  /// The thinking of answers before the last question is left out, that of later ones is written anew.
  mutating func qwen3() {
    let query = messages.lastIndex { message in
      message.role == .user
        && !(message.content.begins(with: "<tool_response>")
          && message.content.ends(with: "</tool_response>"))
    }
    let last = messages.indices.last
    for index in messages.indices {
      let message = messages[index]
      guard message.role == .assistant else {
        addTurn(message)
        continue
      }
      let (thinking, answer) = divided(message.content)
      add("<|im_start|>assistant\n")
      if index > query ?? messages.endIndex - 1, index == last || !thinking.utf8.isEmpty {
        add("<think>\n")
        add(message.part(thinking.withoutNewlines(atStart: true, atEnd: true)))
        add("\n</think>\n\n")
        add(message.part(answer.withoutNewlines(atStart: true)))
      } else {
        add(message.part(answer))
      }
      add("<|im_end|>\n")
    }
    guard addsGenerationPrompt else { return }
    add("<|im_start|>assistant\n")
    if options.thinking == false { add("<think>\n\n</think>\n\n") }
  }

  private func divided(_ text: String) -> (thinking: String, answer: String) {
    guard let first = text.firstRange(ofBytes: "</think>"), let last = text.lastRange(ofBytes: "</think>")
    else {
      return ("", text)
    }
    var thinking = String(text[..<first.lowerBound]).withoutNewlines(atEnd: true)
    if let opening = thinking.lastRange(ofBytes: "<think>") {
      thinking = String(thinking[opening.upperBound...])
    }
    return (
      thinking.withoutNewlines(atStart: true),
      String(text[last.upperBound...]).withoutNewlines(atStart: true)
    )
  }

  mutating func gemma(foldsSystem: Bool) throws(TokenizationError) {
    add(bos)
    let system = takeSystem()
    if system != nil, !foldsSystem {
      throw refuse(found: "a system message", expected: "none: this template has no place for it")
    }
    try checkTurns(alternate: true)
    for (index, message) in messages.enumerated() {
      add("<start_of_turn>\(message.role == .assistant ? "model" : "user")\n")
      if index == 0, let system {
        add(system.part)
        add("\n\n")
      }
      add(message.part(message.content.stripped))
      add("<end_of_turn>\n")
    }
    if addsGenerationPrompt { add("<start_of_turn>model\n") }
  }

  mutating func llama3(isDated: Bool) {
    add(bos)
    if isDated {
      let system = takeSystem()
      add("<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: ")
      add(TextPart(options.date ?? "26 Jul 2024", .none))
      add("\n\n")
      if let system { add(system.part(system.content.stripped)) }
      add("<|eot_id|>")
    }
    for message in messages {
      add("<|start_header_id|>\(message.role.rawValue)<|end_header_id|>\n\n")
      add(message.part(message.content.stripped))
      add("<|eot_id|>")
    }
    if addsGenerationPrompt { add("<|start_header_id|>assistant<|end_header_id|>\n\n") }
  }
}

// MARK: Marks in text

extension TemplateTurns {
  mutating func llama2() throws(TokenizationError) {
    try checkEnd()
    try checkMarks(["[INST]", "[/INST]", "<<SYS>>", "<</SYS>>"], messages)
    let system = takeSystem()
    try checkTurns(alternate: true)
    for (index, message) in messages.enumerated() {
      guard message.role == .user else {
        add(" ")
        add(message.part(message.content.stripped))
        add(" " + eos)
        continue
      }
      add(bos + "[INST] ")
      let content = message.content.strippedAtEnd
      if index == 0, let system {
        add("<<SYS>>\n")
        add(system.part)
        add(content.utf8.isEmpty ? "\n<</SYS>>" : "\n<</SYS>>\n\n")
        add(message.part(content))
      } else {
        add(message.part(content.strippedAtStart))
      }
      add(" [/INST]")
    }
  }

  mutating func zephyr() throws(TokenizationError) {
    try checkEnd()
    try checkMarks(["<|user|>", "<|system|>", "<|assistant|>"], messages)
    for message in messages {
      add("<|\(message.role.rawValue)|>\n")
      add(message.part)
      add(eos + "\n")
    }
    if addsGenerationPrompt { add("<|assistant|>\n") }
  }
}
