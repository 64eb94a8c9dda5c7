/// Guesses tokens for running completions, and learns which guesses pay. The engine's thread alone uses it.
final class Speculator {
  private let settings: Speculation
  private let vocabulary: Int
  private var costs = StepCosts()
  private var planner = DraftPlanner()
  private var rates = DraftRates()
  private var history: DraftHistory

  init(_ settings: Speculation, vocabulary: Int) {
    self.settings = settings
    self.vocabulary = vocabulary
    history = DraftHistory(bytes: settings.amount == .off ? 0 : settings.historyBytes)
  }

  // MARK: Guessing

  /// Guesses what follows in each of `jobs`, which draw in the next step. Memory is taken for guesses only where it is
  /// free.
  ///
  /// - Parameter isAlone: whether the step has no other rows.
  func plan(_ jobs: [ScheduledJob], isAlone: Bool) {
    switch settings.amount {
    case .off: return
    case .tokens(let count):
      for job in follow(jobs, limit: count) { reserve(job, count) }
    case .auto:
      // Beside rows of prompts arithmetic is the bound, and no row is cheap.
      guard isAlone, planner.isOpen(streams: jobs.count, costs) else { return }
      let drafting = follow(jobs, limit: DraftPlanner.limit(streams: jobs.count))
      let candidates = drafting.map { job in
        DraftPlanner.Candidate(
          chances: job.drafts.chances(rates), count: job.drafts.tokens.count, length: job.tokens.ids.count)
      }
      let counts = planner.choose(candidates, streams: jobs.count, costs)
      for (job, count) in zip(drafting, counts) { reserve(job, count) }
    }
  }

  /// Proposes guesses, at most `limit` for each job. Returns the jobs that have some.
  private func follow(_ jobs: [ScheduledJob], limit: Int) -> [ScheduledJob] {
    for job in jobs { follow(job) }
    return jobs.filter { propose($0, limit) }
  }

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

  private func propose(_ job: ScheduledJob, _ limit: Int) -> Bool {
    guard let completion = job.completion, let index = job.prompt.drafts.index, let place = job.drafts.place,
      job.prompt.leader !== job
    else { return false }
    // The last token that may be drawn needs no row behind it.
    let room = min(limit, completion.room(behind: job.tokens.ids.count) - 1)
    guard room > 0 else { return false }
    var draft = index.draft(after: place, limit: room)
    let allowed = min(completion.request.allowedTokens ?? vocabulary, vocabulary)
    let ends = completion.request.endTokens ?? []
    // Nothing follows an end, and what can't be drawn can't be right.
    if let cut = draft.tokens.firstIndex(where: { $0 < 0 || $0 >= allowed || ends.contains($0) }) {
      draft.tokens.removeSubrange(cut...)
    }
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
    for job in jobs { accepted += job.drafts.close(&rates) }
    return accepted
  }

  /// Learns how long a step took that only continued completions.
  func measured(_ step: StepRecord) {
    guard settings.amount == .auto else { return }
    costs.add(rows: step.rows, seconds: step.seconds)
    planner.close(
      streams: step.streams, rows: step.rows, accepted: step.tokens - step.streams, costs)
  }

  /// Keeps the text of a completion that has ended, for others of its prompt.
  func ended(_ job: ScheduledJob) {
    guard settings.amount != .off, job.completion != nil else { return }
    let (ids, promptCount) = (job.tokens.ids, job.tokens.promptCount)
    job.prompt.drafts.end(ids, job.drafts)
    history.add(ids[promptCount...], to: ids[..<promptCount])
  }
}
