import Problems
import TinaRuntime
import Tokenization

/// Turns records of texts and conversations into tokens, and marks those that count, as TRL's `SFTTrainer` does.
final class DocumentReader {
  let settings: SupervisionSettings
  /// Precedes conversations that bring no system message.
  let system: String?
  private let prompts: PromptEncoder
  /// Ends a plain text; empty if the model has no such text.
  private let endText: String
  /// What the template writes behind an assistant's message.
  private let turnEnd: [Int]
  /// Whether a conversation became several documents.
  private(set) var hasSplit = false

  init(settings: SupervisionSettings, system: String?, _ prompts: PromptEncoder, endText: String) {
    (self.settings, self.prompts, self.endText) = (settings, prompts, endText)
    self.system = system.flatMap { $0.isEmpty ? nil : $0 }
    turnEnd = prompts.assistantEnd
  }

  /// The documents of a record: one, unless the template writes earlier answers otherwise than new ones.
  func documents(_ file: TextRecords, _ index: Int) throws(ProblemError) -> [Document] {
    switch try file.content(index) {
    case .text(let text): return [Document(plain(text + missingEnd(text)), labelledFrom: 0)]
    case .completion(let prompt, let completion):
      let whole = plain(prompt + completion + missingEnd(completion))
      let prefix = plain(prompt)
      let shared = zip(prefix, whole).prefix { $0 == $1 }.count
      return [Document(whole, labelledFrom: settings.isCompletionOnly == false ? 0 : shared)]
    case .conversation(let turns, let answersFrom):
      let messages = turns.map { ChatMessage(role: $0.role.chatRole, content: $0.text) }
      return try conversation(messages, answersFrom: answersFrom, file, index)
    }
  }

  private func plain(_ text: String) -> [Int] { prompts.tokenizer.encode(text) }

  private func missingEnd(_ text: String) -> String {
    text.utf8.reversed().starts(with: endText.utf8.reversed()) ? "" : endText
  }

  /// - Parameter answersFrom: the message where the completion of a prompt begins; nil for a conversation without that
  ///   division.
  private func conversation(
    _ messages: [ChatMessage], answersFrom: Int?, _ file: TextRecords, _ index: Int
  ) throws(ProblemError) -> [Document] {
    var messages = messages
    var start = answersFrom ?? 0
    if let system, messages.first?.role != .system {
      messages.insert(ChatMessage(role: .system, content: system), at: 0)
      start += 1
    }
    let wantsAll =
      answersFrom == nil
      ? settings.isAssistantOnly == false
      : settings.isCompletionOnly == false && settings.isAssistantOnly != true
    if wantsAll { return [Document(prompts.encodeWhole(messages), labelledFrom: 0)] }
    let answers = messages.indices.filter { messages[$0].role == .assistant && $0 >= start }
    guard !answers.isEmpty else {
      throw file.error(index, found: "no turn of the assistant", expected: "an answer to learn from")
    }
    let turns = answers.map {
      (prompt: prompts.encode(Array(messages[..<$0])), answer: answer(messages[$0].content))
    }
    // All turns are one document if each prompt goes on from the answer before it.
    var tokens: [Int] = []
    var labels: [Bool] = []
    for turn in turns {
      guard turn.prompt.starts(with: tokens) else {
        hasSplit = true
        return turns.map { Document($0.prompt + $0.answer, labelledFrom: $0.prompt.count) }
      }
      labels += [Bool](repeating: false, count: turn.prompt.count - tokens.count)
      labels += [Bool](repeating: true, count: turn.answer.count)
      tokens = turn.prompt + turn.answer
    }
    return [Document(tokens, labelled: labels)]
  }

  /// An answer as the model is to write it behind its prompt.
  private func answer(_ text: String) -> [Int] {
    var text = text
    let opening = "<think>\n"
    if prompts.template.opensThinking, text.utf8.starts(with: opening.utf8) {
      text = String(text.unicodeScalars.dropFirst(opening.unicodeScalars.count))
    }
    return prompts.tokenizer.encode([TextPart(text, .thinking)]) + turnEnd
  }
}

extension TextRecords.Role {
  fileprivate var chatRole: ChatMessage.Role {
    switch self {
    case .system: .system
    case .user: .user
    case .assistant: .assistant
    }
  }
}
