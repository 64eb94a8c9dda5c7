import Foundation
import ModelFiles
import Support
import TinaRuntime
import Tokenization

// Chats and plain completions.
extension Service {
  func chat(_ request: ServerRequest, _ exchange: Exchange) async throws {
    let wanted = try await read(request) { [limits = settings.limits] fields throws(ServingError) in
      try ChatRequest(&fields, limits)
    }
    let model = try await adapters.resolve(wanted.model)
    let encoder = try encoder(wanted.options)
    let tellsPrompt = wanted.tina.parts.contains(.prompt)
    let (prompt, text, prediction) = try await work.run(bytes: request.body.count) { [tokenizer] sign in
      (
        try encoder.encode(wanted.messages) { sign.isCancelled },
        tellsPrompt ? try encoder.render(wanted.messages) : nil,
        try wanted.prediction.map { text in
          try tokenizer.encode(text, addSpecialTokens: false) { sign.isCancelled }
        }
      )
    }
    let plan = GenerationPlan(
      prompts: [prompt], samples: wanted.sampling.samples,
      settings: wanted.sampling.settings(
        engine.model.directory.generation, adapter: model.adapter, maxTokens: wanted.maxTokens,
        top: wanted.logprobs), prediction: prediction ?? [], tina: wanted.tina, promptText: text)
    let format = ChatFormat(head: head("chatcmpl-", model.name, wanted.sampling.seed, top: wanted.logprobs))
    try await run(
      plan, format, wanted.sampling, opensThinking: encoder.template.opensThinking, model.name, exchange)
  }

  func complete(_ request: ServerRequest, _ exchange: Exchange) async throws {
    let wanted = try await read(request) { [limits = settings.limits] fields throws(ServingError) in
      try TextRequest(&fields, limits)
    }
    let model = try await adapters.resolve(wanted.model)
    let plan = GenerationPlan(
      prompts: try await work.run(bytes: request.body.count) { [tokenizer] sign in
        try wanted.prompts.map { prompt in
          switch prompt {
          case .text(let text):
            return try tokenizer.encode(text, addSpecialTokens: wanted.addsSpecialTokens) { sign.isCancelled }
          case .ids(let ids): return ids
          }
        }
      }, samples: wanted.sampling.samples,
      settings: wanted.sampling.settings(
        engine.model.directory.generation, adapter: model.adapter, maxTokens: wanted.maxTokens,
        top: wanted.logprobs), tina: wanted.tina)
    let format = TextFormat(head: head("cmpl-", model.name, wanted.sampling.seed, top: wanted.logprobs))
    try await run(plan, format, wanted.sampling, opensThinking: false, model.name, exchange)
  }

  func respond(_ request: ServerRequest, _ exchange: Exchange) async throws {
    let wanted = try await read(request) { [limits = settings.limits] fields throws(ServingError) in
      try ResponsesRequest(&fields, limits)
    }
    let model = try await adapters.resolve(wanted.model)
    let encoder = try encoder(wanted.options)
    let plan = GenerationPlan(
      prompts: try await work.run(bytes: request.body.count) { sign in
        [try encoder.encode(wanted.messages) { sign.isCancelled }]
      },
      samples: 1,
      settings: wanted.sampling.settings(
        engine.model.directory.generation, adapter: model.adapter, maxTokens: wanted.maxTokens, top: nil))
    let format = ResponsesFormat(
      head: head("resp_", model.name, wanted.sampling.seed, top: nil), request: wanted)
    try await run(
      plan, format, wanted.sampling, opensThinking: encoder.template.opensThinking, model.name, exchange)
  }

  /// Reads a request for an answer, unless the server is stopping.
  private func read<Wanted: Sendable>(
    _ request: ServerRequest,
    _ body: @escaping @Sendable (inout RequestFields) throws(ServingError) -> Wanted
  ) async throws -> Wanted {
    if admission.isDraining { throw ServingError.draining }
    return try await fields(of: request, body)
  }

  /// Reads a request's body; a long one where nobody has to wait for it.
  func fields<Wanted: Sendable>(
    of request: ServerRequest,
    _ body: @escaping @Sendable (inout RequestFields) throws(ServingError) -> Wanted
  ) async throws -> Wanted {
    try await work.run(bytes: request.body.count) { sign in
      var fields = try RequestFields(body: request.body)
      try sign.check()
      return try body(&fields)
    }
  }

  private func head(_ prefix: String, _ model: String, _ seed: UInt64, top: Int?) -> AnswerHead {
    AnswerHead(
      id: prefix + UUID().uuidString.lowercased().filter { $0 != "-" },
      created: Int(Date().timeIntervalSince1970), model: model, seed: seed,
      activations: engine.model.activations,
      endTokens: engine.model.endTokens, tokenizer: tokenizer, top: top)
  }

  /// Waits for admission, generates, and answers.
  private func run(
    _ plan: GenerationPlan, _ format: some AnswerFormat, _ wanted: SamplingFields, opensThinking: Bool,
    _ model: String, _ exchange: Exchange
  ) async throws {
    let record = exchange.record
    let promptTokens = plan.prompts.reduce(0) { $0 + $1.count }
    record.update {
      $0.model = model
      $0.promptTokens = promptTokens
      $0.isStream = wanted.stream
    }
    // A request that can never be answered is refused before it waits.
    let requests = try format.naming { () throws(RuntimeError) in try plan.requests(assistant) }
    let ticket = try await admission.enter(
      completions: plan.completions,
      tokens: admission.expectedTokens(
        prompts: plan.prompts.map(\.count), samples: plan.samples, maxTokens: plan.settings.maxTokens ?? .max)
    )
    record.update { $0.queued = record.elapsed }
    var answers = [Answer](repeating: Answer(opensThinking: opensThinking), count: plan.completions)
    defer {
      record.update {
        $0.tokens = answers.reduce(0) { $0 + $1.tokens }
        $0.finish = answers.compactMap { $0.reason?.rawValue }
      }
      admission.leave(ticket, answers: answers.compactMap { $0.reason == nil ? nil : $0.tokens })
    }
    let generation = try Generation(requests, samples: plan.samples, on: engine)
    if wanted.stream {
      try await exchange.beginStream()
      try await exchange.events(format.opening(choices: plan.completions))
    }
    do {
      try await generation.forEach { event in
        if !plan.tina.parts.isEmpty { answers[event.choice].drawn.add(event.event) }
        if case .token = event.event, record.values.firstToken == nil {
          record.update { $0.firstToken = record.elapsed }
        }
        if case .finished(let end) = event.event {
          answers[event.choice].cachedPromptTokens = end.cachedPromptTokens
          answers[event.choice].draftedTokens = end.draftedTokens
          answers[event.choice].acceptedTokens = end.acceptedTokens
        }
        let chunks = format.chunks(event, &answers[event.choice])
        if wanted.stream { try await exchange.events(chunks) }
      }
    } catch let error as RuntimeError where wanted.stream {
      // The status is sent already: the stream names the error and ends without [DONE].
      let told = told(error, record)
      record.update { $0.code = told.code ?? "failed" }
      return try await exchange.endStream([format.failure(told, answers)], isDone: false)
    }
    let usage = Self.usage(promptTokens, answers, samples: plan.samples)
    guard wanted.stream else {
      let made = answers
      let reply = try await work.run(bytes: Self.size(made)) { [assistant] _ in
        let reply = format.whole(made, usage: usage)
        let told = plan.tina.told(prompt: plan.promptText, made) { assistant.text(of: $0) }
        return WholeReply(
          told.flatMap { told in reply.object.map { .object($0.with("tina", told)) } } ?? reply)
      }
      return try await exchange.send(reply)
    }
    try await exchange.endStream(
      format.closing(answers, usage: usage, isUsageWanted: wanted.includeUsage), isDone: format.endsWithDone)
  }

  /// Bytes of answers, probabilities included, more or less.
  private static func size(_ answers: [Answer]) -> Int {
    answers.reduce(0) { sum, answer in
      let listed = answer.probabilities.reduce(0) { $0 + 1 + $1.top.count }
      return sum + answer.content.utf8.count + answer.reasoning.utf8.count + 100 * listed
        + 40 * answer.drawn.ids.count
    }
  }

  private static func usage(_ promptTokens: Int, _ answers: [Answer], samples: Int) -> JSONValue {
    // A prompt counts once for all its samples, as for the sample that computed it.
    let cached = stride(from: 0, to: answers.count, by: samples).reduce(0) { sum, first in
      sum + (answers[first..<first + samples].map(\.cachedPromptTokens).min() ?? 0)
    }
    let tokens = answers.reduce(0) { $0 + $1.tokens }
    let reasoning = answers.reduce(0) { $0 + $1.reasoningTokens }
    let drafted = answers.reduce(0) { $0 + $1.draftedTokens }
    let accepted = answers.reduce(0) { $0 + $1.acceptedTokens }
    return .record([
      "prompt_tokens": JSONValue(promptTokens), "completion_tokens": JSONValue(tokens),
      "total_tokens": JSONValue(promptTokens + tokens),
      "prompt_tokens_details": .record(["cached_tokens": JSONValue(cached)]),
      "completion_tokens_details": .record([
        "reasoning_tokens": JSONValue(reasoning), "accepted_prediction_tokens": JSONValue(accepted),
        "rejected_prediction_tokens": JSONValue(drafted - accepted),
      ]),
    ])
  }
}
