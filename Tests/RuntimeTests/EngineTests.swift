import AdapterFormat
import ModelFiles
import TestSupport
import Testing

@testable import TinaRuntime

@Suite struct EngineTests {
  let model: Model
  let adapter: AttachedAdapter

  init() throws {
    model = try Model(path: fixture("tiny-bf16"), threads: 2)
    adapter = try AttachedAdapter(Adapter(path: fixture("adapter-all-r4")), to: model)
  }

  func request(_ i: Int) -> GenerationRequest {
    GenerationRequest(
      prompt: someTokens(1 + 11 * i % 300, below: model.config.vocabSize, seed: UInt64(i)),
      .init(
        adapter: i % 2 == 0 ? adapter : nil, sampling: .init(temperature: 0.9, topP: 0.95, seed: 7),
        maxTokens: 3 + i % 9), endTokens: [], promptIndex: i, sampleIndex: i % 3)
  }

  @Test func scoresEqualWhatTheSamplerReported() async throws {
    let engine = Engine(model: model)
    let request = request(4)
    let sampled = try await engine.generate(request).collect()
    let scored = try await engine.score(
      prompt: request.prompt, completion: sampled.ids, adapter: request.settings.adapter)
    #expect(sameBits(scored, sampled.logProbabilities))
    let tempered = try await engine.score(
      prompt: request.prompt, completion: sampled.ids, adapter: request.settings.adapter, temperature: 0.9)
    #expect(sameBits(tempered, sampled.temperedLogProbabilities))
    #expect(!sameBits(scored, tempered))
  }

  @Test func endsAtStopTokensAndLimits() async throws {
    let engine = Engine(model: model, contextLimit: 20)
    var request = GenerationRequest(prompt: [1, 2, 3], .init(sampling: .greedy, maxTokens: 5), endTokens: [])
    let limited = try await engine.generate(request).collect()
    #expect(limited.ids.count == 5 && limited.reason == .length)

    request.endTokens = [limited.ids[2]]
    let first = limited.ids.firstIndex(of: limited.ids[2]) ?? 2
    let stopped = try await engine.generate(request).collect()
    #expect(stopped.ids == Array(limited.ids[...first]) && stopped.reason == .stop)

    let full = try await engine.generate(
      GenerationRequest(prompt: [1, 2, 3], .init(sampling: .greedy, maxTokens: 1000), endTokens: [])
    ).collect()
    #expect(full.ids.count == 17 && full.reason == .length, "the context of 20 holds 3 + 17")
  }

  @Test func cancellationEndsACompletion() async throws {
    let engine = Engine(model: model)
    let completion = try engine.generate(
      GenerationRequest(prompt: [1], .init(sampling: .greedy, maxTokens: 100_000), endTokens: []))
    completion.cancel()
    let end = try await completion.collect()
    #expect(end.reason == .cancelled)
    #expect(end.ids.count < 511, "the context's end came first")
  }

  @Test func droppingAStreamCancels() async throws {
    // The tiny model is fast, so a thread that the system pauses may cancel too late: several rounds are allowed.
    // Without cancellation every round would draw 2,556 tokens.
    var drawn: [Int] = []
    for _ in 0..<20 where drawn.last.map({ $0 >= 512 }) ?? true {
      let engine = Engine(model: model, batchLimit: 1)
      _ = try engine.generate(GenerationRequest(prompt: [1], .init(sampling: .greedy), endTokens: []))
      _ = try engine.generate(
        GenerationRequest(prompt: [2], .init(sampling: .greedy), endTokens: []), samples: 3)
      let task = Task { [engine] in
        try await engine.generate(GenerationRequest(prompt: [3], .init(sampling: .greedy), endTokens: []))
          .collect()
      }
      task.cancel()
      _ = try? await task.value
      // If one of them were still running, this request would wait for the end of its context of 512.
      let last = try await engine.generate(GenerationRequest(prompt: [4], .init(maxTokens: 1), endTokens: []))
        .collect()
      #expect(last.ids.count == 1)
      drawn.append(engine.statistics.tokensDrawn)
    }
    #expect(try #require(drawn.min()) < 512, "tokens drawn: \(drawn)")
  }

  @Test func refusesWhatNeverFits() throws {
    let page = CacheLayout(model.config, type: .f16).pageBytes
    let engine = Engine(model: model, memoryBudget: 3 * page)
    _ = try engine.generate(.init(prompt: someTokens(64, below: 90), .init(maxTokens: 33), endTokens: []))
    #expect(
      throws: RuntimeError.memoryBudgetTooSmall(prompt: 64, answer: 34, bytes: 4 * page, budget: 3 * page)
    ) {
      _ = try engine.generate(.init(prompt: someTokens(64, below: 90), .init(maxTokens: 34), endTokens: []))
    }
    let message = RuntimeError.memoryBudgetTooSmall(prompt: 64, answer: 34, bytes: 4096, budget: 3072)
    #expect(message.description.contains("4096 bytes") && message.description.contains("3072 bytes"))
    #expect(throws: RuntimeError.self) {
      _ = try engine.generate(.init(prompt: [1], .init(maxTokens: 5), endTokens: []), samples: 0)
    }
  }

  @Test func anAnswerWithoutLimitEndsWhereTheBudgetDoes() async throws {
    let page = CacheLayout(model.config, type: .f16).pageBytes
    let engine = Engine(model: model, memoryBudget: 2 * page + page / 2)
    let answer = try await engine.generate(.init(prompt: [1, 2], .init(sampling: .greedy), endTokens: []))
      .collect()
    #expect(answer.reason == .length && answer.ids.count == 63, "two pages, and a last token that needs none")
  }

  @Test func refusesWhatCannotRun() throws {
    let engine = Engine(model: model, contextLimit: 16)
    func refusal(_ request: GenerationRequest) -> RuntimeError? {
      do {
        _ = try engine.generate(request)
        return nil
      } catch { return error }
    }
    #expect(refusal(.init(prompt: [], .init(maxTokens: 1))) == .emptyPrompt)
    let long = Array(repeating: 1, count: 16)
    #expect(refusal(.init(prompt: long, .init(maxTokens: 1))) == .promptTooLong(tokens: 16, context: 16))
    #expect(RuntimeError.promptTooLong(tokens: 16, context: 16).description.contains("at most 15"))
    let outside = model.config.vocabSize
    #expect(
      refusal(.init(prompt: [outside], .init(maxTokens: 1)))
        == .tokenOutOfRange(id: outside, vocabulary: outside))
    #expect(refusal(.init(prompt: [1], .init(sampling: .init(temperature: -1), maxTokens: 1))) != nil)
    #expect(refusal(.init(prompt: [1], .init(sampling: .init(topP: 0), maxTokens: 1))) != nil)
    #expect(refusal(.init(prompt: [1], .init(maxTokens: 0))) != nil)
    #expect(refusal(.init(prompt: [1], .init(maxTokens: 1, topCount: 129))) != nil)
    #expect(refusal(.init(prompt: [1], .init(maxTokens: 1, stopTexts: ["x"]))) != nil, "no tokenizer")
    #expect(refusal(.init(prompt: [1], .init(sampling: .init(repetitionPenalty: 0), maxTokens: 1))) != nil)
    #expect(refusal(.init(prompt: [1], .init(sampling: .init(temperature: 1e-9), maxTokens: 1))) != nil)
  }
}
