import ModelFiles
import Support
import TinaRuntime
import Tokenization

// Models, adapters and tokens.
extension Service {
  func modelList() -> JSONValue {
    .record([
      "object": .string("list"),
      "data": .array([baseEntry()] + adapters.list.map { entry($0.name, created: $0.created, $0) }),
    ])
  }

  func model(_ name: String) async throws -> JSONValue {
    let found = try await adapters.resolve(name)
    guard found.adapter != nil, let reference = ModelReference(name, base: adapters.baseName),
      let adapter = adapters.list.first(where: { $0.name == reference.adapter })
    else { return baseEntry() }
    return entry(name, created: adapter.created, adapter)
  }

  private func baseEntry() -> JSONValue { entry(adapters.baseName, created: created, nil) }

  private func entry(_ name: String, created: Int, _ adapter: AdapterRegistry.Description?) -> JSONValue {
    var members: [(key: String, value: JSONValue)] = [
      ("id", .string(name)), ("object", .string("model")), ("created", JSONValue(created)),
      ("owned_by", .string("tina")), ("root", .string(adapter?.name ?? name)),
      ("parent", adapter == nil ? .null : .string(adapters.baseName)),
      ("max_model_len", JSONValue(engine.contextLimit)),
    ]
    if let adapter {
      members += [
        ("adapter_parameters", JSONValue(adapter.parameters)), ("adapter_rank", JSONValue(adapter.rank)),
      ]
    }
    return .object(JSONObject(members))
  }

  // MARK: Loading adapters

  func load(_ request: ServerRequest) async throws -> WholeReply {
    let folder = try changeableFolder()
    let allowsMismatch = adapters.allowBaseMismatch
    let isTrusted = adapters.isTrusted
    let (name, source, replacing) = try await fields(of: request) { fields throws(ServingError) in
      let name = try fields.requiredWord("lora_name")
      let path = try folder.resolve(try fields.required("lora_path"))
      let replacing = try fields.flag("load_inplace") ?? false
      let scale = try fields.number("scale", -1e6...1e6) ?? 1
      guard AttachedAdapter.isScale(scale) else {
        throw .field("scale", found: "\(scale)", expected: AttachedAdapter.scaleRange)
      }
      let layers = try fields.integer("layers", 1...255)
      try fields.foreign([ForeignField("is_3d_lora_weight", .flag(false)), ForeignField("base_model_name")])
      try fields.finish()
      let source = AdapterSource(
        path: path, layers: layers, scale: scale, allowBaseMismatch: allowsMismatch, isTrusted: isTrusted)
      return (name, source, replacing)
    }
    let timing = try await adapters.load(name: name, source, replacing: replacing).timing
    var reply = WholeReply(
      "Success: LoRA adapter '\(name)' added successfully.", type: "text/plain; charset=utf-8")
    let parts = [("open", timing.open), ("attach", timing.attach), ("swap", timing.swap)].map {
      name, seconds in
      "\(name);dur=\((seconds * 1e6).rounded() / 1e3)"
    }
    reply.headers = [("Server-Timing", parts.joined(separator: ", "))]
    return reply
  }

  func unload(_ request: ServerRequest) async throws -> WholeReply {
    _ = try changeableFolder()
    let name = try await fields(of: request) { fields throws(ServingError) in
      let name = try fields.requiredWord("lora_name")
      try fields.neutral("lora_int_id", advice: "Adapters have names here.")
      try fields.finish()
      return name
    }
    try adapters.unload(name: name)
    return WholeReply(
      "Success: LoRA adapter '\(name)' removed successfully.", type: "text/plain; charset=utf-8")
  }

  private func changeableFolder() throws(ServingError) -> AdapterFolder {
    guard let folder = settings.adapterFolder else {
      throw ServingError(
        403, "permission_error", code: "adapters_fixed",
        "clients may not load or unload adapters here. Start the server with --adapter-dir FOLDER to let them"
          + " load what is in that folder.")
    }
    return folder
  }

  // MARK: Tokens

  /// What `/tokenize` is asked for.
  private enum Wanted: Sendable {
    case text(String, addsSpecialTokens: Bool)
    case conversation([ChatMessage], ChatOptions)
  }

  func tokenize(_ request: ServerRequest) async throws -> WholeReply {
    let (model, wanted, wantsTexts) = try await fields(of: request) {
      [limits = settings.limits] fields throws(ServingError) in
      let model = try fields.word("model")
      let wantsTexts = try fields.flag("return_token_strs") ?? false
      let wanted: Wanted
      if let prompt = try fields.text("prompt") {
        wanted = .text(prompt, addsSpecialTokens: try fields.flag("add_special_tokens") ?? true)
      } else {
        wanted = .conversation(
          try Conversation.messages(&fields, limits), try Conversation.options(&fields))
        try fields.foreign(ForeignField.templates + [ForeignField("tools", .empty)])
      }
      try fields.finish()
      return (model, wanted, wantsTexts)
    }
    if let model { _ = try await adapters.resolve(model) }
    let encoder: PromptEncoder? =
      if case .conversation(_, let options) = wanted { try self.encoder(options) } else { nil }
    return try await work.run(bytes: request.body.count) { [tokenizer, limit = engine.contextLimit] sign in
      let ids =
        switch wanted {
        case .text(let text, let special):
          try tokenizer.encode(text, addSpecialTokens: special) { sign.isCancelled }
        case .conversation(let messages, _): try encoder?.encode(messages) { sign.isCancelled } ?? []
        }
      return WholeReply(
        .record([
          "count": JSONValue(ids.count), "max_model_len": JSONValue(limit),
          "tokens": .array(ids.map { JSONValue($0) }),
          "token_strs": wantsTexts ? .array(ids.map { .string(tokenizer.token($0) ?? "") }) : .null,
        ]))
    }
  }

  func detokenize(_ request: ServerRequest) async throws -> WholeReply {
    let (model, ids) = try await fields(of: request) { [tokenizer] fields throws(ServingError) in
      let model = try fields.word("model")
      let ids = try fields.optional("tokens", "a list of the tokenizer's token ids") { value in
        value.array?.isEmpty == true
          ? []
          : value.array.flatMap { TextRequest.ids($0) }.flatMap {
            $0.allSatisfy(tokenizer.isKnown) ? $0 : nil
          }
      }
      guard let ids else {
        throw ServingError.invalid(param: "tokens", "tokens: found nothing, expected a list.")
      }
      try fields.finish()
      return (model, ids)
    }
    if let model { _ = try await adapters.resolve(model) }
    return try await work.run(bytes: request.body.count) { [tokenizer] _ in
      WholeReply(.record(["prompt": .string(tokenizer.decode(ids))]))
    }
  }
}
