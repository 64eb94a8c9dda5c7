import ModelFiles
import Support
import TinaRuntime
import Transfer

/// One `tina serve` that samples for a run.
actor RolloutServer {
  /// Its place in the recipe.
  nonisolated let number: Int
  nonisolated let address: String
  private let client: ServerClient
  private let requirements: ServerRequirements
  /// What this run's adapters are called there.
  private let name: String
  /// The digest of this run's adapter that it has; nil when that is not known.
  private var digest: String?
  private var preparing: (digest: String, task: Task<Void, any Error>)?
  /// Since when it can't be reached; nil while it can.
  private(set) var downSince: ContinuousClock.Instant?
  /// Why it is not asked any more.
  private(set) var refusal: TrainerError?

  init(
    _ number: Int, _ client: ServerClient, _ requirements: ServerRequirements, adapterName: String
  ) {
    self.number = number
    self.client = client
    self.requirements = requirements
    address = client.address.text
    name = adapterName
  }

  /// Asks the server what it is.
  ///
  /// - Throws: ``TrainerError`` for one that gives other bits, by name; `TransferError` for one that can't be reached.
  func check() async throws {
    guard let found = try await client.describe() else {
      throw refuse("a server that is no tina serve", expected: "tina serve --accept-adapters")
    }
    let differences = requirements.differences(found)
    guard differences.isEmpty else {
      throw refuse(
        differences.map(\.found).joined(separator: ", "),
        expected: differences.map(\.expected).joined(separator: ", "))
    }
  }

  private func refuse(_ found: String, expected: String) -> TrainerError {
    let error = TrainerError(
      .server, place: "rollout_servers: " + address, found: found, expected: expected,
      advice: "Its log-probabilities would not be the trainer's. Start it as this run is, or leave it out.")
    refusal = error
    return error
  }

  /// Sends an adapter unless the server has it. Several callers wait for one upload.
  ///
  /// - Returns: whether the server was down before; one caller is told.
  func prepare(_ adapter: SentAdapter) async throws -> Bool {
    if digest == adapter.digest { return false }
    if let preparing, preparing.digest == adapter.digest {
      try await preparing.task.value
      return false
    }
    let wasDown = downSince != nil
    let task = Task {
      // It may have been started anew, as something else.
      if downSince != nil || digest == nil { try await check() }
      try await upload(adapter)
    }
    preparing = (adapter.digest, task)
    defer { preparing = nil }
    try await withTaskCancellationHandler {
      try await task.value
    } onCancel: {
      task.cancel()
    }
    return wasDown
  }

  private func upload(_ adapter: SentAdapter) async throws {
    if let difference = adapter.difference, digest == difference.parent {
      let reply = try await put(difference.path, adapter.digest)
      if reply.status == 200 { return try took(reply, adapter.digest) }
      // It may have lost the parent.
      digest = nil
    }
    let reply = try await put(adapter.whole, adapter.digest)
    guard reply.status == 200 else { throw client.refusal(reply) }
    try took(reply, adapter.digest)
  }

  private func put(_ path: String, _ digest: String) async throws -> ServerClient.Reply {
    try await client.send(
      "PUT", ["v1", "adapters", name + "@sha256:" + digest], .file(try MappedFile(path: path)),
      type: "application/vnd.tina.adapter", idleSeconds: 300)
  }

  private func took(_ reply: ServerClient.Reply, _ expected: String) throws {
    guard try client.json(reply).object?["digest"]?.string == expected else {
      throw client.badAnswer("another digest than that of the adapter sent", expected: expected)
    }
    digest = expected
    downSince = nil
  }

  /// Completes a request; the log-probabilities are read back bit for bit.
  nonisolated func complete(
    _ request: GenerationRequest, samples: Int, digest: String
  ) async throws -> [CompletedText] {
    let body = JSONValue.object(RolloutMessage.request(request, samples, model: name + "@sha256:" + digest))
    let reply = try await client.send("POST", ["v1", "completions"], .bytes(Array(body.text().utf8)))
    let value = try client.json(reply)
    guard let completions = RolloutMessage.completions(value, samples: samples) else {
      throw client.badAnswer("no tokens with their log-probabilities", expected: "\(samples) completions")
    }
    return completions
  }

  /// What becomes of the server after an error: it is tried again later, or never.
  ///
  /// - Returns: whether it is news that the server can't be used.
  /// - Throws: the error, if another server would give it too.
  func judge(_ error: any Error) throws -> Bool {
    digest = nil
    let isNews = downSince == nil
    if isNews { downSince = .now }
    switch error {
    case is TrainerError:
      if refusal == nil { throw error }
      return isNews
    case let error as TransferError:
      switch error.kind {
      case .unreachable, .badAnswer: return isNews
      // The adapter was replaced or is gone, the server is busy, full or stopping.
      case .refused(let status) where [404, 409, 429].contains(status) || status >= 500: return isNews
      default: throw error
      }
    default: throw error
    }
  }

  /// Removes this run's adapter.
  func leave() async {
    if digest != nil { _ = try? await client.send("DELETE", ["v1", "adapters", name], idleSeconds: 10) }
  }
}

/// What is said between a run and its servers.
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
