import Support

/// Guesses tokens for running completions, and learns which guesses pay. The engine's thread alone uses it.
final class Speculator {
  private let settings: Speculation
  private let vocabulary: Int
  private var costs = StepCosts()
  private var planner = DraftPlanner()
  private var rates = DraftRates()
  private var history: DraftHistory
  /// What guesses beside the index; nil for nothing.
  private let drafter: DraftModel?
  private var drafting = DrafterPlanner()
  /// Seconds that the drafter took in this step, and those of them in which it read texts from their beginning.
  private(set) var draftSeconds = 0.0
  private var readSeconds = 0.0
  /// Tokens a second that are expected in this step of what is found alone; 0 where the drafter is not asked.
  private var foundRate = 0.0

  init(_ settings: Speculation, vocabulary: Int, drafter: DraftModel?) {
    self.settings = settings
    self.vocabulary = vocabulary
    self.drafter = settings.amount == .off ? nil : drafter
    history = DraftHistory(bytes: settings.amount == .off ? 0 : settings.historyBytes)
  }

  // MARK: Guessing

  /// Guesses what follows in each of `jobs`, which draw in the next step. Memory is taken for guesses only where it is
  /// free.
  ///
  /// - Parameter isAlone: whether the step has no other rows.
  func plan(_ jobs: [ScheduledJob], isAlone: Bool) {
    (draftSeconds, readSeconds, foundRate) = (0, 0, 0)
    switch settings.amount {
    case .off: return
    case .tokens(let count): planFixed(jobs, count)
    case .auto:
      // Beside rows of prompts arithmetic is the bound, and no row is cheap.
      if isAlone { planBest(jobs) }
    }
  }

  /// Up to `count` guesses for each job: the first half from the drafter if there is one, then what is found, and more
  /// from the drafter where nothing is.
  private func planFixed(_ jobs: [ScheduledJob], _ count: Int) {
    for job in jobs { follow(job) }
    let unread = streams(jobs, count).filter { $0.unread > DrafterPlanner.unreadLimit }
    if !unread.isEmpty { read(unread.map { jobs[$0.place] }, plain: 1) }
    var active = streams(jobs, count).filter { $0.unread <= DrafterPlanner.unreadLimit }.map {
      jobs[$0.place]
    }
    let half = (count + 1) / 2
    for place in 0..<count where !active.isEmpty {
      if place >= half { active = active.filter { !extend($0, count) } }
      active = guess(active).filter { $0.drafts.tokens.count < room($0, count) }
    }
    for job in jobs {
      if job.drafts.tokens.isEmpty { extend(job, count) }
      reserve(job, count)
    }
  }

  /// The guesses that make the most tokens a second.
  private func planBest(_ jobs: [ScheduledJob]) {
    let streams = jobs.count
    let limit = DraftPlanner.limit(streams: streams)
    let finds = planner.isOpen(streams: streams, costs)
    let isDrafting = drafter != nil && drafting.isOpen && DraftPlanner.pays(streams: streams, costs)
    guard finds || isDrafting else { return }
    if finds {
      for job in jobs {
        follow(job)
        job.drafts.found = find(job, limit)
      }
    }
    if isDrafting { draft(jobs, limit, finds: finds) }
    for job in jobs where job.drafts.tokens.isEmpty { job.drafts.propose(job.drafts.found) }
    let candidates = jobs.map {
      DraftPlanner.Candidate(
        chances: $0.drafts.chances(rates, drafting.rates), length: $0.tokens.ids.count)
    }
    let choice = DraftPlanner.choose(
      candidates, streams: streams, costs, spent: draftSeconds - readSeconds)
    for (job, count) in zip(jobs, choice.counts) { reserve(job, count) }
  }

  // MARK: With a drafter

  /// Lets the drafter guess where that is expected to be faster than what was found alone.
  private func draft(_ jobs: [ScheduledJob], _ limit: Int, finds: Bool) {
    let found = jobs.map {
      DraftPlanner.Candidate(chances: $0.drafts.foundChances(rates), length: $0.tokens.ids.count)
    }
    let rate = DraftPlanner.choose(found, streams: jobs.count, costs).rate
    foundRate = rate
    guard let plain = costs.seconds(of: jobs.count), rate > 0,
      let wish = drafting.plan(streams(jobs, limit), found: found, rate: rate, costs)
    else { return }
    // Texts are read from their beginning if that is expected to be earned; what was begun is finished.
    let unread = wish.streams.filter { $0.unread > DrafterPlanner.unreadLimit }
    let new = unread.filter { !jobs[$0.place].drafts.isToBeRead }
    let rest = new.map { room(jobs[$0.place], .max) + 1 }.max() ?? 0
    if !new.isEmpty,
      drafting.mayRead(
        tokens: new.reduce(0) { $0 + $1.unread }, rest: rest, gain: wish.rate / rate - 1, plain: plain)
    {
      for stream in new { jobs[stream.place].drafts.isToBeRead = true }
    }
    let begun = unread.map { jobs[$0.place] }.filter(\.drafts.isToBeRead)
    if !begun.isEmpty { read(begun, plain: plain) }
    let ready = streams(jobs, limit).filter { $0.unread <= DrafterPlanner.unreadLimit }
    guard let plan = drafting.plan(ready, found: found, rate: rate, costs) else { return }
    guess(jobs, plan, limit)
    if finds { for stream in plan.streams { extend(jobs[stream.place], limit) } }
  }

  /// As many passes as pay, for the streams of `plan`.
  private func guess(_ jobs: [ScheduledJob], _ plan: DrafterPlanner.Plan, _ limit: Int) {
    var active = plan.streams.map(\.place)
    var made = 0
    while !active.isEmpty {
      let places = Dictionary(uniqueKeysWithValues: active.map { (ObjectIdentifier(jobs[$0]), $0) })
      let chances = guess(active.map { jobs[$0] }).compactMap { job -> (place: Int, chance: Double)? in
        guard let place = places[ObjectIdentifier(job)], job.drafts.tokens.count < room(job, limit) else {
          return nil
        }
        let behind = job.drafts.chances(rates, drafting.rates).last ?? 1
        return (place, behind * drafting.rates.chance(job.drafts.drafterTrust))
      }
      made += active.count
      active = drafting.another(chances, behind: made, plan, streams: jobs.count, costs)
    }
  }

  /// The jobs for which the drafter can guess.
  private func streams(_ jobs: [ScheduledJob], _ limit: Int) -> [DrafterPlanner.Stream] {
    guard let drafter else { return [] }
    return jobs.enumerated().compactMap { place, job in
      let room = room(job, limit)
      guard room > 0, let unread = drafter.follow(job, guesses: room) else { return nil }
      return DrafterPlanner.Stream(
        place: place, chance: drafting.rates.chance(job.drafts.drafterTrust), unread: unread, room: room)
    }
  }

  /// Reads texts from their beginning, a piece in each step.
  private func read(_ jobs: [ScheduledJob], plain: Double) {
    guard let drafter else { return }
    let clock = ContinuousClock()
    var count = 0
    let seconds = clock.measure { count = drafter.read(jobs, limit: 256) }.inSeconds
    draftSeconds += seconds
    readSeconds += seconds
    drafting.read(tokens: count, seconds: seconds, plain: plain)
  }

  /// One pass of the drafter over `jobs`. Returns those that have one more guess.
  private func guess(_ jobs: [ScheduledJob]) -> [ScheduledJob] {
    guard let drafter, !jobs.isEmpty else { return [] }
    let clock = ContinuousClock()
    var pass: (guesses: [DraftModel.Guess?], rows: Int) = ([], 0)
    let seconds = clock.measure { pass = drafter.pass(jobs) }.inSeconds
    draftSeconds += seconds
    drafting.passed(rows: pass.rows, seconds: seconds)
    return zip(jobs, pass.guesses).compactMap { job, guess in
      // Nothing follows an end, and what can't be drawn can't be right.
      guard let guess, isPossible(guess.id, job) else { return nil }
      job.drafts.propose(guess)
      return job
    }
  }

  // MARK: Finding

  /// Brings the index of a job's prompt up to date with the job.
  private func follow(_ job: ScheduledJob) {
    guard let completion = job.completion else { return }
    let (ids, promptCount) = (job.tokens.ids, job.tokens.promptCount)
    if job.prompt.drafts.index == nil {
      job.prompt.drafts.begin(
        prompt: ids[..<promptCount], earlier: history.texts(ids[..<promptCount]),
        prediction: completion.request.prediction)
    }
    job.prompt.drafts.follow(ids, promptCount: promptCount, &job.drafts)
  }

  /// How many guesses a job has room for, at most `limit`. The last token that may be drawn needs no row behind it.
  private func room(_ job: ScheduledJob, _ limit: Int) -> Int {
    guard let completion = job.completion, job.prompt.leader !== job else { return 0 }
    return min(limit, completion.room(behind: job.tokens.ids.count) - 1)
  }

  private func isPossible(_ id: Int, _ job: ScheduledJob) -> Bool {
    guard let request = job.completion?.request else { return false }
    let allowed = min(request.allowedTokens ?? vocabulary, vocabulary)
    return id >= 0 && id < allowed && request.endTokens?.contains(id) != true
  }

  /// What may follow a job's tokens and guesses by what its prompt's index holds, so that there are up to `limit`.
  private func find(_ job: ScheduledJob, _ limit: Int) -> DraftIndex.Draft {
    let guesses = Array(job.drafts.tokens)
    let room = room(job, limit) - guesses.count
    guard room > 0, let index = job.prompt.drafts.index, let place = job.drafts.place else {
      return DraftIndex.Draft()
    }
    var draft = index.draft(after: place, behind: guesses, limit: room)
    // Nothing follows an end, and what can't be drawn can't be right.
    if let cut = draft.tokens.firstIndex(where: { !isPossible($0, job) }) {
      draft.tokens.removeSubrange(cut...)
    }
    return draft
  }

  /// Proposes what is found behind a job's guesses. Returns whether something is.
  @discardableResult private func extend(_ job: ScheduledJob, _ limit: Int) -> Bool {
    let draft = find(job, limit)
    job.drafts.propose(draft)
    return !draft.tokens.isEmpty
  }

  /// Keeps up to `count` guesses, as far as pages are free for them.
  private func reserve(_ job: ScheduledJob, _ count: Int) {
    let wanted = min(count, job.drafts.tokens.count)
    guard wanted > 0 else { return job.drafts.keep(0) }
    job.drafts.keep(min(wanted, job.tokens.reserve(beyond: wanted)))
  }

  // MARK: Learning

  /// Learns from a step in which `jobs` drew. Returns the guesses that were right.
  func close(_ jobs: [ScheduledJob]) -> Int {
    if settings.amount == .off { return 0 }
    var accepted = 0
    for job in jobs { accepted += job.drafts.close(&rates, &drafting.rates) }
    drafter?.close(jobs)
    return accepted
  }

  /// Learns how long a step took that only continued completions.
  func measured(_ step: StepRecord) {
    guard settings.amount == .auto else { return }
    costs.add(rows: step.rows, seconds: step.seconds - draftSeconds)
    drafting.close(
      DrafterPlanner.Step(
        streams: step.streams, rows: step.rows, accepted: step.tokens - step.streams,
        seconds: draftSeconds - readSeconds, foundRate: foundRate), costs, &planner)
  }

  /// Keeps the text of a completion that has ended, for others of its prompt.
  func ended(_ job: ScheduledJob) {
    guard settings.amount != .off, job.completion != nil else { return }
    let (ids, promptCount) = (job.tokens.ids, job.tokens.promptCount)
    job.prompt.drafts.end(ids, job.drafts)
    history.add(ids[promptCount...], to: ids[..<promptCount])
  }

  // MARK: The drafter's memory

  /// Frees the prefixes of a forgotten adapter, which no job uses.
  func forget(_ key: PrefixKey) { drafter?.forget(key) }

  /// Tells how much the drafter holds.
  func describe(in statistics: inout EngineStatistics) {
    guard let drafter else { return }
    statistics.draftCacheBytesUsed = drafter.usedBytes
    statistics.draftCacheBytesCached = drafter.cachedBytes
    statistics.draftCacheBytesLimit = drafter.limitBytes
  }
}
