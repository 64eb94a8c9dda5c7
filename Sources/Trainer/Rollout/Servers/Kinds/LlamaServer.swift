import ModelFiles
import Support
import TinaRuntime
import Transfer

/// A llama-server that starts its models itself.
///
/// llama.cpp reads an adapter's file when it starts a model, and afterwards changes only its scale. But a llama-server
/// without a model of its own ends and starts models on demand: so each step's adapter gets the name that a preset has,
/// and the model is started anew.
struct LlamaServer: ServerDialect {
  let client: ServerClient
  let terms: ServerTerms
  /// Seconds that a model may take to start or end.
  private static let patience = Duration.seconds(600)

  /// One model of the server's.
  private struct Model {
    let id: String
    let state: String
    let hasFailed: Bool
  }

  func check() async throws {
    guard terms.processes == 1 else {
      throw ServerDifference(
        found: "llama-server for \(terms.processes) processes", expected: "one process",
        advice: "It starts its model anew for each step, under the requests of the others.")
    }
    try terms.check(isTempered: false, remedy: "")
    _ = try await policy()
  }

  private var path: String { ExportedAdapter.gguf(in: terms.folder ?? "") }

  /// The model that has this run's adapter.
  private func policy() async throws -> Model {
    for card in try await ServerModels(client).all {
      guard let status = card["status"]?.object, let id = card["id"]?.string else { continue }
      let words = status["args"]?.array?.compactMap(\.string) ?? []
      let preset = (status["preset"]?.string ?? "").split(separator: "\n").map { line in
        String(line.split(separator: "=", maxSplits: 1).last ?? "").trimmingASCIIBlanks()
      }
      guard words.contains(path) || preset.contains(path) else { continue }
      return Model(
        id: id, state: status["value"]?.string ?? "", hasFailed: status["failed"]?.bool ?? false)
    }
    throw ServerDifference(
      found: "a llama-server that has no model with the adapter \(path)",
      expected: "one that starts such a model itself",
      advice:
        "An adapter can't be changed in a model that runs. Write a preset of three lines, \"[policy]\", "
        + "\"model = BASE.gguf\" and \"lora = \(path)\", and start llama-server --models-preset PRESET.ini.")
  }

  func load(_ adapter: SentAdapter, after last: String?) async throws {
    guard case .exported(let files) = adapter.content else { return }
    _ = try files.gguf()
    let model = try await policy()
    if model.state != "unloaded" {
      try await order("unload", model.id)
      try await wait(for: "unloaded")
    }
    try await order("load", model.id)
    try await wait(for: "loaded")
  }

  private func order(_ what: String, _ model: String) async throws {
    let reply = try await client.send(
      "POST", ["models", what], OtherServers.bytes([("model", .string(model))]), idleSeconds: 120)
    guard reply.status == 200 else { throw client.refusal(reply) }
  }

  private func wait(for state: String) async throws {
    let began = ContinuousClock.now
    while true {
      let model = try await policy()
      if model.state == state, !model.hasFailed || state == "unloaded" { return }
      if model.hasFailed, state == "loaded" {
        throw TrainerError(
          .server, place: "rollout_servers: " + client.address.text,
          found: "a model \(model.id) that does not start",
          expected: "one that starts with the adapter \(path)", advice: "See what llama-server wrote.")
      }
      guard ContinuousClock.now - began < Self.patience else {
        throw client.badAnswer("a model that is \(model.state)", expected: state)
      }
      try await Task.sleep(for: .milliseconds(20))
    }
  }

  /// One request a completion: how many go at once is the server's affair.
  func complete(_ request: GenerationRequest, samples: Int, digest: String) async throws -> [CompletedText] {
    let model = try await policy().id
    return try await withThrowingTaskGroup(of: (Int, CompletedText).self) { tasks in
      for sample in 0..<samples {
        tasks.addTask { (sample, try await self.complete(request, sample, model)) }
      }
      var texts = [CompletedText](repeating: .init(), count: samples)
      for try await (sample, text) in tasks { texts[sample] = text }
      return texts
    }
  }

  private func complete(_ request: GenerationRequest, _ sample: Int, _ model: String) async throws
    -> CompletedText
  {
    let sampling = request.settings.sampling
    let limit = request.settings.maxTokens ?? terms.requirements.context
    let reply = try await client.send(
      "POST", ["completion"],
      OtherServers.bytes([
        ("model", .string(model)), ("prompt", .array(request.prompt.map { JSONValue($0) })),
        ("n_predict", JSONValue(limit)), ("seed", JSONValue(terms.seed(request, sample: sample))),
        ("temperature", .number("\(sampling.temperature)")), ("top_k", JSONValue(sampling.topK)),
        ("top_p", .number("\(sampling.topP)")), ("min_p", .number("\(sampling.minP)")),
        // In the order of the others; no other filters, which are on by default in some versions.
        ("samplers", .array(["temperature", "top_k", "top_p", "min_p"].map { .string($0) })),
        ("n_probs", JSONValue(1)), ("return_tokens", .bool(true)), ("stream", .bool(false)),
      ]))
    let answer = try client.json(reply).object
    let ids = answer?["tokens"]?.array?.compactMap(\.int) ?? []
    guard let told = answer?["completion_probabilities"]?.array?.compactMap(\.object),
      let text = OtherServers.text(Self.tokens(ids, told), terms.requirements)
    else {
      throw client.badAnswer("no ids of tokens with their log-probabilities", expected: "a completion")
    }
    try OtherServers.check(
      text, isCut: answer?["stop_type"]?.string == "limit", request, terms, client.address.text,
      advice: "Add to the preset: ctx-size = \(terms.requirements.context) for each of its parallel slots.")
    return text
  }

  /// Tokens with their log-probabilities. The server leaves those out that end within a character.
  private static func tokens(_ ids: [Int], _ told: [JSONObject]) -> [OtherServers.Token] {
    var rest = told[...]
    return ids.map { id -> OtherServers.Token in
      guard let next = rest.first, next["id"]?.int == id else { return (id, .nan) }
      rest.removeFirst()
      return (id, OtherServers.float(next["logprob"]) ?? .nan)
    }
  }

  /// The model stays as it is, with the run's last adapter.
  func leave(_ digest: String) async {}
}
