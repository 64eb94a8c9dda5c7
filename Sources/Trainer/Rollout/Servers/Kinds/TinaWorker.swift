import ModelFiles
import TinaRuntime
import Transfer

/// A `tina serve`: it gets each adapter sent, mostly as a difference from the one before, and its log-probabilities are
/// the trainer's bits.
struct TinaWorker: ServerDialect {
  let client: ServerClient
  let terms: ServerTerms

  func check() async throws {
    guard let found = try await client.describe() else {
      throw ServerDifference(
        found: "a server that is no tina serve", expected: "tina serve --accept-adapters")
    }
    let differences = terms.requirements.differences(found)
    guard differences.isEmpty else {
      throw ServerDifference(
        found: differences.map(\.found).joined(separator: ", "),
        expected: differences.map(\.expected).joined(separator: ", "))
    }
  }

  func load(_ adapter: SentAdapter, after last: String?) async throws {
    guard case .sent(let whole, let difference) = adapter.content else { return }
    if let difference, last == difference.parent {
      let reply = try await put(difference.path, adapter.digest)
      if reply.status == 200 { return try check(reply, adapter.digest) }
      // It may have lost the parent.
    }
    let reply = try await put(whole, adapter.digest)
    guard reply.status == 200 else { throw client.refusal(reply) }
    try check(reply, adapter.digest)
  }

  private func put(_ path: String, _ digest: String) async throws -> ServerClient.Reply {
    try await client.send(
      "PUT", ["v1", "adapters", terms.name + "@sha256:" + digest], .file(try MappedFile(path: path)),
      type: "application/vnd.tina.adapter", idleSeconds: 300)
  }

  private func check(_ reply: ServerClient.Reply, _ expected: String) throws {
    guard try client.json(reply).object?["digest"]?.string == expected else {
      throw client.badAnswer("another digest than that of the adapter sent", expected: expected)
    }
  }

  /// Completes a request; the log-probabilities are read back bit for bit.
  func complete(_ request: GenerationRequest, samples: Int, digest: String) async throws -> [CompletedText] {
    let body = JSONValue.object(
      RolloutMessage.request(request, samples, model: terms.name + "@sha256:" + digest))
    let reply = try await client.send("POST", ["v1", "completions"], .bytes(Array(body.text().utf8)))
    let value = try client.json(reply)
    guard let completions = RolloutMessage.completions(value, samples: samples) else {
      throw client.badAnswer("no tokens with their log-probabilities", expected: "\(samples) completions")
    }
    return completions
  }

  func leave(_ digest: String) async {
    _ = try? await client.send("DELETE", ["v1", "adapters", terms.name], idleSeconds: 10)
  }
}

/// What is said between a run and a `tina serve`.
enum RolloutMessage {
  static func request(_ request: GenerationRequest, _ samples: Int, model: String) -> JSONObject {
    let sampling = request.settings.sampling
    var members: [(key: String, value: JSONValue)] = [
      ("model", .string(model)), ("prompt", .array(request.prompt.map { JSONValue($0) })),
      ("n", JSONValue(samples)), ("temperature", .number("\(sampling.temperature)")),
      ("top_p", .number("\(sampling.topP)")), ("top_k", JSONValue(sampling.topK)),
      ("min_p", .number("\(sampling.minP)")),
      ("repetition_penalty", .number("\(sampling.repetitionPenalty)")),
      ("presence_penalty", .number("\(sampling.presencePenalty)")),
      ("frequency_penalty", .number("\(sampling.frequencyPenalty)")),
      ("seed", .number(String(sampling.seed))),
      (
        "tina",
        .record([
          "prompt_index": JSONValue(request.promptIndex), "sample_index": JSONValue(request.sampleIndex),
          "return": .array([.string("token_ids"), .string("logprobs")]),
        ])
      ),
    ]
    if let limit = request.settings.maxTokens { members.append(("max_tokens", JSONValue(limit))) }
    return JSONObject(members)
  }

  /// The completions of an answer; nil if anything is missing.
  static func completions(_ value: JSONValue, samples: Int) -> [CompletedText]? {
    guard let choices = value.object?["choices"]?.array,
      let told = value.object?["tina"]?.object?["choices"]?.array, choices.count == samples,
      told.count == samples
    else { return nil }
    var all: [CompletedText] = []
    for (choice, told) in zip(choices, told) {
      guard let ids = told.object?["token_ids"]?.array?.compactMap(\.int),
        let plain = floats(told.object?["logprobs"]),
        let tempered = floats(told.object?["tempered_logprobs"]),
        ids.count == told.object?["tokens"]?.int, plain.count == ids.count, tempered.count == ids.count,
        let reason = choice.object?["finish_reason"]?.string.flatMap({ FinishReason(rawValue: $0) }),
        reason != .cancelled
      else { return nil }
      var text = CompletedText()
      text.ids = ids
      text.logProbabilities = plain
      text.temperedLogProbabilities = tempered
      text.reason = reason
      all.append(text)
    }
    return all
  }

  /// Numbers whose digits tell a float32 exactly.
  private static func floats(_ value: JSONValue?) -> [Float]? {
    guard let values = value?.array else { return nil }
    let floats = values.compactMap { value -> Float? in
      guard case .number(let digits) = value, digits.utf8.count <= 32 else { return nil }
      return Float(digits)
    }
    return floats.count == values.count ? floats : nil
  }
}
