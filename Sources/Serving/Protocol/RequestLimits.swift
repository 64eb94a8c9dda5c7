import ModelFiles

/// What one request may ask for.
public struct RequestLimits: Sendable {
  /// The most tokens of an answer; as many as there is room for when nil.
  public var maxTokens: Int?
  /// The most completions of one request, over all its prompts.
  public var maxSamples = 64
  /// The most prompts of one request.
  public var maxPrompts = 64
  /// The most messages of a conversation.
  public var maxMessages = 4096
  /// The most stop texts of one request.
  public var maxStops = 16
  /// The most bytes of one stop text.
  public var maxStopBytes = 512

  /// The defaults.
  public init() {}
}

/// The fields that chats and plain completions share: how tokens are drawn, how many answers, and in which form.
struct SamplingFields: Sendable {
  var temperature: Float?
  var topP: Float?
  var topK: Int?
  var minP: Float?
  var repetitionPenalty: Float?
  var presencePenalty: Float
  var frequencyPenalty: Float
  var seed: UInt64
  var samples: Int
  var stops: [String]
  var stream: Bool
  var includeUsage: Bool

  /// Reads the fields. A request without a seed gets a random one, which its answer names.
  init(_ fields: inout RequestFields, _ limits: RequestLimits) throws(ServingError) {
    temperature = try fields.number("temperature", 0...2)
    let lowest = RequestLimits.lowestTemperature
    if let temperature, temperature > 0, Double(temperature) < lowest {
      throw .field("temperature", found: "\(temperature)", expected: "0, or a number from \(lowest) to 2")
    }
    topP = try fields.optional("top_p", "a number above 0, at most 1") { value in
      RequestFields.number(value).flatMap { $0 > 0 && $0 <= 1 && Float($0) > 0 ? Float($0) : nil }
    }
    // vLLM's clients write -1 for all.
    topK = try fields.integer("top_k", -1...Int(Int32.max)).map { max($0, 0) }
    minP = try fields.number("min_p", 0...1)
    repetitionPenalty = try fields.optional("repetition_penalty", "a number from 0.01 to 100") { value in
      RequestFields.number(value).flatMap { (0.01...100).contains($0) ? Float($0) : nil }
    }
    presencePenalty = try fields.number("presence_penalty", -2...2) ?? 0
    frequencyPenalty = try fields.number("frequency_penalty", -2...2) ?? 0
    seed =
      try fields.optional("seed", "a whole number of at most 64 bits") { value in
        guard case .number(let literal) = value else { return nil }
        return UInt64(literal) ?? Int64(literal).map { UInt64(bitPattern: $0) }
      } ?? UInt64(UInt32.random(in: 1...UInt32.max))
    samples = try fields.integer("n", 1...limits.maxSamples) ?? 1
    stops = try Self.stops(&fields, limits)
    stream = try fields.flag("stream") ?? false
    includeUsage = false
    if let options = fields.value("stream_options") {
      var inner = try RequestFields(options, prefix: "stream_options.")
      includeUsage = try inner.flag("include_usage") ?? false
      if includeUsage, !stream {
        throw .field("stream_options", found: options.summary, expected: "it only beside \"stream\": true")
      }
      try inner.foreign([
        ForeignField("include_obfuscation", .flag(false)),
        ForeignField("continuous_usage_stats", .flag(false)),
      ])
      try inner.finish()
    }
  }

  private static func stops(
    _ fields: inout RequestFields, _ limits: RequestLimits
  ) throws(ServingError) -> [String] {
    let expected = "a text, or at most \(limits.maxStops) of them, each of 1 to \(limits.maxStopBytes) bytes"
    return try fields.optional("stop", expected) { value -> [String]? in
      let texts = value.string.map { [$0] } ?? value.array?.compactMap(\.string)
      guard let texts, texts.count == value.array?.count ?? 1, texts.count <= limits.maxStops else {
        return nil
      }
      return texts.allSatisfy { (1...limits.maxStopBytes).contains($0.utf8.count) } ? texts : nil
    } ?? []
  }
}
