import ModelFiles
import Support
import Tokenization

/// Reads the messages of a request. Roles are compared as bytes.
enum Conversation {
  /// The messages under `messages`.
  static func messages(
    _ fields: inout RequestFields, _ limits: RequestLimits
  ) throws(ServingError) -> [ChatMessage] {
    let expected = "a list of 1 to \(limits.maxMessages) messages, each {\"role\", \"content\"}"
    guard
      let values = try fields.optional(
        "messages", expected,
        { value in
          value.array.flatMap { (1...limits.maxMessages).contains($0.count) ? $0 : nil }
        })
    else { throw .invalid(param: "messages", "messages: found nothing, expected \(expected).") }
    var messages: [ChatMessage] = []
    for (i, value) in values.enumerated() {
      messages.append(try message(value, "messages[\(i)].", texts: ["text"]))
    }
    return messages
  }

  /// What the template is told, under `chat_template_kwargs`: the arguments that some template here has.
  static func options(_ fields: inout RequestFields) throws(ServingError) -> ChatOptions {
    guard let value = fields.value("chat_template_kwargs") else { return ChatOptions() }
    var inner = try RequestFields(value, prefix: "chat_template_kwargs.")
    let options = ChatOptions(
      thinking: try inner.flag("enable_thinking"), date: try inner.word("date_string"))
    try inner.finish()
    return options
  }

  /// A message, whose parts may be of the types `texts`.
  static func message(
    _ value: JSONValue, _ prefix: String, texts: [String]
  ) throws(ServingError) -> ChatMessage {
    var fields = try RequestFields(value, prefix: prefix)
    let role = try role(&fields)
    let text: String
    if let content = fields.value("content") {
      text = try Self.text(content, prefix + "content", texts)
    } else if role == .assistant {
      // An answer that ended while the model thought.
      text = ""
    } else {
      throw .invalid(param: prefix + "content", "\(prefix)content: found nothing, expected a text.")
    }
    if role == .assistant {
      // The thinking of earlier answers is no part of a conversation: no template repeats it.
      for key in ["reasoning_content", "reasoning"] { _ = try fields.text(key) }
      _ = fields.value("reasoning_details")
    }
    try fields.foreign(ForeignField.message)
    try fields.finish()
    return ChatMessage(role: role, content: text)
  }

  /// The most bytes of a prediction that are looked at: tokens of a text have eight bytes at most, as a rule.
  static let predictionBytes = 8 << 15

  /// The beginning of what the client expects the answer to be. It is a hint, so the rest is left out in silence.
  static func prediction(_ fields: inout RequestFields) throws(ServingError) -> String? {
    guard let value = fields.value("prediction") else { return nil }
    var inner = try RequestFields(value, prefix: "prediction.")
    let type = try inner.requiredWord("type")
    guard type.isSame(as: "content") else {
      throw .unsupported(
        "prediction.type", found: quoted(type), advice: "Send \"content\", or no prediction.")
    }
    guard let content = inner.value("content") else {
      throw .invalid(param: "prediction.content", "prediction.content: found nothing, expected a text.")
    }
    let text = try Self.text(content, "prediction.content", ["text"])
    try inner.finish()
    guard text.utf8.count > predictionBytes else { return text }
    return String(decoding: text.utf8.prefix(predictionBytes), as: UTF8.self)
  }

  private static func role(_ fields: inout RequestFields) throws(ServingError) -> ChatMessage.Role {
    let name = try fields.requiredWord("role")
    let known: [(String, ChatMessage.Role)] = [
      ("system", .system), ("developer", .system), ("user", .user), ("assistant", .assistant),
    ]
    if let found = known.first(where: { $0.0.isSame(as: name) }) { return found.1 }
    if ["tool", "function"].contains(where: { $0.isSame(as: name) }) {
      throw .unsupported(
        fields.name("role"), found: quoted(name), advice: "Tina's models call no tools.")
    }
    throw .field(
      fields.name("role"), found: quoted(name),
      expected: "\"system\", \"developer\", \"user\" or \"assistant\"")
  }

  /// A text, or parts that are all texts.
  private static func text(
    _ value: JSONValue, _ name: String, _ types: [String]
  ) throws(ServingError) -> String {
    if let text = value.string { return text }
    guard let parts = value.array, !parts.isEmpty else {
      throw .field(name, found: value.summary, expected: "a text, or a list of parts of type \"\(types[0])\"")
    }
    var text = ""
    for (i, part) in parts.enumerated() {
      var fields = try RequestFields(part, prefix: "\(name)[\(i)].")
      let type = try fields.requiredWord("type")
      guard types.contains(where: { $0.isSame(as: type) }) else {
        throw .unsupported(
          "\(name)[\(i)].type", found: quoted(type),
          advice: "Tina's models read text alone: send parts of type \"\(types[0])\".")
      }
      text += try fields.required("text")
      try fields.foreign(ForeignField.part)
      try fields.finish()
    }
    return text
  }
}
