import Foundation
import Support
import Tokenization

/// Conversations that end in an answer, for training on it.
extension PromptEncoder {
  /// The token ids of a conversation that nobody is to continue.
  package func encodeWhole(_ messages: [ChatMessage]) throws(TokenizationError) -> [Int] {
    tokenizer.encode(try parts(messages, continued: false))
  }

  /// What the template writes between a prompt and an assistant's message, and behind that.
  package var answerFrame: (start: String, end: String) {
    get throws(TokenizationError) {
      let mark = "answer"
      let question = [ChatMessage(role: .user, content: "question")]
      let prompt = try render(question)
      let whole = try parts(question + [ChatMessage(role: .assistant, content: mark)], continued: false)
      let text = whole.map(\.text).joined()
      guard let range = text.range(of: mark, options: .backwards) else { return ("", "") }
      let start =
        text.begins(with: prompt) ? text[..<range.lowerBound].utf8.dropFirst(prompt.utf8.count) : ""[...].utf8
      return (String(Substring(start)), String(text[range.upperBound...]))
    }
  }
}
