import Foundation
import Tokenization

/// Conversations that end in an answer, for training on it.
extension PromptEncoder {
  /// The token ids of a conversation that nobody is to continue.
  package func encodeWhole(_ messages: [ChatMessage]) -> [Int] {
    tokenizer.encode(template.parts(messages, bosToken: bosToken, addGenerationPrompt: false))
  }

  /// What the template writes behind an assistant's message.
  package var assistantEnd: [Int] {
    let mark = "answer"
    let messages = [
      ChatMessage(role: .user, content: "question"), ChatMessage(role: .assistant, content: mark),
    ]
    let text = template.render(messages, bosToken: bosToken, addGenerationPrompt: false)
    guard let range = text.range(of: mark, options: .backwards) else { return [] }
    return tokenizer.encode([TextPart(String(text[range.upperBound...]), .all)])
  }
}
