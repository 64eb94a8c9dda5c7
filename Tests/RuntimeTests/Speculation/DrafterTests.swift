import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing
import Tokenization

@testable import TinaRuntime

/// A second model guesses: the bits are those without it, and its memory is its own.
@Suite struct DrafterTests {
  let tests: SpeculationTests
  var model: Model { tests.model }

  init() throws { tests = try SpeculationTests() }

  /// A copy of a model whose numbers were rounded: it agrees most of the time.
  private func rounded(_ path: String) throws -> Model {
    let stored = try StoredModel(path: path)
    var random = SeededGenerator(4)
    let changed = stored.weights.tensors.filter { $0.value.shape.count == 2 }.mapValues { tensor in
      let floats = tensor.floats().map { $0 * (0.9 + 0.002 * Float(random.below(100))) }
      return Tensor(name: tensor.name, shape: tensor.shape, floats: floats)
    }
    return try Model(stored.replacing(changed), threads: 1)
  }

  /// The base itself, a rounded copy, another model of its shape, and one of another shape.
  private func drafters() throws -> [Drafter?] {
    [
      Drafter(try Model(path: fixture("tiny-bf16"), threads: 1)), Drafter(try rounded(fixture("tiny-bf16"))),
      Drafter(try Model(path: fixture("tiny-f32"), threads: 1)),
      Drafter(try Model(path: fixture("tiny-theta"), threads: 1)),
    ]
  }

  /// Every setting, adapters, groups, cancellations and memory for a few, as without a drafter.
  @Test func randomSchedulesYieldTheSameBits() async throws {
    let wanted = ProcessInfo.processInfo.environment["TINA_SCHEDULES"].flatMap { Int($0) } ?? 400
    try await tests.runSchedules(wanted, seed: 22, drafters: drafters())
  }

  /// Steps, guesses and right guesses of a few requests, which are those without guesses to the bit.
  private func run(
    _ drafter: Drafter?, _ amount: Speculation.Amount, adapter: AttachedAdapter? = nil
  ) async throws -> EngineStatistics {
    let engine = Engine(model: model, speculation: .init(amount), drafter: drafter)
    let plain = Engine(model: model, speculation: .off)
    for i in 0..<6 {
      let request = GenerationRequest(
        prompt: someTokens(40, below: model.config.vocabSize, seed: UInt64(i)),
        .init(adapter: adapter, sampling: .init(temperature: 0.9, topP: 0.95, seed: 3), maxTokens: 41),
        endTokens: [], promptIndex: i)
      #expect(try await engine.generate(request).collect() == plain.generate(request).collect())
    }
    return engine.statistics
  }

  @Test func aCopyThatAgreesSavesSteps() async throws {
    for adapter in tests.adapters {
      let all = try await run(drafters()[0], .tokens(4), adapter: adapter)
      // 41 tokens: the prompt's step, then five tokens a step.
      #expect(all.steps <= 6 * 11 && all.acceptedTokens > 170)
      let some = try await run(drafters()[1], .tokens(4), adapter: adapter)
      #expect(some.acceptedTokens > 60 && some.steps < 6 * 34)
    }
    // Without a drafter random texts hold nothing to be found.
    #expect(try await run(nil, .tokens(4)).acceptedTokens < 60)
  }

  /// A drafter of another shape guesses without the adapter; what it says of that, and what comes out.
  @Test func aDrafterOfAnotherShapeGuessesWithoutTheAdapter() async throws {
    let statistics = try await run(drafters()[3], .tokens(3), adapter: tests.adapters[1])
    #expect(statistics.draftedTokens > statistics.acceptedTokens && statistics.draftSeconds > 0)
    let other = try Model(path: fixture("gguf/quantised.gguf"), threads: 1)
    let drafter = try Drafter(other, for: Model(path: pico, threads: 1))
    #expect(drafter.notes.count == 1 && drafter.notes[0].contains("without adapters"))
    #expect(try Drafter(Model(path: pico, threads: 1), for: Model(path: pico, threads: 1)).notes.isEmpty)
  }

  /// Texts with a tokenizer, stop texts and Pico's adapter.
  @Test func stopTextsEndWhereTheyDo() async throws {
    let base = try Model(path: pico, threads: 1)
    let adapter = try AttachedAdapter(Adapter(path: pico + "/adapter"), to: base)
    let plain = try Assistant(Engine(model: base, speculation: .off))
    var accepted = 0
    for model in [try Model(path: pico, threads: 1), try rounded(pico)] {
      let engine = Engine(model: base, speculation: .init(.tokens(5)), drafter: try Drafter(model, for: base))
      for i in 0..<8 {
        var request = plain.request(for: try plain.encode("What is \(i + 12) + 3 * 4?"), promptIndex: i)
        request.settings.sampling = .init(temperature: 0.6, topP: 0.95, seed: 1)
        request.settings.maxTokens = 60
        request.settings.stopTexts = [["12", "\n\n", "= 3", "so"][i % 4]]
        request.settings.adapter = i % 2 == 0 ? adapter : nil
        let (tokens, ending) = try await tests.read(engine.generate(request))
        let (expected, end) = try await tests.read(plain.engine.generate(request))
        #expect(tokens == expected && ending?.stopText == end?.stopText && ending?.text == end?.text)
        accepted += ending?.acceptedTokens ?? 0
      }
    }
    #expect(accepted > 200)
  }

  /// Keys and values of a text that ends or is cancelled go; what is kept for later prompts stays within the bound.
  @Test func memoryIsFreed() async throws {
    let drafter = try drafters()[0]
    let pageBytes = tests.pageBytes
    let engine = Engine(
      model: model, memoryBudget: 200 * pageBytes, speculation: .init(.tokens(3)), drafter: drafter)
    for i in 0..<12 {
      let request = GenerationRequest(
        prompt: someTokens(90, below: model.config.vocabSize, seed: UInt64(i)),
        .init(sampling: .init(seed: 3), maxTokens: 200), endTokens: [], promptIndex: i)
      _ = try await tests.read(engine.generate(request), cancelAfter: i % 2 == 0 ? 20 : .max)
      let statistics = engine.statistics
      #expect(statistics.draftCacheBytesUsed == statistics.draftCacheBytesCached)
      #expect(statistics.draftCacheBytesUsed <= 50 * pageBytes)
      #expect(statistics.draftCacheBytesLimit == 50 * pageBytes)
      #expect(statistics.acceptedTokens > 0)
    }
  }

  @Test func anotherTokenizerIsRefused() throws {
    let folder = TemporaryFolder()
    let copy = folder.path + "/pico"
    try FileManager.default.copyItem(atPath: pico, toPath: copy)
    let base = try Model(path: pico, threads: 1)
    _ = try Drafter(Model(path: copy, threads: 1), for: base)
    let file = copy + "/tokenizer.json"
    let text = try String(contentsOfFile: file, encoding: .utf8)
    let id = try #require(Tokenizer(directory: pico).id(of: "<｜User｜>"))
    try text.replacingOccurrences(of: "<｜User｜>", with: "<|user|>").write(
      toFile: file, atomically: true, encoding: .utf8)
    let other = try Model(path: copy, threads: 1)
    let error = #expect(throws: RuntimeError.self) { _ = try Drafter(other, for: base) }
    #expect(
      error
        == .otherTokenizer(drafter: copy, base: pico, id: id, found: "<|user|>", expected: "<｜User｜>"))
    #expect(error?.description.contains("tina quantize") == true)
  }

  // MARK: The controller

  /// Time of `texts` texts of 400 tokens by prompts of 100, one after the other, in steps without guesses. The
  /// drafter's step takes a third of the base's, and it is right `share` times of a hundred.
  private func time(share: Int, texts: Int) -> Double {
    var costs = StepCosts()
    var (planner, drafting) = (DraftPlanner(), DrafterPlanner())
    var random = SeededGenerator(9)
    var time = 0.0
    for _ in 0..<texts {
      var trust = DraftTrust(isDrafter: true)
      var (length, isRead) = (0, false)
      while length < 400 {
        var spent = 0.0
        var guesses = 0
        func stream(_ unread: Int) -> DrafterPlanner.Stream {
          .init(place: 0, chance: drafting.rates.chance(trust), unread: unread, room: 15)
        }
        let none = [DraftPlanner.Candidate(chances: [], length: length)]
        let rate = DraftPlanner.choose(none, streams: 1, costs).rate
        if rate > 0, let wish = drafting.plan([stream(isRead ? 1 : 100)], found: none, rate: rate, costs) {
          if !isRead,
            drafting.mayRead(tokens: 100, rest: 400 - length, gain: wish.rate / rate - 1, plain: 1)
          {
            isRead = true
            time += 5
            drafting.read(tokens: 100, seconds: 5, plain: 1)
          }
          if isRead, let plan = drafting.plan([stream(1)], found: none, rate: rate, costs) {
            var chance = 1.0
            repeat {
              guesses += 1
              spent += 1.0 / 3
              drafting.passed(rows: 1, seconds: 1.0 / 3)
              chance *= drafting.rates.chance(8, trust)
            } while guesses < 15
              && !drafting.another(
                [(0, chance * drafting.rates.chance(trust))], behind: guesses, plan, streams: 1, costs
              ).isEmpty
          }
        }
        let chances = (0..<guesses).map { pow(drafting.rates.chance(8, trust), Double($0 + 1)) }
        let kept = DraftPlanner.choose(
          [.init(chances: chances, length: length)], streams: 1, costs, spent: spent
        ).counts[0]
        var right = 0
        while right < kept, random.below(100) < share { right += 1 }
        for place in 0..<min(right + 1, kept) {
          drafting.rates.learn(8, isRight: place < right, &trust)
        }
        let seconds = 1 + 0.02 * Double(kept)
        costs.add(rows: 1 + kept, seconds: seconds)
        drafting.close(
          .init(streams: 1, rows: 1 + kept, accepted: right, seconds: spent, foundRate: rate), costs, &planner
        )
        time += seconds + spent
        length += 1 + right
      }
    }
    return time
  }

  /// A drafter that is never right costs the reading of a text and a few guesses, then half a percent of the time.
  @Test(arguments: [0, 10]) func wrongGuessesCostLittle(share: Int) {
    #expect(time(share: share, texts: 8) < 1.02 * 8 * 400)
    #expect(time(share: share, texts: 40) < 1.01 * 40 * 400)
  }

  @Test func rightGuessesPay() {
    // By counting 1.73 and 1.5 without the reading.
    #expect(time(share: 92, texts: 8) * 1.6 < 8 * 400)
    #expect(time(share: 85, texts: 8) * 1.4 < 8 * 400)
  }

  @Test func fullBatchesHaveNoDrafter() {
    let tests = DraftTests()
    let costs = tests.costs(16...46, tests.roofline)
    let none = (0..<16).map { _ in DraftPlanner.Candidate(chances: [], length: 9) }
    let streams = (0..<16).map { DrafterPlanner.Stream(place: $0, chance: 0.95, unread: 1, room: 15) }
    #expect(DrafterPlanner().plan(streams, found: none, rate: 8, costs) == nil)
    let few = tests.costs(1...30, tests.roofline)
    let plan = DrafterPlanner().plan([streams[0]], found: [none[0]], rate: 1 / tests.roofline(1), few)
    #expect(plan?.streams.map(\.place) == [0])
  }

  /// What is found behind guesses is what is found behind them once they are drawn, where it lies before them.
  @Test func guessesAreLookedUpBehind() throws {
    var random = SeededGenerator(5)
    var compared = 0
    for _ in 0..<500 {
      let text = (0..<20 + random.below(100)).map { _ in random.below(9) }
      var index = DraftIndex(capacity: 1024)
      let last = index.append(text, after: nil)
      let place = try #require(last)
      let start = random.below(text.count - 8)
      let guesses = Array(text[start..<start + 1 + random.below(8)])
      let found = index.draft(after: place, behind: guesses, limit: 9)
      let drawn = index.append(guesses, after: place)
      let end = try #require(drawn)
      let expected = index.draft(after: end, limit: 9)
      // Once they are drawn, their own places are found too.
      guard found.match > 1 else { continue }
      #expect(found.match <= expected.match && found.tokens.count == 9)
      if found.match == expected.match, found.tokens == expected.tokens { compared += 1 }
    }
    #expect(compared > 150)
  }
}
