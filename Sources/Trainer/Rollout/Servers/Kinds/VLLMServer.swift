import ModelFiles
import TinaRuntime
import Transfer

/// A vLLM with `--enable-lora` that takes adapters while it runs. It reads them from a folder that it shares with the
/// run, under another name for each step.
struct VLLMServer: ServerDialect {
  let client: ServerClient
  let terms: ServerTerms

  func check() async throws {
    let cards = try await ServerModels(client).all
    guard let card = cards.first(where: { $0["parent"]?.string == nil }), let base = card["id"]?.string else {
      throw client.badAnswer("no base among its models", expected: "one")
    }
    if let context = card["max_model_len"]?.int, context < terms.requirements.context {
      throw ServerDifference(
        found: "a context of \(context) tokens", expected: "\(terms.requirements.context) or more",
        advice: "Start it with --max-model-len \(terms.requirements.context).")
    }
    // An empty name is refused, where the route is there at all.
    let probe = try await load(name: "", path: "")
    if [404, 405, 501].contains(probe.status) {
      throw ServerDifference(
        found: "a vLLM that loads no adapters while it runs", expected: "one that does",
        advice:
          "Start it with VLLM_ALLOW_RUNTIME_LORA_UPDATING=True in its environment, and with --enable-lora "
          + "--max-lora-rank as large as the recipe's rank.")
    }
    if terms.temperature != 1 {
      let isTempered = try await OtherServers.isTempered { try await likeliest(base, $0) }
      try terms.check(isTempered: isTempered, remedy: ", or start it with another --logprobs-mode")
    }
  }

  /// The largest log-probability after a prompt.
  private func likeliest(_ base: String, _ temperature: String) async throws -> Float? {
    let reply = try await client.send(
      "POST", ["v1", "completions"],
      OtherServers.bytes([
        ("model", .string(base)), ("prompt", .array([JSONValue(terms.requirements.endTokens.first ?? 0)])),
        ("max_tokens", JSONValue(1)), ("temperature", .number(temperature)), ("logprobs", JSONValue(1)),
      ]))
    let told = try client.json(reply).object?["choices"]?.array?.first?.object?["logprobs"]?.object
    return told?["top_logprobs"]?.array?.first?.object?.members.compactMap { OtherServers.float($0.1) }.max()
  }

  private func load(name: String, path: String) async throws -> ServerClient.Reply {
    try await client.send(
      "POST", ["v1", "load_lora_adapter"],
      OtherServers.bytes([("lora_name", .string(name)), ("lora_path", .string(path))]))
  }

  func load(_ adapter: SentAdapter, after last: String?) async throws {
    guard case .exported(let files) = adapter.content else { return }
    let name = terms.version(adapter.digest)
    let reply = try await load(name: name, path: try files.peft())
    if reply.status != 200 {
      // This run, started again, may have left it there.
      let there = try await ServerModels(client).all.compactMap { $0["id"]?.string }
      guard reply.status == 400, there.contains(name) else { throw refusal(of: reply) }
    }
    if let last, last != adapter.digest { await leave(last) }
  }

  /// Status 500 stands for a server that may come back, but also for one that was started without what adapters need.
  private func refusal(of reply: ServerClient.Reply) -> any Error {
    let said = String(decoding: reply.body.prefix(4096), as: UTF8.self)
    guard ["max_lora_rank", "LoRA is not enabled"].contains(where: said.contains) else {
      return client.refusal(reply)
    }
    return TrainerError(
      .server, place: "rollout_servers: " + client.address.text,
      found: "a vLLM that has no room for such adapters: \(printable(said, limit: 300))",
      expected: "a vLLM that takes adapters of the recipe's largest rank",
      advice:
        "Start it with --enable-lora --max-lora-rank as large as the recipe's largest rank, or the next "
        + "larger of 8, 16, 32, 64, 128, 256.")
  }

  func complete(_ request: GenerationRequest, samples: Int, digest: String) async throws -> [CompletedText] {
    let limit = request.settings.maxTokens ?? terms.requirements.context
    let reply = try await client.send(
      "POST", ["v1", "completions"],
      OtherServers.bytes(
        [
          ("model", .string(terms.version(digest))), ("prompt", .array(request.prompt.map { JSONValue($0) })),
          ("n", JSONValue(samples)), ("max_tokens", JSONValue(limit)),
          ("seed", JSONValue(terms.seed(request))),
          ("logprobs", JSONValue(1)), ("return_tokens_as_token_ids", .bool(true)),
        ] + OtherServers.sampling(request, terms.requirements)))
    let choices = (try client.json(reply).object?["choices"]?.array?.compactMap(\.object) ?? [])
      .sorted { ($0["index"]?.int ?? 0) < ($1["index"]?.int ?? 0) }
    let texts = choices.compactMap(text)
    guard texts.count == samples, choices.count == samples else {
      throw client.badAnswer(
        "no ids of tokens with their log-probabilities", expected: "\(samples) completions")
    }
    for (choice, text) in zip(choices, texts) {
      try OtherServers.check(
        text, isCut: choice["finish_reason"]?.string == "length", request, terms, client.address.text,
        advice: "Start it with --generation-config vllm, and without max_new_tokens in "
          + "--override-generation-config.")
    }
    return texts
  }

  private func text(_ choice: JSONObject) -> CompletedText? {
    let mark = "token_id:"
    guard ["stop", "length"].contains(choice["finish_reason"]?.string),
      let names = choice["logprobs"]?.object?["tokens"]?.array,
      let told = choice["logprobs"]?.object?["token_logprobs"]?.array, names.count == told.count
    else { return nil }
    let tokens = zip(names, told).compactMap { name, value -> OtherServers.Token? in
      guard let name = name.string, name.hasPrefix(mark), let id = Int(name.dropFirst(mark.count)),
        let number = OtherServers.float(value)
      else { return nil }
      return (id, number)
    }
    return tokens.count == names.count ? OtherServers.text(tokens, terms.requirements) : nil
  }

  func leave(_ digest: String) async {
    _ = try? await client.send(
      "POST", ["v1", "unload_lora_adapter"],
      OtherServers.bytes([("lora_name", .string(terms.version(digest)))]), idleSeconds: 60)
  }
}
