import Support
import TinaRuntime

/// A drafter in a replay: the engine's own controller decides, and whether a guess is right is drawn at random.
struct DraftedReplay {
  let drafter: (costs: Replay.Costs, agreement: Double)?
  private var planner = DrafterPlanner()
  private var foundRate = 0.0
  private var random = SplitMix64(state: 1)
  /// All guesses count as equally sure.
  private static let confidence = 8

  init(drafter: (costs: Replay.Costs, agreement: Double)?) { self.drafter = drafter }

  /// Replaces guesses by the drafter's where that pays. Returns the seconds that it takes.
  ///
  /// - Parameter behind: adds what is found behind a stream's guesses.
  mutating func guess(
    _ guesses: inout [Replay.Guess], _ running: inout [Replay.Stream], _ costs: StepCosts,
    behind: (Replay.Stream, Replay.Guess) -> Replay.Guess
  ) -> (guessing: Double, reading: Double) {
    guard let drafter else { return (0, 0) }
    let found = zip(running, guesses).map {
      DraftPlanner.Candidate(chances: $1.chances, length: $0.length)
    }
    let rate = DraftPlanner.choose(found, streams: running.count, costs).rate
    foundRate = rate
    guard rate > 0, let wish = planner.plan(streams(running), found: found, rate: rate, costs),
      let plain = costs.table(from: running.count, to: running.count)?.first
    else { return (0, 0) }
    var reading = 0.0
    let unread = wish.streams.filter { $0.unread > DrafterPlanner.unreadLimit }
    let tokens = unread.reduce(0) { $0 + $1.unread - 1 }
    let rest = unread.map { running[$0.place].rest.count }.max() ?? 0
    if !unread.isEmpty,
      planner.mayRead(tokens: tokens, rest: rest, gain: wish.rate / rate - 1, plain: plain)
    {
      reading = Double(tokens) * drafter.costs(64) / 64
      planner.read(tokens: tokens, seconds: reading, plain: plain)
      for stream in unread { running[stream.place].read = running[stream.place].length - 1 }
    }
    let ready = streams(running).filter { $0.unread <= DrafterPlanner.unreadLimit }
    guard let plan = planner.plan(ready, found: found, rate: rate, costs) else { return (0, reading) }
    let guessing = pass(plan, &guesses, &running, costs, drafter)
    for stream in plan.streams {
      guesses[stream.place] = behind(running[stream.place], guesses[stream.place])
    }
    return (guessing, reading)
  }

  private mutating func pass(
    _ plan: DrafterPlanner.Plan, _ guesses: inout [Replay.Guess], _ running: inout [Replay.Stream],
    _ costs: StepCosts, _ drafter: (costs: Replay.Costs, agreement: Double)
  ) -> Double {
    var (seconds, made) = (0.0, 0)
    var active = plan.streams.map(\.place)
    for place in active { guesses[place] = Replay.Guess() }
    while !active.isEmpty {
      let rows = active.reduce(0) { $0 + max(running[$1].length + guesses[$1].drafted - running[$1].read, 1) }
      let time = drafter.costs(rows)
      seconds += time
      planner.passed(rows: rows, seconds: time)
      var chances: [(place: Int, chance: Double)] = []
      for place in active {
        let (stream, count) = (running[place], guesses[place].drafted)
        let isRight =
          guesses[place].tokens.last != -1 && Double(random.next() >> 11) * 0x1p-53 < drafter.agreement
        guesses[place].tokens.append(isRight ? stream.rest[stream.rest.startIndex + count] : -1)
        let chance =
          (guesses[place].chances.last ?? 1) * planner.rates.chance(Self.confidence, stream.drafterTrust)
        guesses[place].chances.append(chance)
        guesses[place].drafted += 1
        running[place].read = stream.length + count
        if count + 1 < stream.room(DraftPlanner.limit(streams: running.count)) {
          chances.append((place, chance * planner.rates.chance(stream.drafterTrust)))
        }
      }
      made += active.count
      active = planner.another(chances, behind: made, plan, streams: running.count, costs)
    }
    return seconds
  }

  private func streams(_ running: [Replay.Stream]) -> [DrafterPlanner.Stream] {
    running.enumerated().compactMap { place, stream in
      let room = stream.room(DraftPlanner.limit(streams: running.count))
      guard room > 0 else { return nil }
      return DrafterPlanner.Stream(
        place: place, chance: planner.rates.chance(stream.drafterTrust), unread: stream.length - stream.read,
        room: room)
    }
  }

  mutating func learn(_ checked: Int, right: Int, _ stream: inout Replay.Stream) {
    for place in 0..<max(checked, 0) {
      planner.rates.learn(Self.confidence, isRight: place < right, &stream.drafterTrust)
    }
  }

  mutating func close(
    _ seconds: Double, streams: Int, rows: Int, accepted: Int, _ costs: StepCosts, _ found: inout DraftPlanner
  ) {
    planner.close(
      DrafterPlanner.Step(
        streams: streams, rows: rows, accepted: accepted, seconds: seconds, foundRate: foundRate), costs,
      &found)
  }
}
