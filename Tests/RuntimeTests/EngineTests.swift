import AdapterFormat
import ModelFiles
import Testing

@testable import TinaRuntime

@Suite struct EngineTests {
  let model: Model
  let adapter: AttachedAdapter

  init() throws {
    model = try Model(path: fixture("tiny-bf16"), threads: 2)
    adapter = try AttachedAdapter(Adapter(path: fixture("adapter-all-r4")), to: model)
  }

  private func request(_ i: Int) -> GenerationRequest {
    GenerationRequest(
      prompt: someTokens(1 + 11 * i % 300, below: model.config.vocabSize, seed: UInt64(i)),
      adapter: i % 2 == 0 ? adapter : nil, sampling: .init(temperature: 0.9, topP: 0.95, seed: 7),
      maxTokens: 3 + i % 9, promptIndex: i, sampleIndex: i % 3)
  }

  @Test func aBatchGivesWhatEachRequestGivesAlone() async throws {
    let busy = Engine(model: model, batchLimit: 5)
    let together = try (0..<12).map { try busy.generate(request($0)) }
    for (i, completion) in together.enumerated() {
      let batched = try await completion.collect()
      let alone = try await Engine(model: model).generate(request(i)).collect()
      #expect(batched.ids == alone.ids)
      #expect(sameBits(batched.logProbabilities, alone.logProbabilities))
    }
  }

  @Test func scoresEqualWhatTheSamplerReported() async throws {
    let engine = Engine(model: model)
    let request = request(4)
    let sampled = try await engine.generate(request).collect()
    let scored = try engine.score(prompt: request.prompt, completion: sampled.ids, adapter: request.adapter)
    #expect(sameBits(scored, sampled.logProbabilities))
  }

  @Test func endsAtStopTokensAndLimits() async throws {
    let engine = Engine(model: model, contextLimit: 20)
    var request = GenerationRequest(prompt: [1, 2, 3], sampling: .greedy, maxTokens: 5)
    let limited = try await engine.generate(request).collect()
    #expect(limited.ids.count == 5 && limited.reason == .length)

    request.stopTokens = [limited.ids[2]]
    let first = limited.ids.firstIndex(of: limited.ids[2]) ?? 2
    let stopped = try await engine.generate(request).collect()
    #expect(stopped.ids == Array(limited.ids[...first]) && stopped.reason == .stop)

    let full = try await engine.generate(
      GenerationRequest(prompt: [1, 2, 3], sampling: .greedy, maxTokens: 1000)
    ).collect()
    #expect(full.ids.count == 17 && full.reason == .length, "the context of 20 holds 3 + 17")
  }

  @Test func cancellationEndsACompletion() async throws {
    let engine = Engine(model: model)
    let completion = try engine.generate(
      GenerationRequest(prompt: [1], sampling: .greedy, maxTokens: 100_000))
    completion.cancel()
    let end = try await completion.collect()
    #expect(end.reason == .cancelled)
    #expect(end.ids.count < 511, "the context's end came first")
  }

  @Test func refusesWhatCannotRun() throws {
    let engine = Engine(model: model, contextLimit: 16)
    func refusal(_ request: GenerationRequest) -> RuntimeError? {
      do {
        _ = try engine.generate(request)
        return nil
      } catch { return error }
    }
    #expect(refusal(.init(prompt: [], maxTokens: 1)) == .emptyPrompt)
    let long = Array(repeating: 1, count: 16)
    #expect(refusal(.init(prompt: long, maxTokens: 1)) == .promptTooLong(tokens: 16, context: 16))
    #expect(RuntimeError.promptTooLong(tokens: 16, context: 16).description.contains("at most 15"))
    let outside = model.config.vocabSize
    #expect(
      refusal(.init(prompt: [outside], maxTokens: 1))
        == .tokenOutOfRange(id: outside, vocabulary: outside))
    #expect(refusal(.init(prompt: [1], sampling: .init(temperature: -1), maxTokens: 1)) != nil)
    #expect(refusal(.init(prompt: [1], sampling: .init(topP: 0), maxTokens: 1)) != nil)
    #expect(refusal(.init(prompt: [1], maxTokens: 0)) != nil)
  }
}
