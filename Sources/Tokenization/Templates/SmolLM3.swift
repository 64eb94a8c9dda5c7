import Support

/// What copies of SmolLM3's template differ in.
public struct SmolLM3Header: Sendable, Equatable {
  /// Whether the header names a day.
  public var isDated: Bool
  /// Whether the header ends in `<|im_end|>`: in the first copies it does so only beside tools.
  public var isClosed: Bool
  /// Whether a system message with `/system_override` stands for the whole header.
  public var isReplaceable: Bool
}

extension TemplateTurns {
  mutating func smolLM3(_ header: SmolLM3Header) throws(TokenizationError) {
    let system = takeSystem()
    try checkTurns(alternate: false)
    var thinks = options.thinking ?? true
    var instructions = ""
    if let text = system?.content {
      if text.firstRange(ofBytes: "/no_think") != nil {
        thinks = false
      } else if text.firstRange(ofBytes: "/think") != nil {
        thinks = true
      }
      instructions =
        text.replacing(bytesOf: "/no_think", with: "").replacing(bytesOf: "/think", with: "")
        .strippedAtEnd
    }
    add("<|im_start|>system\n")
    if header.isReplaceable, let system, system.content.firstRange(ofBytes: "/system_override") != nil {
      add(system.part(instructions.replacing(bytesOf: "/system_override", with: "").strippedAtEnd))
      add("<|im_end|>\n")
    } else {
      add("## Metadata\n\nKnowledge Cutoff Date: June 2025\n")
      if header.isDated {
        add("Today Date: ")
        add(TextPart(options.date ?? "08 July 2025", .none))
        add("\n")
      }
      add("Reasoning Mode: \(thinks ? "/think" : "/no_think")\n\n## Custom Instructions\n\n")
      if let system, !instructions.utf8.isEmpty {
        add(system.part(instructions))
        add("\n\n")
      } else {
        add("You are a helpful AI assistant named SmolLM, trained by Hugging Face.")
        add(thinks ? Self.howToThink + "\n\n" : "\n\n")
      }
      if header.isClosed { add("<|im_end|>\n") }
    }
    let opening = "<|im_start|>assistant\n" + (thinks ? "" : "<think>\n\n</think>\n")
    for message in messages {
      let isAnswer = message.role == .assistant
      add(isAnswer ? opening : "<|im_start|>user\n")
      add(message.part(message.content.withoutNewlines(atStart: isAnswer)))
      add("<|im_end|>\n")
    }
    if addsGenerationPrompt { add(opening) }
  }

  /// What the model was trained to read when it is to think.
  private static let howToThink = """
     Your role as an assistant involves thoroughly exploring questions through a systematic thinking process before \
    providing the final precise and accurate solutions. This requires engaging in a comprehensive cycle of analysis, \
    summarizing, exploration, reassessment, reflection, backtracking, and iteration to develop well-considered \
    thinking process. Please structure your response into two main sections: Thought and Solution using the \
    specified format: <think> Thought section </think> Solution section. In the Thought section, detail your \
    reasoning process in steps. Each step should include detailed considerations such as analysing questions, \
    summarizing relevant findings, brainstorming new ideas, verifying the accuracy of the current steps, refining \
    any errors, and revisiting previous steps. In the Solution section, based on various attempts, explorations, \
    and reflections from the Thought section, systematically present the final solution that you deem correct. The \
    Solution section should be logical, accurate, and concise and detail necessary steps needed to reach the \
    conclusion.
    """
}
