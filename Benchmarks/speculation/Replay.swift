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

  private struct Stream {
    let text: ReplayedText
    var done = 0
    var place: Int?
    var trust = DraftTrust()
    /// Its own index; the shared one where guesses come from all texts.
    var index: Int
  }

  let texts: [ReplayedText]
  let costs: Costs
  let streams: Int
  let source: Source

  func run(isGuessing: Bool) -> Result {
    var result = Result()
    var known = StepCosts()
    var planner = DraftPlanner()
    var rates = DraftRates()
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
      let drafts =
        isGuessing && planner.isOpen(streams: running.count, known) ? propose(running, indices) : []
      let counts = planner.choose(
        zip(running, drafts).map { stream, draft in
          .init(
            chances: rates.chances(match: draft.match, stream.trust), count: draft.tokens.count,
            length: stream.done)
        }, streams: running.count, known)
      var drawn = 0
      for i in running.indices {
        let rest = running[i].text.completion.dropFirst(running[i].done)
        let guess = i < drafts.count ? Array(drafts[i].tokens.prefix(counts[i])) : []
        let right = zip(guess, rest).prefix { $0 == $1 }.count
        rates.learn(
          match: i < drafts.count ? drafts[i].match : 0, accepted: right,
          checked: min(right + 1, guess.count),
          &running[i].trust)
        let new = rest.prefix(right + 1)
        running[i].place = indices[running[i].index].append(new, after: running[i].place)
        running[i].done += new.count
        drawn += new.count
        result.drafted += guess.count
        result.accepted += right
      }
      let rows = running.count + counts.reduce(0, +)
      let seconds = costs(rows)
      known.add(rows: rows, seconds: seconds)
      planner.close(streams: running.count, rows: rows, accepted: drawn - running.count, known)
      result.seconds += seconds
      if 4 * result.tokens >= 3 * wanted { result.tail += seconds }
      result.steps += 1
      result.tokens += drawn
      running.removeAll { $0.done >= $0.text.completion.count }
    }
  }

  private func propose(_ running: [Stream], _ indices: [DraftIndex]) -> [DraftIndex.Draft] {
    running.map { stream in
      let room = stream.text.completion.count - stream.done - 1
      guard let place = stream.place, room > 0 else { return DraftIndex.Draft() }
      var draft = indices[stream.index].draft(
        after: place, limit: min(DraftPlanner.limit(streams: running.count), room))
      if source == .wrong { draft.tokens = draft.tokens.map { _ in -1 } }
      return draft
    }
  }
}
