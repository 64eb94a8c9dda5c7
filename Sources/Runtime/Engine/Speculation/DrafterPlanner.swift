/// Decides for which streams a drafter guesses, and how far.
///
/// A pass of the drafter gives each of its streams one more guess. The planner takes the streams and the passes by
/// which the step is expected to make most tokens a second. Two accounts hold what that has gained and cost. One of
/// them also pays for reading texts, which is an investment: a drafter that is not right, or whose texts are too short
/// to earn their reading, is given half a percent of the time.
package struct DrafterPlanner {
  /// A stream for which the drafter can guess.
  package struct Stream {
    /// Its place among the step's streams.
    package let place: Int
    /// The chance that a guess that is not made yet will be right behind right ones.
    package let chance: Double
    /// Tokens of its text that the drafter has not read; at least 1, the last.
    package let unread: Int
    /// Guesses that it has room for.
    package let room: Int

    package init(place: Int, chance: Double, unread: Int, room: Int) {
      self.place = place
      self.chance = chance
      self.unread = unread
      self.room = room
    }
  }

  /// What is expected of a step.
  package struct Plan {
    /// Those of the streams for which the drafter guesses.
    package var streams: [Stream]
    /// Tokens a second.
    package var rate: Double
    /// Guesses that a step may have by what is known of its costs.
    package let most: Int
  }

  /// More unread tokens are read in passes of their own, before the drafter guesses.
  package static let unreadLimit = 32

  /// How often its guesses were right.
  package var rates = DrafterRates()
  private var passes = StepCosts()
  /// Seconds in which a token of a long text is read.
  private var tokenSeconds: Double?
  // Of guessing, and of guessing and reading. Whoever names a drafter means it, so that it begins with some credit.
  private var guessing = DraftAccount(beginning: 4, allowance: 0.005, most: 8)
  private var reading = DraftAccount(beginning: 0.01, allowance: 0.005, most: 32)

  package init() {}

  // MARK: Costs

  /// Learns how long a pass took.
  package mutating func passed(rows: Int, seconds: Double) { passes.add(rows: rows, seconds: seconds) }

  /// Learns how long it took to read the beginnings of texts; a step without guesses takes `plain` seconds.
  package mutating func read(tokens: Int, seconds: Double, plain: Double) {
    guard tokens > 0 else { return }
    let found = seconds / Double(tokens)
    tokenSeconds = tokenSeconds.map { $0 + 0.3 * (min(found, 2 * $0) - $0) } ?? found
    reading.close(gain: -seconds / plain)
  }

  /// Seconds of a pass. Until one is measured, it takes half of the base's step.
  package func passSeconds(rows: Int, plain: Double) -> Double { passes.seconds(of: rows) ?? 0.5 * plain }

  // MARK: Choices

  /// Whether the drafter may guess at all now.
  package var isOpen: Bool { guessing.isOpen }

  /// Whether texts may be read from their beginning for `streams`, if what they may still draw could pay for it.
  ///
  /// - Parameters:
  ///   - rest: tokens that they may still draw.
  ///   - gain: by how much the speed grows, 0.2 for a fifth.
  package func mayRead(tokens: Int, rest: Int, gain: Double, plain: Double) -> Bool {
    guard reading.isOpen else { return false }
    let seconds = Double(tokens) * (tokenSeconds ?? plain / 16)
    return seconds < gain * Double(rest) * plain
  }

  /// For which of `streams` the drafter should guess; nil for none.
  ///
  /// - Parameters:
  ///   - found: of each stream of the step, the chances of guesses that were found elsewhere.
  ///   - rate: tokens a second with those alone.
  package func plan(
    _ streams: [Stream], found: [DraftPlanner.Candidate], rate foundRate: Double, _ costs: StepCosts
  ) -> Plan? {
    let count = found.count
    let limit = DraftPlanner.limit(streams: count)
    guard isOpen, let table = costs.table(from: count, to: count * (1 + limit)) else { return nil }
    var best = Plan(streams: [], rate: 1.01 * foundRate, most: table.count - 1)
    // What is found costs no pass: streams that have likely guesses may do without the drafter.
    let weak = streams.filter { found[$0.place].chances.first ?? 0 < 0.8 * $0.chance }
    for chosen in weak.count < streams.count ? [streams, weak] : [streams] where !chosen.isEmpty {
      var last = 0.0
      for passes in 1...limit {
        let next = rate(chosen, passes: passes, found, table[0], costs)
        if next > best.rate { (best.streams, best.rate) = (chosen, next) }
        if next <= last { break }
        last = next
      }
    }
    return best.streams.isEmpty ? nil : best
  }

  private func rate(
    _ chosen: [Stream], passes count: Int, _ found: [DraftPlanner.Candidate], _ plain: Double,
    _ costs: StepCosts
  ) -> Double {
    var candidates = found
    for stream in chosen {
      candidates[stream.place] = DraftPlanner.Candidate(
        chances: (stream.chance, stream.chance), count: min(count, stream.room),
        length: found[stream.place].length)
    }
    // What is read before costs this pass nothing.
    let unread = chosen.reduce(0) { $0 + ($1.unread > Self.unreadLimit ? 1 : $1.unread) }
    let spent =
      passSeconds(rows: unread, plain: plain)
      + Double(count - 1) * passSeconds(rows: chosen.count, plain: plain)
    return DraftPlanner.choose(candidates, streams: found.count, costs, spent: spent).rate
  }

  /// Which of some streams should have another guess, by the chance that it would be right; empty when another pass
  /// does not pay.
  ///
  /// - Parameter made: guesses that the step has by now.
  package func another(
    _ chances: [(place: Int, chance: Double)], behind made: Int, _ plan: Plan, streams: Int,
    _ costs: StepCosts
  ) -> [Int] {
    let rows = made + chances.count
    guard !chances.isEmpty, rows <= plan.most, let plain = costs.seconds(of: streams),
      let now = costs.seconds(of: streams + made), let next = costs.seconds(of: streams + rows)
    else { return [] }
    // What the next rows cost, or all of them on average: times rise in stairs.
    let row = max((next - now) / Double(chances.count), (next - plain) / Double(rows), 0)
    let worthy = chances.filter { $0.chance / plan.rate > row }
    let gain = worthy.reduce(0) { $0 + $1.chance / plan.rate - row }
    return gain > passSeconds(rows: worthy.count, plain: plain) ? worthy.map(\.place) : []
  }

  // MARK: Accounts

  /// A step that only continued completions.
  package struct Step {
    let streams: Int
    let rows: Int
    let accepted: Int
    /// What the drafter took to guess, without reading.
    let seconds: Double
    /// Tokens a second that were expected of what was found alone.
    let foundRate: Double

    package init(streams: Int, rows: Int, accepted: Int, seconds: Double, foundRate: Double) {
      self.streams = streams
      self.rows = rows
      self.accepted = accepted
      self.seconds = seconds
      self.foundRate = foundRate
    }
  }

  /// Closes a step on the drafter's accounts, or on that of what is found where the drafter did not guess.
  package mutating func close(_ step: Step, _ costs: StepCosts, _ found: inout DraftPlanner) {
    guard step.seconds > 0, step.foundRate > 0, let plain = costs.seconds(of: step.streams) else {
      found.close(streams: step.streams, rows: step.rows, accepted: step.accepted, costs)
      guessing.close()
      reading.close()
      return rates.rest()
    }
    found.rest()
    // What is found would have gained something too.
    let alone = Double(step.streams + step.accepted) / (step.foundRate * plain)
    let net = alone - (costs.ratio(of: step.rows, to: step.streams) ?? 1) - step.seconds / plain
    guessing.close(gain: net)
    // A part of it would have been found in the next steps: half of it pays for reading.
    reading.close(gain: net / 2)
  }
}
