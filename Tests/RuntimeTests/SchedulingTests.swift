import AdapterFormat
import CKernels
import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import TinaRuntime

/// Contract 4 in the engine: what a request yields depends on the request alone, whatever else runs, waits, is
/// cancelled or gives up its memory.
@Suite struct SchedulingTests {
  let model: Model
  let adapters: [AttachedAdapter?]
  let pageBytes: Int

  init() throws {
    // One thread each, because tests run in parallel. Other suites use more.
    model = try Model(path: fixture("tiny-bf16"), threads: 1)
    let adapter = try Adapter(path: fixture("adapter-all-r4"))
    adapters = [
      nil, try AttachedAdapter(adapter, to: model), try AttachedAdapter(adapter, to: model, scale: 0.5),
      try AttachedAdapter(Adapter(path: fixture("adapter-all-bf16")), to: model),
    ]
    pageBytes = CacheLayout(model.config, type: .f16).pageBytes
  }

  /// A pseudo-random number that depends on the place alone.
  private func dice(_ place: Int, _ round: Int, below limit: Int) -> Int {
    Int(Philox.uniform(seed: 77, prompt: UInt32(round), sample: 0, position: UInt64(place)) * Double(limit))
  }

  /// Some prompts share their beginnings.
  private func request(_ i: Int, _ round: Int) -> GenerationRequest {
    let stem = someTokens(
      dice(i, 1, below: 3) * 37, below: model.config.vocabSize, seed: UInt64(dice(i, 2, below: 2)))
    let own = someTokens(1 + dice(i, 3, below: 90), below: model.config.vocabSize, seed: UInt64(i % 7))
    var sampling = SamplingParameters(temperature: 0.9, topP: 0.95, seed: 7)
    switch dice(i, 4, below: 5) {
    case 0: sampling = .greedy
    case 1:
      sampling = .init(temperature: 1.3, topK: 12, repetitionPenalty: 1.2, frequencyPenalty: 0.3, seed: 3)
    case 2: sampling = .init(temperature: 1, minP: 0.02, seed: 5)
    default: break
    }
    return GenerationRequest(
      prompt: stem + own,
      .init(
        adapter: adapters[dice(i, 5, below: 4)], sampling: sampling, maxTokens: 1 + dice(i, 6, below: 70),
        topCount: i % 4 == 0 ? 3 : 0), endTokens: [], promptIndex: i, sampleIndex: round)
  }

  private func alone(_ request: GenerationRequest) async throws -> CompletedText {
    try await Engine(model: model, batchLimit: 1).generate(request).collect()
  }

  private func expectSame(_ a: CompletedText, _ b: CompletedText, _ place: Comment) {
    #expect(a.ids == b.ids && a.reason == b.reason, place)
    #expect(sameBits(a.logProbabilities, b.logProbabilities), place)
    #expect(sameBits(a.temperedLogProbabilities, b.temperedLogProbabilities), place)
  }

  /// Requests come while others run, some are cancelled, scores come between, and there is room for a few only.
  @Test(arguments: [(pages: 9, batch: 4), (pages: 24, batch: 16), (pages: 400, batch: 7)])
  func randomSchedulesChangeNothing(budget: (pages: Int, batch: Int)) async throws {
    let engine = Engine(
      model: model, batchLimit: budget.batch, memoryBudget: budget.pages * pageBytes)
    try await withThrowingTaskGroup(of: (Int, CompletedText?).self) { group in
      for i in 0..<30 {
        let request = request(i, budget.pages)
        let completion = try engine.generate(request)
        let isCancelled = dice(i, 8, below: 4) == 0
        let patience = dice(i, 9, below: 30)
        group.addTask {
          var seen = CompletedText()
          for try await event in completion {
            seen.add(event)
            if isCancelled, seen.ids.count > patience { completion.cancel() }
          }
          return (i, seen)
        }
        if i % 8 == 5 {
          let scored = try await engine.score(
            prompt: request.prompt, completion: request.prompt, adapter: request.settings.adapter)
          let cold = try await Engine(model: model).score(
            prompt: request.prompt, completion: request.prompt, adapter: request.settings.adapter)
          #expect(sameBits(scored, cold), "score \(i)")
        }
        // Some requests come together, some into the running batch.
        if dice(i, 7, below: 3) == 0 { await pause(microseconds: dice(i, 10, below: 3000)) }
      }
      for try await (i, text) in group {
        guard let text else { continue }
        let expected = try await alone(request(i, budget.pages))
        let count = text.ids.count
        if text.reason == .cancelled {
          #expect(text.ids == Array(expected.ids.prefix(count)))
          #expect(sameBits(text.logProbabilities, Array(expected.logProbabilities.prefix(count))))
        } else {
          expectSame(text, expected, "request \(i)")
        }
      }
    }
    let statistics = engine.statistics
    #expect(statistics.finished == 34 && statistics.running == 0 && statistics.waiting == 0)
    #expect(statistics.cacheBytesUsed == statistics.cacheBytesCached, "nothing but prefixes is held")
    #expect(statistics.cacheBytesAllocated <= budget.pages * pageBytes)
    if budget.pages < 100 { #expect(statistics.evictions > 0) }
  }

  /// Short prompts find room at first, and their answers outgrow it.
  @Test func thoseThatMakeRoomGoOnUnchanged() async throws {
    let engine = Engine(model: model, batchLimit: 8, memoryBudget: 17 * pageBytes)
    let requests = (0..<8).map { i in
      GenerationRequest(
        prompt: someTokens(3 + i, below: model.config.vocabSize),
        .init(adapter: adapters[i % 4], sampling: .init(frequencyPenalty: 0.1, seed: 9), maxTokens: 150),
        endTokens: [], promptIndex: i)
    }
    let together = try requests.map { try engine.generate($0) }
    for (i, completion) in together.enumerated() {
      expectSame(try await completion.collect(), try await alone(requests[i]), "request \(i)")
    }
    #expect(engine.statistics.preemptions >= 4)
    #expect(engine.statistics.cacheBytesAllocated <= 17 * pageBytes)
  }

  /// The portable path gives the same texts and probabilities as the best. Runs in its own process, because all threads
  /// of a process compute on the same path.
  @Test func pathsAgree() async {
    await #expect(processExitsWith: .success) {
      let tests = try SchedulingTests()
      let best = unsafe String(cString: tk_isa())
      for i in 0..<6 {
        #expect(unsafe tk_isa_select(best))
        let fast = try await tests.alone(tests.request(i, 1))
        #expect(unsafe tk_isa_select("portable"))
        let portable = try await tests.alone(tests.request(i, 1))
        tests.expectSame(fast, portable, "request \(i)")
      }
    }
  }

  // MARK: Groups

  @Test(arguments: [96, 97, 127, 5])
  func aGroupComputesItsPromptOnce(length: Int) async throws {
    let engine = Engine(model: model)
    let request = GenerationRequest(
      prompt: someTokens(length, below: model.config.vocabSize),
      .init(adapter: adapters[1], sampling: .init(repetitionPenalty: 1.1, seed: 4), maxTokens: 12),
      endTokens: [], promptIndex: 3, sampleIndex: 2)
    let group = try await engine.generate(request, samples: 16).collect()
    let statistics = engine.statistics
    #expect(statistics.promptTokensComputed == length)
    #expect(statistics.promptTokensShared == 15 * length)
    #expect(statistics.tokensDrawn == 16 * 12)
    #expect(statistics.decodeRows == 16 * 11, "the first tokens come from the prompt's own logits")
    #expect(Set(group.map(\.ids)).count > 8, "samples differ")
    for (i, text) in group.enumerated() {
      var single = request
      single.sampleIndex += i
      expectSame(text, try await alone(single), "sample \(i)")
    }
  }

  /// A group has more samples than there are places in the batch, or than memory holds.
  @Test(arguments: [(samples: 9, batch: 4, pages: 100), (samples: 12, batch: 12, pages: 9)])
  func aGroupLargerThanItsRoom(sizes: (samples: Int, batch: Int, pages: Int)) async throws {
    let engine = Engine(
      model: model, batchLimit: sizes.batch, memoryBudget: sizes.pages * pageBytes)
    let request = GenerationRequest(
      prompt: someTokens(75, below: model.config.vocabSize), .init(sampling: .init(seed: 4), maxTokens: 60),
      endTokens: [])
    let group = try await engine.generate(request, samples: sizes.samples).collect()
    if sizes.pages == 100 {
      // A later sample computes only the prompt's last token.
      #expect(engine.statistics.promptTokensComputed == 75)
    }
    for (i, text) in group.enumerated() {
      var single = request
      single.sampleIndex += i
      expectSame(text, try await alone(single), "sample \(i)")
    }
  }

  @Test func oneSampleOfAGroupCanBeCancelled() async throws {
    let engine = Engine(model: model)
    let request = GenerationRequest(
      prompt: [1, 2, 3], .init(sampling: .init(seed: 4), maxTokens: 300), endTokens: [])
    let group = try engine.generate(request, samples: 3)
    group.cancel(sample: 1)
    let texts = try await group.collect()
    #expect(texts[1].reason == .cancelled)
    #expect(texts[0].reason == .length && texts[2].reason == .length)
    // This sample computes the prompt.
    let other = try engine.generate(
      GenerationRequest(
        prompt: someTokens(300, below: model.config.vocabSize, seed: 8),
        .init(sampling: .init(seed: 4), maxTokens: 9), endTokens: []),
      samples: 3)
    other.cancel(sample: 0)
    let rest = try await other.collect()
    #expect(rest[1].ids.count == 9 && rest[2].ids.count == 9)
  }

  /// A caller that cancels and reads on is told the end, at whatever moment it cancels.
  @Test(.timeLimit(.minutes(30))) func whoeverCancelsIsTold() async throws {
    let engine = Engine(model: model, batchLimit: 4)
    for round in 0..<40 {
      try await withThrowingTaskGroup(of: Void.self) { tasks in
        for i in 0..<40 {
          let completion = try engine.generate(
            GenerationRequest(
              prompt: [1, 2, 3], .init(sampling: .init(seed: UInt64(i)), maxTokens: 100), endTokens: []))
          tasks.addTask {
            for _ in 0..<(i * round) % 23 { await Task.yield() }
            completion.cancel()
            let text = try await completion.collect()
            #expect(text.reason == .cancelled || text.ids.count == 100)
          }
        }
        try await tasks.waitForAll()
      }
    }
  }

  // MARK: Prefixes

  /// Prompts with one beginning compute it once, whether they come together or one after another.
  @Test func equalPrefixesAreComputedOnce() async throws {
    let engine = Engine(model: model)
    let stem = someTokens(320, below: model.config.vocabSize)
    func ask(_ end: Int) throws -> Completion {
      try engine.generate(
        GenerationRequest(prompt: stem + [end], .init(sampling: .greedy, maxTokens: 4), endTokens: []))
    }
    let together = try (0..<5).map { try ask($0) }
    for completion in together { _ = try await completion.collect() }
    #expect(engine.statistics.promptTokensComputed <= 320 + 32 + 5)
    let before = engine.statistics
    let later = try await ask(9).collect()
    #expect(
      engine.statistics.promptTokensComputed + engine.statistics.decodeRows
        - before.promptTokensComputed - before.decodeRows == 1 + 3)
    #expect(engine.statistics.promptTokensShared - before.promptTokensShared == 320)
    let cold = try await alone(
      GenerationRequest(prompt: stem + [9], .init(sampling: .greedy, maxTokens: 4), endTokens: []))
    expectSame(later, cold, "from the cache")
    // A conversation continues from the keys and values of its answer.
    let long = try await engine.generate(
      GenerationRequest(prompt: stem, .init(sampling: .greedy, maxTokens: 70), endTokens: [])
    ).collect()
    let known = engine.statistics.promptTokensShared
    _ = try await engine.generate(
      GenerationRequest(prompt: stem + long.ids + [7], .init(sampling: .greedy, maxTokens: 1), endTokens: [])
    ).collect()
    #expect(engine.statistics.promptTokensShared - known == 384)
  }

  /// Where two prompts part within a page, the page is copied as far as they agree, and neither changes the other.
  @Test(arguments: [1, 31, 33, 45, 63])
  func aPageServesAsFarAsItGoes(shared: Int) async throws {
    let engine = Engine(model: model)
    let first = someTokens(70, below: model.config.vocabSize)
    let other = Array(first.prefix(shared)) + [first[shared] ^ 1] + someTokens(20, below: 90, seed: 5)
    func ask(_ prompt: [Int]) -> GenerationRequest {
      GenerationRequest(
        prompt: prompt, .init(adapter: adapters[1], sampling: .greedy, maxTokens: 40), endTokens: [])
    }
    func computed(_ prompt: [Int]) async throws -> Int {
      let before = engine.statistics
      let text = try await engine.generate(ask(prompt)).collect()
      expectSame(text, try await alone(ask(prompt)), "a prompt of \(prompt.count)")
      let after = engine.statistics
      #expect(
        after.promptTokensShared - before.promptTokensShared + after.promptTokensComputed
          - before.promptTokensComputed + after.decodeRows - before.decodeRows == prompt.count + 39)
      return prompt.count - (after.promptTokensShared - before.promptTokensShared)
    }
    #expect(try await computed(first) == 70)
    #expect(try await computed(other) == other.count - shared)
    // The second time all but the last token is there, whether its page is full or not.
    #expect(try await computed(Array(first.prefix(64))) == 1)
    #expect(try await computed(first) == 1)
    #expect(try await computed(other) == 1)
  }

  /// Adapters A, B and A again over one prefix, the same file attached twice, another scale: none uses another's
  /// results.
  @Test func adaptersNeverShare() async throws {
    let engine = Engine(model: model)
    let prompt = someTokens(130, below: model.config.vocabSize)
    let again = try AttachedAdapter(Adapter(path: fixture("adapter-all-r4")), to: model)
    func ask(_ adapter: AttachedAdapter?) -> GenerationRequest {
      GenerationRequest(
        prompt: prompt, .init(adapter: adapter, sampling: .greedy, maxTokens: 8), endTokens: [])
    }
    var computed = 0
    for (i, adapter) in ([1, 2, 1, 0, 3, 0, 2].map { adapters[$0] } + [again]).enumerated() {
      let warm = try await engine.generate(ask(adapter)).collect()
      expectSame(warm, try await alone(ask(adapter)), "turn \(i)")
      let now = engine.statistics.promptTokensComputed
      let isKnown = [2, 5, 6].contains(i)
      #expect(now - computed == (isKnown ? 2 : 130), "turn \(i)")
      computed = now
    }
    // Results of a live adapter from before a change are not used afterwards.
    again.identity.renew()
    _ = try await engine.generate(ask(again)).collect()
    #expect(engine.statistics.promptTokensComputed - computed == 130)
  }

  // MARK: Memory

  @Test func manyRequestsLeaveMemoryFlat() async throws {
    let engine = Engine(model: model, batchLimit: 16, memoryBudget: 40 * pageBytes)
    var last = 0
    for round in 0..<2 {
      let jobs = try (0..<500).map { i in
        try engine.generate(
          GenerationRequest(
            prompt: someTokens(1 + i % 70, below: model.config.vocabSize, seed: UInt64(i)),
            .init(adapter: adapters[i % 4], sampling: .greedy, maxTokens: 1 + i % 3), endTokens: []))
      }
      for job in jobs { #expect(try await job.collect().reason == .length) }
      let statistics = engine.statistics
      #expect(statistics.cacheBytesUsed == statistics.cacheBytesCached)
      if round > 0 { #expect(statistics.cacheBytesAllocated == last) }
      last = statistics.cacheBytesAllocated
      #expect(last <= 40 * pageBytes)
    }
  }
}
