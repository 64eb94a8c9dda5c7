import ModelFiles
import Tokenization

/// A request to `/v1/chat/completions`.
struct ChatRequest: Sendable {
  let model: String
  let messages: [ChatMessage]
  /// What the template is told.
  let options: ChatOptions
  let sampling: SamplingFields
  /// Nil for as many as there is room for.
  let maxTokens: Int?
  /// How many of the likeliest tokens each place lists; nil when probabilities are not wanted.
  let logprobs: Int?
  /// What the client expects the answer to be; nil when it says nothing.
  let prediction: String?
  /// What Tina's own clients ask for.
  let tina: TinaFields

  init(_ fields: inout RequestFields, _ limits: RequestLimits) throws(ServingError) {
    model = try fields.requiredWord("model")
    messages = try Conversation.messages(&fields, limits)
    options = try Conversation.options(&fields)
    sampling = try SamplingFields(&fields, limits)
    maxTokens = try Self.maxTokens(&fields, limits)
    let wanted = try fields.flag("logprobs") ?? false
    let top = try fields.integer("top_logprobs", 0...20)
    if let top, top > 0, !wanted {
      throw .field("top_logprobs", found: "\(top)", expected: "it only beside \"logprobs\": true")
    }
    logprobs = wanted ? top ?? 0 : nil
    prediction = try Conversation.prediction(&fields)
    tina = try TinaFields(&fields, samples: sampling)
    try fields.foreign(ForeignField.common)
    try fields.foreign(ForeignField.conversation)
    try fields.finish()
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
}
