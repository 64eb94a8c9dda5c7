import ModelFiles
import TinaRuntime
import Transfer

/// An SGLang with `--enable-lora`. It reads adapters from a folder that it shares with the run, under another name for
/// each step.
struct SGLangServer: ServerDialect {
  let client: ServerClient
  let terms: ServerTerms

  func check() async throws {
    // It ends a request two tokens before its context is full.
    let needed = terms.requirements.context + 2
    if let context = try await ServerModels(client).all.first?["max_model_len"]?.int,
      context < needed
    {
      throw ServerDifference(
        found: "a context of \(context) tokens", expected: "\(needed) or more",
        advice: "Start it with --context-length \(needed).")
    }
    if terms.temperature != 1 {
      let isTempered = try await OtherServers.isTempered { try await likeliest($0) }
      try terms.check(
        isTempered: isTempered,
        remedy: isTempered ? ", or start it with SGLANG_RETURN_ORIGINAL_LOGPROB=1" : "")
    }
  }

  /// The largest log-probability after a prompt.
  private func likeliest(_ temperature: String) async throws -> Float? {
    let settings = JSONValue.record(["max_new_tokens": JSONValue(1), "temperature": .number(temperature)])
    let reply = try await client.send(
      "POST", ["generate"],
      OtherServers.bytes([
        ("input_ids", .array([JSONValue(terms.requirements.endTokens.first ?? 0)])),
        ("sampling_params", settings),
        ("return_logprob", .bool(true)), ("top_logprobs_num", JSONValue(1)),
      ]))
    let told = try client.json(reply).object?["meta_info"]?.object?["output_top_logprobs"]?.array
    return told?.first?.array?.compactMap { OtherServers.float($0.array?.first) }.max()
  }

  func load(_ adapter: SentAdapter, after last: String?) async throws {
    guard case .exported(let files) = adapter.content else { return }
    let name = terms.version(adapter.digest)
    let reply = try await client.send(
      "POST", ["load_lora_adapter"],
      OtherServers.bytes([("lora_name", .string(name)), ("lora_path", .string(try files.peft()))]))
    if reply.status != 200 {
      let said = String(decoding: reply.body.prefix(4096), as: UTF8.self)
      // This run, started again, may have left it there.
      guard reply.status == 400, said.contains("already") else {
        guard said.contains("--enable-lora") else { throw client.refusal(reply) }
        throw TrainerError(
          .server, place: "rollout_servers: " + client.address.text, found: "an SGLang without --enable-lora",
          expected: "one that loads adapters",
          advice: "Start it with --enable-lora --max-lora-rank as large as the recipe's rank and "
            + "--lora-target-modules all.")
      }
    }
    if let last, last != adapter.digest { await leave(last) }
  }

  func complete(_ request: GenerationRequest, samples: Int, digest: String) async throws -> [CompletedText] {
    let limit = request.settings.maxTokens ?? terms.requirements.context
    let settings = JSONObject(
      [("max_new_tokens", JSONValue(limit)), ("n", JSONValue(samples))]
        + OtherServers.sampling(request, terms.requirements))
    let reply = try await client.send(
      "POST", ["generate"],
      OtherServers.bytes([
        ("input_ids", .array(request.prompt.map { JSONValue($0) })), ("sampling_params", .object(settings)),
        ("return_logprob", .bool(true)), ("lora_path", .string(terms.version(digest))),
      ]))
    let value = try client.json(reply)
    let answers = (value.array ?? [value]).map { $0.object?["meta_info"]?.object }
    let texts = answers.compactMap { $0.flatMap(text) }
    guard texts.count == samples, answers.count == samples else {
      throw client.badAnswer(
        "no ids of tokens with their log-probabilities", expected: "\(samples) completions")
    }
    for (about, text) in zip(answers, texts) {
      try OtherServers.check(
        text, isCut: Self.end(about) == "length", request, terms, client.address.text,
        advice: "Start it with more memory for keys and values, and without SGLANG_MAX_NEW_TOKENS_LIMIT.")
    }
    return texts
  }

  /// Why a completion ended.
  private static func end(_ about: JSONObject?) -> String? {
    about?["finish_reason"]?.object?["type"]?.string
  }

  private func text(_ about: JSONObject) -> CompletedText? {
    guard let told = about["output_token_logprobs"]?.array,
      ["stop", "length"].contains(Self.end(about))
    else { return nil }
    let tokens = told.compactMap { value -> OtherServers.Token? in
      guard let pair = value.array, pair.count >= 2, let id = pair[1].int,
        let number = OtherServers.float(pair[0])
      else { return nil }
      return (id, number)
    }
    return tokens.count == told.count ? OtherServers.text(tokens, terms.requirements) : nil
  }

  func leave(_ digest: String) async {
    _ = try? await client.send(
      "POST", ["unload_lora_adapter"],
      OtherServers.bytes([("lora_name", .string(terms.version(digest)))]), idleSeconds: 60)
  }
}
