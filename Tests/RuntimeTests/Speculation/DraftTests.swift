import TestSupport
import Testing

@testable import TinaRuntime

/// Where guesses come from, and how many are taken.
@Suite struct DraftTests {
  // MARK: The index

  private func last(_ place: Int?) throws -> Int { try #require(place) }

  /// Beside a search that compares every place.
  @Test func theLongestMatchIsFound() {
    var random = SeededGenerator(3)
    for _ in 0..<300 {
      var index = DraftIndex(capacity: 1024)
      let text = (0..<40 + random.below(200)).map { _ in random.below(6) }
      let cut = random.below(text.count)
      var place = index.append(text[..<cut], after: nil)
      place = index.append(text[cut...], after: place)
      guard let place else { continue }
      let draft = index.draft(after: place, limit: 4)
      // The longest agreement up to 16, of equals the latest; few enough places that all are looked at.
      var best = (length: 1, end: 0)
      let looked = (1..<text.count - 1).filter {
        text[$0] == text[text.count - 1] && text[$0 - 1] == text[text.count - 2]
      }
      for end in looked.suffix(15) {
        var length = 0
        while length < 16, length <= end, text[end - length] == text[text.count - 1 - length] { length += 1 }
        if length >= best.length { best = (max(length, 2), end) }
      }
      guard best.length > 1 else {
        #expect(draft.tokens.isEmpty)
        continue
      }
      #expect(draft.match == best.length)
      // Behind the end, the text repeats itself.
      let period = text.count - 1 - best.end
      #expect(draft.tokens == (0..<4).map { text[best.end + 1 + $0 % period] })
    }
  }

  /// Texts that grow in turns are each found whole.
  @Test func textsGrowSideBySide() throws {
    var index = DraftIndex()
    let prompt = index.append([1, 2, 3], after: nil)
    var (a, b) = (prompt, prompt)
    for i in 0..<50 {
      a = index.append([100 + i], after: a)
      b = index.append([500 + i], after: b)
    }
    let c = try last(index.append([120, 121], after: prompt))
    #expect(index.draft(after: c, limit: 5).tokens == [122, 123, 124, 125, 126])
    let d = try last(index.append([530, 531], after: c))
    #expect(index.draft(after: d, limit: 3).tokens == [532, 533, 534])
    let end = try last(a)
    #expect(index.draft(after: end, limit: 3).tokens.isEmpty)
  }

  @Test func theOldestIsForgottenAtTheBound() throws {
    var index = DraftIndex(capacity: 1 << 10)
    var random = SeededGenerator(7)
    func ask(_ pair: [Int]) throws -> [Int] {
      var index = index
      let place = try last(index.append(pair, after: nil))
      return index.draft(after: place, limit: 1).tokens
    }
    index.append([1, 2, 3], after: nil)
    let known = try ask([1, 2])
    #expect(known == [3])
    var place: Int?
    for _ in 0..<40 {
      place = index.append((0..<100).map { _ in 10 + random.below(1 << 20) }, after: place)
      #expect(index.held <= 1 << 10 && index.bytes < 64 << 10)
    }
    let old = try ask([1, 2])
    #expect(old.isEmpty)
    index.append([4, 5, 6], after: place)
    let new = try ask([4, 5])
    #expect(new == [6])
    let still = index.holds(try last(place))
    #expect(still && !index.holds(0))
    // A text whose last place is forgotten begins anew.
    let anew = index.append([7], after: 0)
    #expect(anew != nil)
  }

  @Test func theHistoryForgetsTheOldestPrompt() {
    var history = DraftHistory(bytes: 4 * 1000)
    for prompt in 0..<50 {
      history.add(Array(0..<90)[...], to: [prompt, 7][...])
      #expect(history.bytes <= 4000)
    }
    #expect(history.texts([49, 7][...]) == [(0..<90).map { Int32($0) }])
    #expect(history.texts([40, 7][...]).count == 1 && history.texts([38, 7][...]).isEmpty)
    // Whoever is added to again counts as new.
    history.add([1, 2][...], to: [41, 7][...])
    for prompt in [90, 91] { history.add(Array(0..<90)[...], to: [prompt, 7][...]) }
    #expect(history.texts([41, 7][...]).count == 2 && history.texts([42, 7][...]).isEmpty)
    // Of one prompt the latest are kept.
    var long = DraftHistory(bytes: 1 << 20)
    for text in 0..<20 { long.add(Array(repeating: text, count: 1000)[...], to: [1][...]) }
    #expect(long.texts([1][...]).map { $0[0] } == Array(12..<20))
    var none = DraftHistory(bytes: 0)
    none.add([1][...], to: [2][...])
    #expect(none.bytes == 0 && none.texts([2][...]).isEmpty)
  }

  // MARK: The controller

  /// Costs of steps as `seconds` gives them.
  func costs(_ rows: ClosedRange<Int>, _ seconds: (Int) -> Double) -> StepCosts {
    var costs = StepCosts()
    for _ in 0..<40 { for row in rows { costs.add(rows: row, seconds: seconds(row)) } }
    return costs
  }

  /// As a processor: reading the weights bounds few rows, arithmetic many.
  func roofline(_ rows: Int) -> Double { max(1 + 0.02 * Double(rows), Double(rows) / 8) }

  private func candidate(_ chance: Double, count: Int = 15, length: Int = 100) -> DraftPlanner.Candidate {
    .init(chances: (chance, chance), count: count, length: length)
  }

  private func choose(_ candidates: [DraftPlanner.Candidate], streams: Int, _ costs: StepCosts) -> [Int] {
    DraftPlanner.choose(candidates, streams: streams, costs).counts
  }

  @Test func fullBatchesGuessNothing() {
    for streams in [1, 2, 4] {
      let costs = costs(1...30, roofline)
      let planner = DraftPlanner()
      #expect(planner.isOpen(streams: streams, costs))
      let counts = choose((0..<streams).map { _ in candidate(0.6) }, streams: streams, costs)
      #expect(counts.reduce(0, +) > 0)
    }
    for streams in [16, 48] {
      let costs = costs(streams...streams + 30, roofline)
      let planner = DraftPlanner()
      #expect(!planner.isOpen(streams: streams, costs))
      #expect(
        choose((0..<streams).map { _ in candidate(0.9) }, streams: streams, costs).allSatisfy { $0 == 0 })
    }
  }

  @Test func likelyGuessesComeFirstAndOfEqualsTheLongestStream() {
    // Room for three rows more at nearly no cost.
    let costs = costs(1...32) { $0 <= 7 ? 1 : 10 }
    #expect(
      choose([candidate(0.3), candidate(0.9), candidate(0.3), candidate(0.3)], streams: 4, costs)[1] == 3)
    let equal = [candidate(0.5, length: 10), candidate(0.5, length: 900), candidate(0.5, length: 50)]
    #expect(choose(equal + [candidate(0.02)], streams: 4, costs) == [1, 1, 1, 0])
    let few = self.costs(1...32) { $0 <= 5 ? 1 : 10 }
    #expect(choose(equal, streams: 4, few) == [0, 1, 0])
  }

  /// A stream whose guesses are always wrong: what they cost stays under 2 % of the time.
  @Test(arguments: [0.02, 0.1, 0.4, 1.0])
  func wrongGuessesCostLittle(perRow: Double) {
    var costs = StepCosts()
    var planner = DraftPlanner()
    var rates = DraftRates()
    var trust = DraftTrust()
    var time = 0.0
    let tokens = 400
    for _ in 0..<tokens {
      var rows = 1
      if planner.isOpen(streams: 1, costs) {
        let chances = rates.chances(match: 9, trust)
        let counts = choose([.init(chances: chances, count: 15, length: 1)], streams: 1, costs)
        rows += counts[0]
        if counts[0] > 0 { rates.learn(match: 9, accepted: 0, checked: 1, &trust) }
      }
      let seconds = 1 + perRow * Double(rows - 1)
      costs.add(rows: rows, seconds: seconds)
      planner.close(streams: 1, rows: rows, accepted: 0, costs)
      time += seconds
    }
    #expect(time < 1.02 * Double(tokens))
  }

  /// A stream whose guesses are right most of the time is sped up about as much as the costs allow.
  @Test func rightGuessesPay() {
    var costs = StepCosts()
    var planner = DraftPlanner()
    var rates = DraftRates()
    var trust = DraftTrust()
    var random = SeededGenerator(1)
    var (time, tokens) = (0.0, 0)
    while tokens < 2000 {
      var (rows, accepted) = (1, 0)
      if planner.isOpen(streams: 1, costs) {
        let counts = choose(
          [.init(chances: rates.chances(match: 3, trust), count: 15, length: 1)], streams: 1, costs)
        rows += counts[0]
        while accepted < counts[0], random.below(10) < 7 { accepted += 1 }
        rates.learn(match: 3, accepted: accepted, checked: min(accepted + 1, counts[0]), &trust)
      }
      let seconds = roofline(rows) / roofline(1)
      costs.add(rows: rows, seconds: seconds)
      planner.close(streams: 1, rows: rows, accepted: accepted, costs)
      time += seconds
      tokens += 1 + accepted
    }
    #expect(Double(tokens) / time > 2)
  }

  /// One interrupted step does not decide for long.
  @Test func costsForgetAnInterruption() throws {
    var costs = StepCosts()
    costs.add(rows: 1, seconds: 1)
    costs.add(rows: 2, seconds: 50)
    for _ in 0..<100 { costs.add(rows: 1, seconds: 1) }
    let table = try #require(costs.table(from: 1, to: 4))
    #expect(table[1] < 2 && table.count == 2, "what is not known is tried carefully")
    #expect(costs.table(from: 3, to: 9) == nil, "nothing to compare with")
    for _ in 0..<200 { costs.add(rows: 5, seconds: 1) }
    #expect(costs.table(from: 1, to: 4) == nil, "measured too long ago")
  }

  @Test func amountsAreReadAsTheyAreWritten() {
    for text in ["off", "auto", "1", "15"] { #expect(Speculation.Amount(text)?.description == text) }
    for text in ["", "0", "16", "-1", "on", "1.5"] { #expect(Speculation.Amount(text) == nil) }
    #expect(Speculation(.tokens(99)).amount == .tokens(15) && Speculation(.tokens(0)).amount == .off)
  }
}
