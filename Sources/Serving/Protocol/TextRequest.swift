import ModelFiles

/// A request to `/v1/completions`: prompts continued as they are.
struct TextRequest: Sendable {
  /// A prompt as it came.
  enum Prompt: Sendable {
    case text(String)
    case ids([Int])

    var isEmpty: Bool {
      switch self {
      case .text(let text): text.utf8.isEmpty
      case .ids(let ids): ids.isEmpty
      }
    }
  }

  let model: String
  let prompts: [Prompt]
  let sampling: SamplingFields
  let maxTokens: Int
  /// How many of the likeliest tokens each place lists; nil when probabilities are not wanted.
  let logprobs: Int?
  /// Whether a text gets the token that begins a text, unless it begins with it.
  let addsSpecialTokens: Bool
  /// What Tina's own clients ask for.
  let tina: TinaFields

  init(_ fields: inout RequestFields, _ limits: RequestLimits) throws(ServingError) {
    model = try fields.requiredWord("model")
    prompts = try Self.prompts(&fields, limits)
    sampling = try SamplingFields(&fields, limits)
    guard sampling.samples * prompts.count <= limits.maxSamples else {
      throw .field(
        "n", found: "\(sampling.samples) for each of \(prompts.count) prompts",
        expected: "at most \(limits.maxSamples) completions in all")
    }
    // OpenAI's default.
    maxTokens =
      try fields.integer("max_tokens", 1...(limits.maxTokens ?? .max)) ?? min(16, limits.maxTokens ?? 16)
    // Some clients say false for none.
    logprobs = fields.value("logprobs")?.bool == false ? nil : try fields.integer("logprobs", 0...20)
    addsSpecialTokens = try fields.flag("add_special_tokens") ?? true
    tina = try TinaFields(
      &fields, prompts: prompts.count, samples: sampling, allowed: [.text, .tokenIDs, .logprobs])
    let samples = sampling.samples
    try fields.neutral("best_of", advice: "Ask for n completions and choose.") { $0.int == samples }
    try fields.foreign(ForeignField.completion)
    try fields.foreign(ForeignField.common)
    try fields.finish()
  }

  private static func prompts(
    _ fields: inout RequestFields, _ limits: RequestLimits
  ) throws(ServingError) -> [Prompt] {
    let expected = "a text, a list of token ids, or 1 to \(limits.maxPrompts) of either"
    let found = try fields.optional("prompt", expected) { value -> [Prompt]? in
      if let text = value.string { return [.text(text)] }
      guard let values = value.array, !values.isEmpty else { return nil }
      if let ids = ids(values) { return [.ids(ids)] }
      guard values.count <= limits.maxPrompts else { return nil }
      let prompts = values.compactMap { value -> Prompt? in
        value.string.map { .text($0) } ?? value.array.flatMap { ids($0) }.map { .ids($0) }
      }
      return prompts.count == values.count ? prompts : nil
    }
    if let found, found.contains(where: \.isEmpty) {
      throw .invalid(
        param: "prompt", "the prompt is empty: found no text, expected at least one character. Give a prompt."
      )
    }
    guard let found else { throw .invalid(param: "prompt", "prompt: found nothing, expected \(expected).") }
    return found
  }

  /// Token ids; nil if any of the values is none, or there are no values.
  static func ids(_ values: [JSONValue]) -> [Int]? {
    let ids = values.compactMap(\.int)
    return ids.count == values.count && !ids.isEmpty ? ids : nil
  }
}
