import TinaRuntime

/// The engine's index and controller on given texts, at given costs of steps.
struct Replay {
  /// Where guesses come from.
  enum Source: String, CaseIterable {
    case own = "own text"
    case all = "all texts so far"
    /// The own text, but each guess is replaced by a token that never comes.
    case wrong = "always wrong"
  }

  /// Seconds of a step by its rows: measured at some numbers of rows, on straight lines between.
  struct Costs {
    static let rows = [1, 2, 4, 8, 16, 32, 64]
    let seconds: [Double]

    init(seconds: [Double]) { self.seconds = seconds }

    init(_ model: Model) {
      // In turns, because the speed of a shared machine changes.
      var all = Self.rows.map { _ in [Double]() }
      for _ in 0..<5 {
        for (i, rows) in Self.rows.enumerated() {
          all[i] += model.stepSeconds(behind: 256, count: 2, rows: rows)
        }
      }
      seconds = all.map { $0.sorted()[$0.count / 2] }
    }

    var text: String { seconds.map { "\(($0 * 10000).rounded() / 10000)" }.joined(separator: ", ") }

    func callAsFunction(_ rows: Int) -> Double {
      let place = max(Self.rows.firstIndex { $0 >= rows } ?? Self.rows.count - 1, 1)
      let (low, high) = (Double(Self.rows[place - 1]), Double(Self.rows[place]))
      let share = (Double(rows) - low) / (high - low)
      return seconds[place - 1] + share * (seconds[place] - seconds[place - 1])
    }
  }

  struct Result {
    var seconds = 0.0
    /// Seconds of the last quarter of all tokens: few streams are left then.
    var tail = 0.0
    var steps = 0
    var tokens = 0
    var drafted = 0
    var accepted = 0

    mutating func add(_ other: Self) {
      seconds += other.seconds
      tail += other.tail
      steps += other.steps
      tokens += other.tokens
      drafted += other.drafted
      accepted += other.accepted
    }
  }

  struct Stream {
    let text: ReplayedText
    var done = 0
    var place: Int?
    var trust = DraftTrust()
    /// Its own index; the shared one where guesses come from all texts.
    var index: Int
    /// Tokens that a drafter has read, and how often it was right lately.
    var read = 0
    var drafterTrust = DraftTrust(isDrafter: true)

    var length: Int { text.prompt.count + done }
    var rest: ArraySlice<Int> { text.completion.dropFirst(done) }
    /// Guesses that it has room for.
    func room(_ limit: Int) -> Int { min(limit, text.completion.count - done - 1) }
  }

  /// Guesses for a stream: some of a drafter's, then what was found.
  struct Guess {
    var tokens: [Int] = []
    var drafted = 0
    var match = 0
    var chances: [Double] = []
  }

  let texts: [ReplayedText]
  let costs: Costs
  let streams: Int
  let source: Source
  /// A drafter that is right so often, drawn at random.
  var drafter: (costs: Costs, agreement: Double)?

  func run(isGuessing: Bool) -> Result {
    var result = Result()
    var known = StepCosts()
    var planner = DraftPlanner()
    var rates = DraftRates()
    var drafted = DraftedReplay(drafter: isGuessing ? drafter : nil)
    var indices: [DraftIndex] = source == .all ? [DraftIndex()] : []
    var waiting = texts[...]
    var running: [Stream] = []
    let wanted = texts.reduce(0) { $0 + $1.completion.count }
    while true {
      while running.count < streams, let text = waiting.popFirst() {
        if source != .all { indices.append(DraftIndex()) }
        var stream = Stream(text: text, index: indices.count - 1)
        stream.place = indices[stream.index].append(text.prompt, after: nil)
        running.append(stream)
      }
      if running.isEmpty { return result }
      let limit = DraftPlanner.limit(streams: running.count)
      let finds = isGuessing && planner.isOpen(streams: running.count, known)
      var guesses = running.map { stream in
        finds ? found(stream, [], indices, rates, limit: limit) : Guess()
      }
      let spent = drafted.guess(&guesses, &running, known) { stream, guess in
        guard finds else { return guess }
        let behind = self.found(
          stream, guess.tokens, indices, rates, limit: limit, chance: guess.chances.last ?? 1)
        return Guess(
          tokens: guess.tokens + behind.tokens, drafted: guess.drafted, match: behind.match,
          chances: guess.chances + behind.chances)
      }
      let counts = DraftPlanner.choose(
        zip(running, guesses).map { .init(chances: $1.chances, length: $0.length) }, streams: running.count,
        known, spent: spent.guessing
      ).counts
      var drawn = 0
      for i in running.indices {
        let rest = running[i].rest
        let guess = guesses[i]
        let kept = Array(guess.tokens.prefix(counts[i]))
        let right = zip(kept, rest).prefix { $0 == $1 }.count
        let checked = min(right + 1, kept.count)
        drafted.learn(min(checked, guess.drafted), right: right, &running[i])
        if checked > guess.drafted {
          rates.learn(
            match: guess.match, accepted: right - guess.drafted, checked: checked - guess.drafted,
            &running[i].trust)
        }
        let new = rest.prefix(right + 1)
        running[i].place = indices[running[i].index].append(new, after: running[i].place)
        running[i].done += new.count
        running[i].read = min(running[i].read, running[i].length - 1)
        drawn += new.count
        result.drafted += kept.count
        result.accepted += right
      }
      let rows = running.count + counts.reduce(0, +)
      let seconds = costs(rows)
      known.add(rows: rows, seconds: seconds)
      drafted.close(
        spent.guessing, streams: running.count, rows: rows, accepted: drawn - running.count, known, &planner)
      let all = seconds + spent.guessing + spent.reading
      result.seconds += all
      if 4 * result.tokens >= 3 * wanted { result.tail += all }
      result.steps += 1
      result.tokens += drawn
      running.removeAll { $0.done >= $0.text.completion.count }
    }
  }

  private func found(
    _ stream: Stream, _ guesses: [Int], _ indices: [DraftIndex], _ rates: DraftRates, limit: Int,
    chance: Double = 1
  ) -> Guess {
    let room = stream.room(limit) - guesses.count
    guard let place = stream.place, room > 0 else { return Guess() }
    var draft = indices[stream.index].draft(after: place, behind: guesses, limit: room)
    if source == .wrong { draft.tokens = draft.tokens.map { _ in -1 } }
    return Guess(
      tokens: draft.tokens, match: draft.match,
      chances: DraftRates.chain(
        rates.chances(match: draft.match, stream.trust), draft.tokens.count, behind: chance))
  }
}
