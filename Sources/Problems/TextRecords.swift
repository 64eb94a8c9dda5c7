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
  private let names: DataColumns

  /// Number of records.
  package var count: Int { records.count }

  /// Reads a file of JSON lines, a JSON array or a table (CSV).
  ///
  /// - Parameter names: members of other names, and the one that holds a whole text.
  /// - Throws: `ProblemError` for a file that can't be read.
  package init(_ path: String, names: DataColumns) throws(ProblemError) {
    let file = try RecordFile(path, names)
    (digest, records) = (file.digest, file.records)
    self.names = names
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
    if let name = names.messages {
      let value = try record.member(object, name, "dataset_messages_column")
      guard let messages = value.array else {
        throw record.error("\(value.summary) in \(quoted(name))", "a list of messages")
      }
      return .conversation(try turns(messages, name, record), answersFrom: nil)
    }
    if let completion = try completion(object, record) { return completion }
    for key in ["messages", "conversations"] {
      guard let messages = object[key]?.array else { continue }
      return .conversation(try turns(messages, key, record), answersFrom: nil)
    }
    if let text = object[names.text]?.string { return .text(text) }
    throw record.error(
      "no messages, no prompt with a completion and no \(names.text) (the members are \(record.members))",
      "one of these, as in data for TRL's SFTTrainer; or dataset_prompt_column and its like name the columns")
  }

  /// A prompt and what follows it; nil if the record has no such members and no recipe names them.
  private func completion(_ object: JSONObject, _ record: ProblemRecord) throws(ProblemError) -> Content? {
    let (promptName, completionName) = (names.prompt ?? "prompt", names.completion ?? "completion")
    if names.prompt != nil || names.completion != nil {
      _ = try record.member(object, promptName, "dataset_prompt_column")
      _ = try record.member(object, completionName, "dataset_completion_column")
    }
    guard let prompt = object[promptName], let completion = object[completionName] else { return nil }
    if let prompt = prompt.string, let completion = completion.string {
      return .completion(prompt: prompt, completion: completion)
    }
    guard let before = prompt.array, let after = completion.array else {
      throw record.error("a prompt and a completion of two kinds", "two texts, or two lists of messages")
    }
    let turns = try turns(before, promptName, record)
    return .conversation(turns + (try self.turns(after, completionName, record)), answersFrom: turns.count)
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
