import Foundation
import ModelFiles
import Support
import TinaRuntime
import Tokenization

// Chats and plain completions.
extension Service {
  func chat(_ request: ServerRequest, _ exchange: Exchange) async throws {
    var fields = try RequestFields(body: request.body)
    let wanted = try ChatRequest(&fields, settings.limits)
    let model = try await adapters.resolve(wanted.model)
    let encoder = try prompts
    let plan = GenerationPlan(
      prompts: try await encode(bytes: request.body.count) { [encoder.encode(wanted.messages)] },
      samples: wanted.sampling.samples,
      settings: wanted.sampling.settings(
        engine.model.directory.generation, adapter: model.adapter, maxTokens: wanted.maxTokens,
        top: wanted.logprobs))
    let format = ChatFormat(head: head("chatcmpl-", model.name, wanted.sampling.seed, top: wanted.logprobs))
    try await run(
      plan, format, wanted.sampling, opensThinking: encoder.template.opensThinking, model.name, exchange)
  }

  func complete(_ request: ServerRequest, _ exchange: Exchange) async throws {
    var fields = try RequestFields(body: request.body)
    let wanted = try TextRequest(&fields, settings.limits)
    let model = try await adapters.resolve(wanted.model)
    let plan = GenerationPlan(
      prompts: try await encode(bytes: request.body.count) { [tokenizer] in
        wanted.prompts.map { prompt in
          switch prompt {
          case .text(let text): tokenizer.encode(text, addSpecialTokens: wanted.addsSpecialTokens)
          case .ids(let ids): ids
          }
        }
      }, samples: wanted.sampling.samples,
      settings: wanted.sampling.settings(
        engine.model.directory.generation, adapter: model.adapter, maxTokens: wanted.maxTokens,
        top: wanted.logprobs))
    let format = TextFormat(head: head("cmpl-", model.name, wanted.sampling.seed, top: wanted.logprobs))
    try await run(plan, format, wanted.sampling, opensThinking: false, model.name, exchange)
  }

  /// Encodes texts. Megabytes take seconds: one worker encodes them in turn, so that other requests' tokens do not
  /// wait.
  func encode<T: Sendable>(bytes: Int, _ body: @escaping @Sendable () -> T) async throws -> T {
    bytes <= 1 << 16 ? body() : try await longWork.run(body)
  }

  private func head(_ prefix: String, _ model: String, _ seed: UInt64, top: Int?) -> AnswerHead {
    AnswerHead(
      id: prefix + UUID().uuidString.lowercased().filter { $0 != "-" },
      created: Int(Date().timeIntervalSince1970), model: model, seed: seed,
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
        if case .token = event.event, record.values.firstToken == nil {
          record.update { $0.firstToken = record.elapsed }
        }
        if case .finished(let end) = event.event {
          answers[event.choice].cachedPromptTokens = end.cachedPromptTokens
        }
        let chunks = format.chunks(event, &answers[event.choice])
        if wanted.stream { try await exchange.events(chunks) }
      }
    } catch let error as RuntimeError where wanted.stream {
      // The status is sent already: the stream names the error and ends without [DONE].
      record.update { $0.code = "failed" }
      return try await exchange.endStream([ServingError(error).json], isDone: false)
    }
    let usage = Self.usage(promptTokens, answers, samples: plan.samples)
    guard wanted.stream else {
      return try await exchange.send(WholeReply(format.whole(answers, usage: usage)))
    }
    try await exchange.endStream(wanted.includeUsage ? [format.usageChunk(usage)] : [])
  }

  private static func usage(_ promptTokens: Int, _ answers: [Answer], samples: Int) -> JSONValue {
    // A prompt counts once for all its samples, as for the sample that computed it.
    let cached = stride(from: 0, to: answers.count, by: samples).reduce(0) { sum, first in
      sum + (answers[first..<first + samples].map(\.cachedPromptTokens).min() ?? 0)
    }
    let tokens = answers.reduce(0) { $0 + $1.tokens }
    let reasoning = answers.reduce(0) { $0 + $1.reasoningTokens }
    return .record([
      "prompt_tokens": JSONValue(promptTokens), "completion_tokens": JSONValue(tokens),
      "total_tokens": JSONValue(promptTokens + tokens),
      "prompt_tokens_details": .record(["cached_tokens": JSONValue(cached)]),
      "completion_tokens_details": .record(["reasoning_tokens": JSONValue(reasoning)]),
    ])
  }
}
