import ModelFiles
import Support

/// Texts and conversations to learn from, in the layouts of TRL's `SFTTrainer`.
package struct TextRecords: Sendable {
  /// Who says something.
  package enum Role: Sendable { case system, user, assistant }

  /// A message of a conversation.
  package struct Turn: Sendable, Equatable {
    package let role: Role
    package let text: String

    package init(_ role: Role, _ text: String) {
      self.role = role
      self.text = text
    }
  }

  /// What a record holds.
  package enum Content: Sendable {
    /// A text as a whole.
    case text(String)
    /// A text and what follows it.
    case completion(prompt: String, completion: String)
    /// Messages; the completion of a prompt begins at `answersFrom`, if the record divides the two.
    case conversation([Turn], answersFrom: Int?)
  }

  /// The SHA-256 of the file's bytes, in hexadecimal.
  package let digest: String
  private let records: [ProblemRecord]
  private let textField: String

  /// Number of records.
  package var count: Int { records.count }

  /// Reads a file of JSON lines or a JSON array.
  ///
  /// - Parameter textField: the member that holds a whole text.
  /// - Throws: `ProblemError` for a file that can't be read.
  package init(_ path: String, textField: String) throws(ProblemError) {
    let bytes = try ProblemFile.contents(path)
    digest = hexadecimal(Digest.sha256(bytes))
    records = try ProblemFile.records(bytes, path)
    self.textField = textField
  }

  /// An error about a record.
  package func error(_ index: Int, found: String, expected: String) -> ProblemError {
    records[index].error(found, expected)
  }

  /// What a record holds.
  ///
  /// - Throws: `ProblemError` naming the record and what it lacks.
  package func content(_ index: Int) throws(ProblemError) -> Content {
    let record = records[index]
    guard let object = record.value.object else {
      throw record.error("no object but \(record.value.summary)", "an object")
    }
    if let prompt = object["prompt"], let completion = object["completion"] {
      if let prompt = prompt.string, let completion = completion.string {
        return .completion(prompt: prompt, completion: completion)
      }
      guard let before = prompt.array, let after = completion.array else {
        throw record.error("a prompt and a completion of two kinds", "two texts, or two lists of messages")
      }
      let turns = try turns(before, "prompt", record)
      return .conversation(turns + (try self.turns(after, "completion", record)), answersFrom: turns.count)
    }
    for key in ["messages", "conversations"] {
      guard let messages = object[key]?.array else { continue }
      return .conversation(try turns(messages, key, record), answersFrom: nil)
    }
    if let text = object[textField]?.string { return .text(text) }
    throw record.error(
      "no messages, no prompt with a completion and no \(textField) (the members are \(record.members))",
      "one of these, as in data for TRL's SFTTrainer")
  }

  private func turns(
    _ messages: [JSONValue], _ key: String, _ record: ProblemRecord
  ) throws(ProblemError) -> [Turn] {
    guard !messages.isEmpty else { throw record.error("no message in \(quoted(key))", "at least one") }
    var turns: [Turn] = []
    for (index, message) in messages.enumerated() {
      let place = "message \(index + 1) of \(quoted(key))"
      guard let object = message.object else {
        throw record.error("\(place) is no object but \(message.summary)", "an object with role and content")
      }
      let text = try Conversation.text(object["content"] ?? object["value"], place, record)
      let name = object["role"]?.string ?? object["from"]?.string ?? ""
      switch name {
      case "system", "developer": turns.append(Turn(.system, text))
      case "user", "human": turns.append(Turn(.user, text))
      case "assistant", "gpt", "model", "bot": turns.append(Turn(.assistant, text))
      default:
        throw record.error(
          "\(place) is of the role \(quoted(String(name.prefix(40))))", "the roles system, user and assistant"
        )
      }
    }
    return turns
  }
}
