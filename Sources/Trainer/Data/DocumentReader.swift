import Problems
import Support
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
  /// What the template writes before and behind an assistant's message; nil if it has no form for one.
  private let frame: (start: String, end: String)?
  /// Whether a conversation became several documents.
  private(set) var hasSplit = false

  init(settings: SupervisionSettings, system: String?, _ prompts: PromptEncoder, endText: String) {
    (self.settings, self.prompts, self.endText) = (settings, prompts, endText)
    self.system = system.flatMap { $0.isEmpty ? nil : $0 }
    frame = try? prompts.answerFrame
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
    let answers = messages.indices.filter { messages[$0].role == .assistant && $0 >= start }
    guard wantsAll || !answers.isEmpty else {
      throw file.error(index, found: "no turn of the assistant", expected: "an answer to learn from")
    }
    do throws(TokenizationError) {
      if wantsAll { return [Document(try prompts.encodeWhole(messages), labelledFrom: 0)] }
      return try documents(messages, answers)
    } catch {
      throw file.error(index, found: "a conversation that can't be written", expected: "\(error)")
    }
  }

  /// The documents of a conversation's answers.
  private func documents(
    _ messages: [ChatMessage], _ answers: [Int]
  ) throws(TokenizationError) -> [Document] {
    var turns: [(prompt: [Int], answer: [Int])] = []
    for index in answers {
      turns.append((try prompts.encode(Array(messages[..<index])), answer(messages[index].content)))
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
    var start = frame?.start ?? ""
    // Thinking that is written stands for thinking that is left out.
    if start.begins(with: "<think>"), text.begins(with: "<think>") { start = "" }
    return prompts.tokenizer.encode(
      [TextPart(start, .all), TextPart(text, .thinking), TextPart(frame?.end ?? "", .all)], continues: true)
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
