/// Decides how many tokens are guessed for which stream.
///
/// A step over r rows takes T(r) and gives a token for each stream and one for each guess that is right. The planner
/// takes as many of the likeliest guesses as make tokens a second most. An account holds what guessing has gained and
/// cost: when it is empty, only one percent of the time is spent on guesses.
package struct DraftPlanner {
  /// A stream that has something to guess.
  package struct Candidate {
    /// The chance that the first token is right, and that one behind a right one is.
    package let first: Double
    package let later: Double
    /// Tokens to guess from.
    package let count: Int
    /// Tokens of the completion so far. Of equal chances the longest stream's counts first, because others wait for it.
    package let length: Int

    package init(chances: (first: Double, later: Double), count: Int, length: Int) {
      first = chances.first
      later = chances.later
      self.count = count
      self.length = length
    }
  }

  /// In steps without guesses.
  private static let (allowance, most, beginning) = (0.01, 2.0, 0.5)
  private var account = beginning

  package init() {}

  /// Whether a step of so many streams may be worth guesses, before any is looked for.
  package func isOpen(streams: Int, _ costs: StepCosts) -> Bool {
    guard account > 0, let table = costs.table(from: streams, to: streams + Self.mostRows(streams)) else {
      return false
    }
    let plain = Double(streams) / table[0]
    return table.indices.contains { (Double(streams) + 0.9 * Double($0)) / table[$0] > 1.01 * plain }
  }

  /// The most guesses for one stream of so many.
  package static func limit(streams: Int) -> Int { min(Speculation.mostTokens, max(48 / max(streams, 1), 1)) }
  private static func mostRows(_ streams: Int) -> Int { limit(streams: streams) * streams }

  /// How many tokens are guessed for each candidate.
  package func choose(_ candidates: [Candidate], streams: Int, _ costs: StepCosts) -> [Int] {
    var counts = candidates.map { _ in 0 }
    guard !candidates.isEmpty,
      let table = costs.table(from: streams, to: streams + Self.mostRows(streams))
    else { return counts }
    var guesses: [(chance: Double, candidate: Int)] = []
    for (i, candidate) in candidates.enumerated() {
      var chance = candidate.first
      for _ in 0..<min(candidate.count, Self.limit(streams: streams)) where chance > 0.02 {
        guesses.append((chance, i))
        chance *= candidate.later
      }
    }
    // In a stream chances fall, so its guesses are taken in order.
    guesses.sort { a, b in
      let (x, y) = ((a.chance * 32).rounded(), (b.chance * 32).rounded())
      return x != y ? x > y : candidates[a.candidate].length > candidates[b.candidate].length
    }
    var expected = Double(streams)
    var best = (rate: 1.005 * expected / table[0], count: 0)
    for (i, guess) in guesses.prefix(table.count - 1).enumerated() {
      expected += guess.chance
      let rate = expected / table[i + 1]
      if rate > best.rate { best = (rate, i + 1) }
    }
    for guess in guesses.prefix(best.count) { counts[guess.candidate] += 1 }
    return counts
  }

  /// Closes a step of so many streams and rows that `costs` knows now: `accepted` guesses were right.
  package mutating func close(streams: Int, rows: Int, accepted: Int, _ costs: StepCosts) {
    var gain = Double(accepted) / Double(max(streams, 1))
    if rows > streams { gain -= max((costs.ratio(of: rows, to: streams) ?? 1) - 1, 0) }
    account = min(account + Self.allowance + gain, Self.most)
  }
}
