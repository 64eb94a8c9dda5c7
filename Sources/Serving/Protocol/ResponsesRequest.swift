import ModelFiles
import Support
import Tokenization

/// A request to `/v1/responses`, as far as text goes. Nothing is stored: a conversation comes whole with each request.
struct ResponsesRequest: Sendable {
  let model: String
  let messages: [ChatMessage]
  /// What the template is told.
  let options: ChatOptions
  let sampling: SamplingFields
  /// Nil for as many as there is room for.
  let maxTokens: Int?
  /// What the answer repeats of the request.
  let instructions: String?
  let metadata: JSONValue

  /// Types of parts in messages.
  private static let texts = ["input_text", "output_text", "text"]

  init(_ fields: inout RequestFields, _ limits: RequestLimits) throws(ServingError) {
    model = try fields.requiredWord("model")
    instructions = try fields.text("instructions")
    let system = instructions.map { [ChatMessage(role: .system, content: $0)] } ?? []
    messages = system + (try Self.input(&fields, limits))
    options = try Conversation.options(&fields)
    sampling = try SamplingFields(&fields, limits)
    maxTokens = try fields.integer("max_output_tokens", 1...(limits.maxTokens ?? .max)) ?? limits.maxTokens
    metadata = fields.value("metadata") ?? .record([:])
    try Self.readText(&fields)
    if let reasoning = fields.value("reasoning") {
      var inner = try RequestFields(reasoning, prefix: "reasoning.")
      try inner.foreign([ForeignField("effort", .word("medium"))])
      try inner.finish()
    }
    try fields.foreign(ForeignField.common)
    try fields.foreign(ForeignField.response)
    try fields.finish()
  }

  /// How the answer's text is wanted.
  private static func readText(_ fields: inout RequestFields) throws(ServingError) {
    guard let text = fields.value("text") else { return }
    var inner = try RequestFields(text, prefix: "text.")
    try inner.foreign([
      ForeignField(
        "format", .kind("text"), advice: "Answers are plain text: ask for {\"type\": \"text\"}."),
      ForeignField("verbosity", .word("medium")),
    ])
    try inner.finish()
  }

  private static func input(
    _ fields: inout RequestFields, _ limits: RequestLimits
  ) throws(ServingError) -> [ChatMessage] {
    let expected = "a text, or a list of 1 to \(limits.maxMessages) messages"
    guard let value = fields.value("input") else {
      throw .invalid(param: "input", "input: found nothing, expected \(expected).")
    }
    if let text = value.string { return [ChatMessage(role: .user, content: text)] }
    guard let items = value.array, (1...limits.maxMessages).contains(items.count) else {
      throw .field("input", found: value.summary, expected: expected)
    }
    var messages: [ChatMessage] = []
    for (i, item) in items.enumerated() {
      let type = item.object?["type"]?.string ?? "message"
      // The thinking of earlier answers is no part of a conversation.
      if type.isSame(as: "reasoning") { continue }
      guard type.isSame(as: "message") else {
        throw .unsupported(
          "input[\(i)].type", found: quoted(type),
          advice: "Tina's models read text alone: send items of type \"message\".")
      }
      messages.append(try Conversation.message(item, "input[\(i)].", texts: texts))
    }
    guard !messages.isEmpty else {
      throw .field("input", found: "no message", expected: "at least one message")
    }
    return messages
  }
}
