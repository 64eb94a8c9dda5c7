import AdapterFormat
import CKernels
import Foundation
import ModelFiles
import TestSupport
import Testing
import Tokenization

@testable import TinaRuntime

/// Contract 10: with guesses every request yields the same bits as without.
@Suite struct SpeculationTests {
  let model: Model
  let adapters: [AttachedAdapter?]
  let pageBytes: Int

  init() throws {
    model = try Model(path: fixture("tiny-bf16"), threads: 1)
    let adapter = try Adapter(path: fixture("adapter-all-r4"))
    adapters = [
      nil, try AttachedAdapter(adapter, to: model), try AttachedAdapter(adapter, to: model, scale: 0.5),
      try AttachedAdapter(Adapter(path: fixture("adapter-all-bf16")), to: model),
    ]
    pageBytes = CacheLayout(model.config, type: .f16).pageBytes
  }

  /// A request and what it yields without guesses.
  struct Case: Sendable {
    let request: GenerationRequest
    let tokens: [GeneratedToken]
    let ending: Ending
  }

  /// Everything that a completion tells.
  func read(_ completion: Completion, cancelAfter: Int = .max) async throws -> ([GeneratedToken], Ending?) {
    var tokens: [GeneratedToken] = []
    for try await event in completion {
      switch event {
      case .token(let token):
        tokens.append(token)
        if tokens.count >= cancelAfter { completion.cancel() }
      case .finished(let ending): return (tokens, ending)
      }
    }
    return (tokens, nil)
  }

  private func sampling(_ random: inout SeededGenerator) -> SamplingParameters {
    let seed = UInt64(random.below(3))
    return switch random.below(7) {
    case 0, 1: .greedy
    case 2: .init(temperature: 1.3, topK: 12, repetitionPenalty: 1.2, frequencyPenalty: 0.3, seed: seed)
    case 3: .init(temperature: 1, minP: 0.02, presencePenalty: 0.4, seed: seed)
    case 4: .init(temperature: 0, repetitionPenalty: 1.4, seed: seed)
    case 5: .init(temperature: 0.05, topP: 0.9, seed: seed)
    default: .init(temperature: 0.9, topP: 0.95, seed: seed)
    }
  }

  func request(_ random: inout SeededGenerator) -> GenerationRequest {
    let vocabulary = model.config.vocabSize
    let stem = someTokens(random.below(3) * 31, below: vocabulary, seed: UInt64(random.below(2)))
    let own = someTokens(1 + random.below(40), below: vocabulary, seed: UInt64(random.below(50)))
    return GenerationRequest(
      prompt: stem + own,
      .init(
        adapter: adapters[random.below(4)], sampling: sampling(&random), maxTokens: 1 + random.below(60),
        topCount: random.below(4) == 0 ? 3 : 0),
      endTokens: random.below(3) == 0 ? Set(someTokens(9, below: vocabulary, seed: 4)) : [],
      allowedTokens: random.below(4) == 0 ? vocabulary - 17 : nil, promptIndex: random.below(1000))
  }

  func alone(_ request: GenerationRequest, samples: Int) async throws -> [Case] {
    var cases: [Case] = []
    for sample in 0..<samples {
      var single = request
      single.sampleIndex += sample
      let engine = Engine(model: model, batchLimit: 1, speculation: .off)
      let (tokens, ending) = try await read(engine.generate(single))
      cases.append(Case(request: single, tokens: tokens, ending: try #require(ending)))
    }
    return cases
  }

  /// What is known of a text before it is drawn: all of it, some of it, or something else.
  private func prediction(_ one: Case, _ random: inout SeededGenerator) -> [Int] {
    var ids = one.tokens.map(\.id)
    switch random.below(4) {
    case 0: return []
    case 1: return ids
    case 2: ids = someTokens(ids.count, below: model.config.vocabSize, seed: UInt64(random.below(99)))
    default: break
    }
    for i in ids.indices where random.below(7) == 0 {
      ids[i] = random.below(model.config.vocabSize + 40) - 20
    }
    if random.below(3) == 0 { ids.removeFirst(min(random.below(5), ids.count)) }
    return ids
  }

  func expectSame(_ tokens: [GeneratedToken], _ ending: Ending?, _ expected: Case, _ place: Comment) {
    if ending?.reason == .cancelled {
      #expect(tokens == Array(expected.tokens.prefix(tokens.count)), place)
    } else {
      #expect(tokens == expected.tokens, place)
      #expect(ending?.reason == expected.ending.reason && ending?.text == expected.ending.text, place)
      #expect(ending?.stopText == expected.ending.stopText, place)
    }
    #expect(
      sameBits(tokens.map(\.logProbability), expected.tokens.prefix(tokens.count).map(\.logProbability)),
      place)
    let tempered = expected.tokens.prefix(tokens.count).map(\.temperedLogProbability)
    #expect(sameBits(tokens.map(\.temperedLogProbability), tempered), place)
    if let ending { #expect(ending.acceptedTokens <= ending.draftedTokens, place) }
  }

  /// Random requests come together or while others run, some cancelled, some in groups, with room for a few or for all.
  /// `TINA_SCHEDULES` asks for more than CI's schedules: 10000 take some minutes.
  @Test func randomSchedulesYieldTheSameBits() async throws {
    let wanted = ProcessInfo.processInfo.environment["TINA_SCHEDULES"].flatMap { Int($0) } ?? 1500
    try await runSchedules(wanted, seed: 21)
  }

  /// Runs random schedules, each beside the same requests alone without guesses, with one of `drafters` or none.
  func runSchedules(_ wanted: Int, seed: UInt64, drafters: [Drafter?] = [nil]) async throws {
    var random = SeededGenerator(seed)
    var groups: [(request: GenerationRequest, cases: [Case])] = []
    for i in 0..<48 {
      let request = request(&random)
      groups.append((request, try await alone(request, samples: i % 4 == 0 ? 3 : 1)))
    }
    var accepted = 0
    var rejected = 0
    var preemptions = 0
    let amounts: [Speculation.Amount] = [.auto, .tokens(1), .tokens(3), .tokens(7), .tokens(15)]
    for schedule in 0..<wanted {
      let isTight = random.below(3) == 0
      let engine = Engine(
        model: model, batchLimit: 1 + random.below(6),
        memoryBudget: (isTight ? 5 + random.below(6) : 200) * pageBytes,
        speculation: Speculation(
          amounts[random.below(amounts.count)], historyBytes: random.below(2) * (400 << random.below(8))),
        drafter: drafters[schedule % drafters.count])
      try await withThrowingTaskGroup(of: Void.self) { tasks in
        for _ in 0..<1 + random.below(4) {
          let (request, cases) = groups[random.below(groups.count)]
          var guessed = request
          guessed.prediction = prediction(cases[0], &random)
          let cancelled = random.below(5) == 0 ? 1 + random.below(20) : .max
          if cases.count == 1 {
            let completion = try engine.generate(guessed)
            tasks.addTask {
              let (tokens, ending) = try await read(completion, cancelAfter: cancelled)
              expectSame(tokens, ending, cases[0], "schedule \(schedule)")
            }
          } else {
            let group = try engine.generate(guessed, samples: cases.count)
            tasks.addTask {
              var tokens = [[GeneratedToken]](repeating: [], count: cases.count)
              for try await element in group {
                switch element.event {
                case .token(let token):
                  tokens[element.sample].append(token)
                  if tokens[element.sample].count >= cancelled { group.cancel(sample: element.sample) }
                case .finished(let ending):
                  expectSame(
                    tokens[element.sample], ending, cases[element.sample], "schedule \(schedule), a group")
                }
              }
            }
          }
        }
        try await tasks.waitForAll()
      }
      let statistics = engine.statistics
      #expect(statistics.running == 0 && statistics.waiting == 0)
      #expect(
        statistics.cacheBytesUsed == statistics.cacheBytesCached, "pages of wrong guesses are given back")
      #expect(statistics.draftCacheBytesUsed == statistics.draftCacheBytesCached, "and the drafter's")
      #expect(statistics.draftCacheBytesUsed <= statistics.draftCacheBytesLimit)
      accepted += statistics.acceptedTokens
      rejected += statistics.draftedTokens - statistics.acceptedTokens
      preemptions += statistics.preemptions
    }
    // Otherwise the test would show little.
    #expect(accepted > 5 * wanted && rejected > 5 * wanted && preemptions > wanted / 50)
  }

  /// One request after the other in too small a memory: what of a prompt was cached, and what was evicted, is the same.
  @Test func usageIsTheSame() async throws {
    func run(_ speculation: Speculation) async throws -> (cached: [Int], EngineStatistics) {
      var random = SeededGenerator(5)
      let engine = Engine(
        model: model, batchLimit: 4, memoryBudget: 12 * pageBytes, speculation: speculation)
      var cached: [Int] = []
      for _ in 0..<60 {
        let (_, ending) = try await read(engine.generate(request(&random)))
        cached.append(try #require(ending).cachedPromptTokens)
      }
      return (cached, engine.statistics)
    }
    let (plain, before) = try await run(.off)
    for amount: Speculation.Amount in [.auto, .tokens(2), .tokens(15)] {
      let (cached, after) = try await run(Speculation(amount, historyBytes: 1 << 20))
      #expect(cached == plain)
      #expect(after.evictions == before.evictions && before.evictions > 10)
      #expect(after.tokensDrawn == before.tokensDrawn && after.decodeRows == before.decodeRows)
      #expect(after.promptTokensComputed == before.promptTokensComputed)
      #expect(after.promptTokensShared == before.promptTokensShared)
      if amount != .auto { #expect(after.acceptedTokens > 20 && after.steps < before.steps) }
    }
  }

  /// A right guess is one row of a step, whatever follows: 40 tokens take 3 steps of 15 guesses.
  @Test func rightGuessesSaveSteps() async throws {
    let request = GenerationRequest(
      prompt: [5, 6, 7], .init(sampling: .init(seed: 3), maxTokens: 41), endTokens: [])
    let plain = Engine(model: model, speculation: .off)
    let expected = try await plain.generate(request).collect()
    #expect(plain.statistics.steps == 41 && plain.statistics.draftedTokens == 0)
    var guessed = request
    guessed.prediction = expected.ids
    let engine = Engine(model: model, speculation: .init(.tokens(15)))
    let (tokens, ending) = try await read(engine.generate(guessed))
    #expect(tokens.map(\.id) == expected.ids)
    #expect(engine.statistics.steps <= 5)
    #expect(engine.statistics.decodeRows == 40, "the first token is the prompt's")
    #expect(try #require(ending).acceptedTokens == engine.statistics.acceptedTokens)
    #expect(engine.statistics.acceptedTokens >= 36)
  }

  /// A client's prediction is looked at as far as it may be long, and costs memory no further.
  @Test func aPredictionOfAMillionTokensIsBounded() async throws {
    let engine = Engine(model: model, speculation: .init(.tokens(4)))
    var request = GenerationRequest(
      prompt: [5, 6, 7], .init(sampling: .init(seed: 3), maxTokens: 12), endTokens: [])
    let expected = try await Engine(model: model, speculation: .off).generate(request).collect()
    request.prediction = expected.ids + someTokens(1_000_000, below: 1 << 20)
    let completion = try engine.generate(request)
    guard case .completion(let kept) = completion.job.wish else {
      Issue.record("not a completion")
      return
    }
    #expect(kept.prediction.count == 1 << 15)
    #expect(try await completion.collect().ids == expected.ids)
  }

  /// Completions of a prompt are guessed from those before, where the engine serves one user; elsewhere they are not.
  @Test func earlierCompletionsAreRememberedWhereAsked() async throws {
    let request = GenerationRequest(
      prompt: someTokens(20, below: model.config.vocabSize), .init(sampling: .init(seed: 3), maxTokens: 60),
      endTokens: [])
    for (bytes, isRemembered) in [(1 << 20, true), (0, false)] {
      let engine = Engine(model: model, speculation: Speculation(.tokens(7), historyBytes: bytes))
      let first = try await engine.generate(request).collect()
      let before = engine.statistics.acceptedTokens
      // Under another adapter the prompt is the same, and the text another.
      var other = request
      other.settings.adapter = adapters[1]
      _ = try await engine.generate(other).collect()
      let again = try await engine.generate(request).collect()
      #expect(again == first)
      #expect((engine.statistics.acceptedTokens - before > 40) == isRemembered)
    }
  }

  /// Each path of instructions gives the same bits with guesses as the best without. Runs in its own process, because
  /// all threads of a process compute on the same path.
  @Test func pathsAgree() async {
    await #expect(processExitsWith: .success) {
      let tests = try SpeculationTests()
      var random = SeededGenerator(8)
      for i in 0..<12 {
        let request = tests.request(&random)
        let expected = try await tests.alone(request, samples: 1)[0]
        for path in ["portable", "avx2", "avx512"] where unsafe tk_isa_select(path) {
          var guessed = request
          guessed.prediction = i % 2 == 0 ? expected.tokens.map(\.id) : []
          let engine = Engine(model: tests.model, speculation: .init(.tokens(1 + i)))
          let (tokens, ending) = try await tests.read(engine.generate(guessed))
          tests.expectSame(tokens, ending, expected, "\(path), request \(i)")
        }
      }
    }
  }
}
