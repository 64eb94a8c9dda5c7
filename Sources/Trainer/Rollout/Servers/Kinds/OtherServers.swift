import ModelFiles
import TinaRuntime
import Transfer

/// What the servers of other programs have in common.
enum OtherServers {
  /// A token and its log-probability; NaN for one that was not told.
  typealias Token = (id: Int, logProbability: Float)

  /// A completion as a server tells it.
  ///
  /// - Parameter tokens: the token that ends the completion is the last.
  /// - Returns: nil where ids are none of the base's.
  static func text(_ tokens: [Token], _ requirements: ServerRequirements)
    -> CompletedText?
  {
    guard let last = tokens.last, tokens.allSatisfy({ $0.id >= 0 && $0.id < requirements.vocabulary }) else {
      return nil
    }
    var text = CompletedText()
    text.ids = tokens.map(\.id)
    text.logProbabilities = tokens.map(\.logProbability)
    // Which of the two they are has been asked before.
    text.temperedLogProbabilities = text.logProbabilities
    text.reason = requirements.endTokens.contains(last.id) ? .stop : .length
    return text
  }

  /// Refuses a completion that a server cut off before the run's own limit.
  ///
  /// - Parameters:
  ///   - isCut: whether the server says that it ended the completion for its length.
  ///   - advice: how the server is told to leave room.
  static func check(
    _ text: CompletedText, isCut: Bool, _ request: GenerationRequest, _ terms: ServerTerms,
    _ address: String, advice: String
  ) throws(TrainerError) {
    let room = terms.requirements.context - request.prompt.count
    guard isCut, text.reason == .length, text.ids.count < min(request.settings.maxTokens ?? room, room) else {
      return
    }
    throw TrainerError(
      .server, place: "rollout_servers: " + address,
      found: "a completion that ended after \(text.ids.count) tokens for want of room",
      expected: "room for \(terms.requirements.context) tokens, and no limit of the server's own",
      advice: advice)
  }

  /// A log-probability; NaN for null, which stands for what can't be written.
  static func float(_ value: JSONValue?) -> Float? {
    switch value {
    case .null: Float.nan
    case .number(let digits) where digits.utf8.count <= 40: Float(digits)
    default: nil
    }
  }

  /// The settings that vLLM and SGLang name alike.
  static func sampling(_ request: GenerationRequest, _ requirements: ServerRequirements) -> [(
    key: String, value: JSONValue
  )] {
    let sampling = request.settings.sampling
    return [
      ("temperature", .number("\(sampling.temperature)")), ("top_p", .number("\(sampling.topP)")),
      ("top_k", JSONValue(sampling.topK > 0 ? sampling.topK : -1)), ("min_p", .number("\(sampling.minP)")),
      // vLLM takes what a request leaves out from the base's generation_config.json: Qwen2.5's penalty is not 1.
      ("repetition_penalty", .number("\(sampling.repetitionPenalty)")),
      ("presence_penalty", .number("\(sampling.presencePenalty)")),
      ("frequency_penalty", .number("\(sampling.frequencyPenalty)")),
      ("stop_token_ids", .array(requirements.endTokens.map { JSONValue($0) })),
      ("skip_special_tokens", .bool(false)),
    ]
  }

  static func bytes(_ members: [(key: String, value: JSONValue)]) -> WebBody {
    .bytes(Array(JSONValue.object(JSONObject(members)).text().utf8))
  }

  /// Whether a server tells log-probabilities after the temperature: the likeliest token's then change with it.
  static func isTempered(_ likeliest: (_ temperature: String) async throws -> Float?) async throws -> Bool {
    guard let plain = try await likeliest("1.0"), let warm = try await likeliest("4.0"), !plain.isNaN,
      !warm.isNaN
    else { return false }
    return abs(plain - warm) > 1e-3 * max(abs(plain), 1e-3)
  }
}
