/// Decides how many tokens are guessed for which stream.
///
/// A step over r rows takes T(r) and gives a token for each stream and one for each guess that is right. The planner
/// takes as many of the likeliest guesses as make tokens a second most. An account holds what guessing has gained and
/// cost: when it is empty, only one percent of the time is spent on guesses.
package struct DraftPlanner {
  /// A stream that has something to guess.
  package struct Candidate {
    /// The chance that each guess is right, and all before it.
    package let chances: [Double]
    /// Tokens of the completion so far. Of equal chances the longest stream's counts first, because others wait for it.
    package let length: Int

    package init(chances: [Double], length: Int) {
      self.chances = chances
      self.length = length
    }

    /// - Parameters:
    ///   - chances: that the first token is right, and that one behind a right one is.
    ///   - count: tokens to guess from.
    package init(chances: (first: Double, later: Double), count: Int, length: Int) {
      self.init(chances: DraftRates.chain(chances, count), length: length)
    }
  }

  /// How many tokens are guessed for each candidate, and the tokens a second that the step is expected to give.
  package struct Choice {
    package var counts: [Int]
    package var rate = 0.0
  }

  private var account = DraftAccount(beginning: 0.5, allowance: 0.01, most: 2)

  package init() {}

  /// Whether guesses that are found may be worth it in a step of so many streams, before any is looked for.
  package func isOpen(streams: Int, _ costs: StepCosts) -> Bool {
    account.isOpen && Self.pays(streams: streams, costs)
  }

  /// Whether right guesses would save time in a step of so many streams.
  static func pays(streams: Int, _ costs: StepCosts) -> Bool {
    guard let table = costs.table(from: streams, to: streams + mostRows(streams)) else {
      return false
    }
    let plain = Double(streams) / table[0]
    return table.indices.contains { (Double(streams) + 0.9 * Double($0)) / table[$0] > 1.01 * plain }
  }

  /// The most guesses for one stream of so many.
  package static func limit(streams: Int) -> Int { min(Speculation.mostTokens, max(48 / max(streams, 1), 1)) }
  private static func mostRows(_ streams: Int) -> Int { limit(streams: streams) * streams }

  /// How many tokens are guessed for each candidate.
  ///
  /// - Parameter spent: seconds that guessing takes beside the step.
  package static func choose(
    _ candidates: [Candidate], streams: Int, _ costs: StepCosts, spent: Double = 0
  ) -> Choice {
    var choice = Choice(counts: candidates.map { _ in 0 })
    guard let table = costs.table(from: streams, to: streams + mostRows(streams)) else { return choice }
    var guesses: [(chance: Double, candidate: Int)] = []
    for (i, candidate) in candidates.enumerated() {
      for chance in candidate.chances.prefix(limit(streams: streams)) { guesses.append((chance, i)) }
    }
    // In a stream chances fall, so its guesses are taken in order.
    guesses.sort { a, b in
      let (x, y) = ((a.chance * 32).rounded(), (b.chance * 32).rounded())
      if x != y { return x > y }
      let (m, n) = (candidates[a.candidate].length, candidates[b.candidate].length)
      return m != n ? m > n : a.candidate < b.candidate
    }
    var expected = Double(streams)
    choice.rate = expected / (table[0] + spent)
    var best = (rate: 1.005 * choice.rate, count: 0)
    for (i, guess) in guesses.prefix(table.count - 1).enumerated() {
      expected += guess.chance
      let rate = expected / (table[i + 1] + spent)
      if rate > best.rate { best = (rate, i + 1) }
    }
    for guess in guesses.prefix(best.count) { choice.counts[guess.candidate] += 1 }
    choice.rate = max(choice.rate, best.count > 0 ? best.rate : 0)
    return choice
  }

  /// Closes a step of so many streams and rows that `costs` knows now: `accepted` guesses were right. None of them was
  /// a drafter's.
  package mutating func close(streams: Int, rows: Int, accepted: Int, _ costs: StepCosts) {
    account.close(gain: costs.gain(streams: streams, rows: rows, accepted: accepted))
  }

  /// Closes a step whose guesses, if any, have another account.
  mutating func rest() { account.close() }
}

extension StepCosts {
  /// What a step gained by guesses, in steps without them; less than 0 for a loss.
  func gain(streams: Int, rows: Int, accepted: Int) -> Double {
    let gain = Double(accepted) / Double(max(streams, 1))
    return rows > streams ? gain - max((ratio(of: rows, to: streams) ?? 1) - 1, 0) : gain
  }
}
