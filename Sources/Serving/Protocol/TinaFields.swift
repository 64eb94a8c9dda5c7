import ModelFiles

/// What Tina's own clients ask for beyond OpenAI's protocol, under `tina` in a request.
struct TinaFields: Sendable {
  /// What an answer can tell besides.
  enum Part: String, Sendable, CaseIterable {
    /// The conversation as the model sees it.
    case prompt
    /// Each answer's text as it was drawn, tags of thinking included.
    case text
    /// Each answer's tokens, the one that ended it included.
    case tokenIDs = "token_ids"
    /// ln p of each of these tokens, under the model and under the temperature.
    case logprobs
  }

  /// Which prompt this is, for the random numbers.
  var promptIndex = 0
  /// Which sample the first answer is, for the random numbers.
  var sampleIndex = 0
  /// What the answer tells besides.
  var parts: [Part] = []

  /// A request that asks for nothing of this.
  init() {}

  /// - Parameters:
  ///   - prompts: the number of prompts of the request.
  ///   - samples: the number of answers to each.
  ///   - allowed: what the answer may tell besides.
  init(
    _ fields: inout RequestFields, prompts: Int = 1, samples: SamplingFields, allowed: [Part] = Part.allCases
  ) throws(ServingError) {
    guard let value = fields.value("tina") else { return }
    var inner = try RequestFields(value, prefix: "tina.")
    // The random numbers are keyed by 32 bits of each.
    let most = Int(UInt32.max)
    promptIndex = try inner.integer("prompt_index", 0...most) ?? 0
    sampleIndex = try inner.integer("sample_index", 0...most - samples.samples) ?? 0
    if prompts > 1, promptIndex > 0 {
      throw .field(
        "tina.prompt_index", found: "\(promptIndex) for \(prompts) prompts", expected: "one prompt")
    }
    let names = allowed.map { quoted($0.rawValue) }.joined(separator: ", ")
    parts =
      try inner.optional("return", "a list of \(names)") { value in
        guard let values = value.array, values.count <= allowed.count else { return nil }
        let parts = values.compactMap { $0.string.flatMap { Part(rawValue: $0) } }
        return parts.count == values.count && parts.allSatisfy(allowed.contains) ? parts : nil
      } ?? []
    if !parts.isEmpty, samples.stream {
      throw .field("tina.return", found: "it beside \"stream\": true", expected: "an answer as a whole")
    }
    try inner.finish()
  }
}
