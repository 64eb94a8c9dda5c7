import ModelFiles
import Tokenization

/// A request to `/v1/chat/completions`.
struct ChatRequest: Sendable {
  let model: String
  let messages: [ChatMessage]
  let sampling: SamplingFields
  /// Nil for as many as there is room for.
  let maxTokens: Int?
  /// How many of the likeliest tokens each place lists; nil when probabilities are not wanted.
  let logprobs: Int?

  init(_ fields: inout RequestFields, _ limits: RequestLimits) throws(ServingError) {
    model = try fields.required("model")
    messages = try Self.messages(&fields, limits)
    sampling = try SamplingFields(&fields, limits)
    maxTokens = try Self.maxTokens(&fields, limits)
    let wanted = try fields.flag("logprobs") ?? false
    let top = try fields.integer("top_logprobs", 0...20)
    if let top, top > 0, !wanted {
      throw .field("top_logprobs", found: "\(top)", expected: "it only beside \"logprobs\": true")
    }
    logprobs = wanted ? top ?? 0 : nil
    try SamplingFields.readCommon(&fields)
    try Self.refuseForeign(&fields)
    try fields.finish()
  }

  /// Reads the conversation; `/tokenize` has one too.
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
    for (i, value) in values.enumerated() { messages.append(try message(value, "messages[\(i)].")) }
    return messages
  }

  private static func message(_ value: JSONValue, _ prefix: String) throws(ServingError) -> ChatMessage {
    var fields = try RequestFields(value, prefix: prefix)
    let name = try fields.required("role")
    let role: ChatMessage.Role
    switch name {
    case "system", "developer": role = .system
    case "user": role = .user
    case "assistant": role = .assistant
    case "tool", "function":
      throw .unsupported(prefix + "role", found: quoted(name), advice: "Tina's models call no tools.")
    default:
      throw .field(
        prefix + "role", found: quoted(name), expected: "\"system\", \"developer\", \"user\" or \"assistant\""
      )
    }
    guard let content = fields.value("content") else {
      throw .invalid(param: prefix + "content", "\(prefix)content: found nothing, expected a text.")
    }
    let text = try text(content, prefix + "content")
    try fields.neutral("name", advice: "The model's template has no place for names: write it into the text.")
    try fields.neutral(
      "reasoning_content",
      advice: "The thinking of earlier answers is no part of a conversation: send their content alone.")
    try fields.neutral("reasoning") { $0.string?.isEmpty == true }
    try fields.neutral("refusal") { $0.string?.isEmpty == true }
    try fields.neutral("audio")
    try fields.neutral("function_call", advice: "Tina's models call no tools.")
    try fields.neutral("tool_calls", advice: "Tina's models call no tools.") { $0.array?.isEmpty == true }
    try fields.neutral("annotations") { $0.array?.isEmpty == true }
    try fields.finish()
    return ChatMessage(role: role, content: text)
  }

  /// A text, or parts that are all texts.
  private static func text(_ value: JSONValue, _ name: String) throws(ServingError) -> String {
    if let text = value.string { return text }
    guard let parts = value.array, !parts.isEmpty else {
      throw .field(name, found: value.summary, expected: "a text, or a list of parts of type \"text\"")
    }
    var text = ""
    for (i, part) in parts.enumerated() {
      var fields = try RequestFields(part, prefix: "\(name)[\(i)].")
      let type = try fields.required("type")
      guard type == "text" else {
        throw .unsupported(
          "\(name)[\(i)].type", found: quoted(type),
          advice: "Tina's models read text alone: send parts of type \"text\".")
      }
      text += try fields.required("text")
      try fields.finish()
    }
    return text
  }

  private static func maxTokens(
    _ fields: inout RequestFields, _ limits: RequestLimits
  ) throws(ServingError) -> Int? {
    let range = 1...(limits.maxTokens ?? .max)
    let new = try fields.integer("max_completion_tokens", range)
    let old = try fields.integer("max_tokens", range)
    if let new, let old, new != old {
      throw .field(
        "max_tokens", found: "\(old) beside max_completion_tokens \(new)", expected: "one of the two")
    }
    return new ?? old ?? limits.maxTokens
  }

  /// Known fields of OpenAI's API that would change the answer if they were honoured.
  private static func refuseForeign(_ fields: inout RequestFields) throws(ServingError) {
    let noTools = "Tina's models call no tools."
    for key in ["tools", "functions"] {
      try fields.neutral(key, advice: noTools) { $0.array?.isEmpty == true }
    }
    for key in ["tool_choice", "function_call"] {
      try fields.neutral(key, advice: noTools) { ["none", "auto"].contains($0.string) }
    }
    try fields.neutral("parallel_tool_calls", advice: noTools) { $0.bool != nil }
    try fields.neutral("response_format", advice: "Answers are plain text: ask for {\"type\": \"text\"}.") {
      $0.object?["type"]?.string == "text" && $0.object?.keys.count == 1
    }
    try fields.neutral("modalities") { $0.array?.allSatisfy { $0.string == "text" } == true }
    for key in ["audio", "prediction", "web_search_options", "reasoning_effort", "verbosity"] {
      try fields.neutral(key)
    }
  }
}
