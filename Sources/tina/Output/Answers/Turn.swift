import TinaRuntime

/// One prompt answered in front of a person.
struct Turn {
  var assistant: Assistant
  /// Whether prompts are continued as they are, without the chat template.
  let isRaw: Bool
  /// Whether a raw prompt gets the token that begins a text.
  var addsSpecialTokens = true
  let system: String?
  let hidesThinking: Bool

  /// The token ids of one text: a message to answer, or the beginning of what is continued.
  func promptIDs(_ text: String) throws -> [Int] {
    try check(text)
    guard isRaw, !text.isEmpty else { return try assistant.encode(text, system: system) }
    return assistant.tokenizer.encode(text, addSpecialTokens: addsSpecialTokens)
  }

  /// Refuses a text that cannot fit, before it is tokenised.
  func check(_ text: String) throws {
    try PromptInput.check(text, assistant.tokenizer, context: assistant.engine.contextLimit)
  }

  /// Streams the answer to standard output, then tells its speed on standard error. Ctrl-C stops it.
  func show(_ prompt: [Int], index: Int = 0, _ interrupts: InterruptHandler) async throws -> TimedAnswer {
    let running = try TimedCompletion(assistant, prompt, promptIndex: index)
    interrupts.arm { [completion = running.completion] in completion.cancel() }
    defer { interrupts.disarm() }
    let opensThinking = try !isRaw && assistant.prompts.template.opensThinking
    var printer = AnswerPrinter(thinkingIsOpen: opensThinking, hidesThinking: hidesThinking)
    let answer = try await running.collect { try printer.append($0) }
    try printer.finish()
    Terminal.note(answer.summary(assistant.settings.sampling, assistant.model.activations))
    return answer
  }
}
