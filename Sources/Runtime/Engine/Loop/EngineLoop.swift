import CKernels
import ModelFiles
import Support

/// The loop of the engine's thread: step after step, one batch each.
final class EngineLoop {
  private let model: Model
  private let context: Int
  private let queue: JobQueue
  private let shared: SharedStatistics
  private let scheduler: Scheduler
  private let sampler: Sampler
  private let speculator: Speculator
  private var statistics = EngineStatistics()
  private var forgotten: [PrefixKey] = []

  /// Rows of prompts in a step, beside completions that are continued and without any. Enough that arithmetic is the
  /// bound, few enough that continued completions need not wait long.
  private let promptRowsBeside = 256
  private let promptRowsAlone = 512
  /// Rows of logits in a step for scores. Each row is as long as the vocabulary.
  private let scoreRows = 64

  // The present step.
  private var stepped: [ScheduledJob] = []
  private var segments: [Segment] = []
  private var finished: [ObjectIdentifier] = []
  private var decoding: [ScheduledJob] = []  // those of `stepped` that only draw
  private var isDecodingOnly = false
  private var before = EngineStatistics()
  /// What callers are told once the statistics hold the step.
  private var outbox: [(job: Job, message: Job.Message)] = []

  init(
    model: Model, pool: PagePool, context: Int, batchLimit: Int, queue: JobQueue, shared: SharedStatistics,
    speculation: Speculation, drafter: DraftModel?
  ) {
    self.model = model
    self.context = context
    self.queue = queue
    self.shared = shared
    scheduler = Scheduler(pool: pool, batchLimit: batchLimit)
    sampler = Sampler(vocabulary: model.config.vocabSize)
    speculator = Speculator(speculation, vocabulary: model.config.vocabSize, drafter: drafter)
  }

  func run() {
    let clock = ContinuousClock()
    while let jobs = queue.take(block: scheduler.isIdle) {
      let began = clock.now
      let computed = computedSeconds
      admit(jobs)
      scheduler.removeCancelled { scheduled in
        outbox.append((scheduled.job, .event(.finished(scheduled.ending(.cancelled)))))
        statistics.finished += 1
        speculator.ended(scheduled)
      }
      scheduler.admit()
      scheduler.reserveForStep()
      if !scheduler.running.isEmpty { step() }
      let published = clock.now
      statistics.otherSeconds += (published - began).inSeconds - (computedSeconds - computed)
      publish()
      for (job, message) in outbox { job.tell(message) }
      outbox.removeAll(keepingCapacity: true)
      let ended = clock.now
      statistics.otherSeconds += (ended - published).inSeconds
      forget()
      noteStep(seconds: (ended - began).inSeconds)
    }
  }

  private var computedSeconds: Double {
    statistics.forwardSeconds + statistics.samplingSeconds + statistics.draftSeconds
  }

  /// Notes how long a step took that only continued completions.
  private func noteStep(seconds: Double) {
    if isDecodingOnly {
      let step = StepRecord(
        streams: decoding.count, rows: statistics.rows - before.rows,
        tokens: statistics.tokensDrawn - before.tokensDrawn, seconds: seconds)
      speculator.measured(step)
      shared.record(step)
    }
    isDecodingOnly = false
    decoding.removeAll(keepingCapacity: true)
  }

  /// Frees the prefixes of forgotten adapters that no job uses any more.
  private func forget() {
    forgotten += queue.takeForgotten()
    if forgotten.isEmpty { return }
    forgotten.removeAll { key in
      if scheduler.uses(key) { return false }
      scheduler.prefixes.drop(key)
      speculator.forget(key)
      return true
    }
    publish()
  }

  /// Takes jobs over from callers. Jobs of one group come together.
  private func admit(_ jobs: [Job]) {
    // What the whole budget can hold.
    let roomTokens = CacheLayout.tokens(inPages: scheduler.pool.limit)
    var prompt = SharedPrompt()
    for (i, job) in jobs.enumerated() {
      if i > 0, jobs[i - 1].group !== job.group { prompt = SharedPrompt() }
      scheduler.add(
        ScheduledJob(
          job, prompt, activations: model.activations, context: context, roomTokens: roomTokens))
    }
  }

  // MARK: A step

  /// Advances every running job by a token, or by a piece of its prompt.
  private func step() {
    gather()
    let clock = ContinuousClock()
    let began = clock.now
    var sampled = Duration.zero
    finished.removeAll(keepingCapacity: true)
    model.compute.exclusive { forward in
      unsafe forward.run(segments) { logits, _ in
        let computed = clock.now
        do throws(RuntimeError) {
          // What was computed from files that changed is told to nobody.
          try model.checkFiles()
          for scheduled in stepped { try scheduled.adapter?.checkFiles() }
          unsafe finish(UnsafeMutablePointer(mutating: logits), forward.pool)
        } catch {
          for scheduled in stepped { fail(scheduled, error) }
        }
        sampled = clock.now - computed
      }
    }
    statistics.steps += 1
    statistics.forwardSeconds += (clock.now - began - sampled).inSeconds
    statistics.samplingSeconds += sampled.inSeconds
    scheduler.removeFinished { finished.contains(ObjectIdentifier($0)) }
    // They hold keys and values.
    stepped.removeAll(keepingCapacity: true)
    segments.removeAll(keepingCapacity: true)
  }

  /// Chooses what is computed in this step.
  private func gather() {
    decoding.append(contentsOf: scheduler.running.lazy.filter(\.isDecoding))
    isDecodingOnly = decoding.count == scheduler.running.count
    before = statistics
    speculator.plan(decoding, isAlone: isDecodingOnly)
    statistics.draftSeconds += speculator.draftSeconds
    var rows = decoding.isEmpty ? promptRowsAlone : promptRowsBeside
    var logitRows = scoreRows
    var begun: Set<PageIdentity> = []
    for scheduled in inAdapterOrder(scheduler.running) {
      let (isDecode, isScore) = (scheduled.isDecoding, scheduled.completion == nil)
      if !isDecode {
        if rows == 0 || (isScore && logitRows == 0) { continue }
        statistics.promptTokensShared += scheduled.tokens.advance(scheduler.prefixes)
        // Another job computes this page in this very step: it will be there in the next.
        if let page = scheduled.tokens.nextSharedPage(), !begun.insert(page).inserted { continue }
        statistics.promptTokensShared += scheduled.tokens.borrow(scheduler.prefixes)
      }
      let segment =
        isDecode
        ? scheduled.tokens.segment(scheduled.adapter, guesses: scheduled.drafts.tokens)
        : scheduled.tokens.segment(scheduled.adapter, rows: rows, logitRows: logitRows)
      if isDecode {
        statistics.decodeRows += 1
        statistics.draftedTokens += segment.tokens.count - 1
        if segment.tokens.count > 1 { statistics.drafts += 1 }
      } else {
        rows -= segment.tokens.count
        statistics.promptTokensComputed += segment.tokens.count
        if isScore { logitRows -= segment.logits.count }
      }
      statistics.rows += segment.tokens.count
      stepped.append(scheduled)
      segments.append(segment)
    }
    if !decoding.isEmpty { statistics.decodeSteps += 1 }
  }

  /// The jobs with those of one adapter beside each other, because neighbours share its low-rank products. Their order
  /// is otherwise kept.
  private func inAdapterOrder(_ jobs: [ScheduledJob]) -> [ScheduledJob] {
    let first = jobs.first?.adapter
    if jobs.allSatisfy({ $0.adapter === first }) { return jobs }
    var ranks: [ObjectIdentifier: Int] = [:]
    var buckets: [[ScheduledJob]] = [[]]
    for scheduled in jobs {
      guard let adapter = scheduled.adapter else {
        buckets[0].append(scheduled)
        continue
      }
      let rank = ranks[ObjectIdentifier(adapter)] ?? buckets.count
      if rank == buckets.count {
        ranks[ObjectIdentifier(adapter)] = rank
        buckets.append([])
      }
      buckets[rank].append(scheduled)
    }
    return buckets.flatMap(\.self)
  }

  /// Draws and scores from the step's logits.
  @unsafe private func finish(_ logits: UnsafeMutablePointer<Float>, _ pool: OpaquePointer) {
    let vocabulary = model.config.vocabSize
    var drawers = unsafe [Drawer]()
    var values = unsafe logits
    func draw(_ scheduled: ScheduledJob, _ completion: ActiveCompletion, isCopied: Bool) {
      unsafe drawers.append(
        Drawer(job: scheduled, completion: completion, logits: values, isCopied: isCopied))
    }
    for (scheduled, segment) in zip(stepped, segments) {
      // Pages with guesses are known to others once it is clear which of them are right.
      if scheduled.drafts.tokens.isEmpty { scheduled.tokens.register(scheduler.prefixes) }
      if segment.logits.isEmpty { continue }
      switch scheduled.work {
      case .score(let score): unsafe finish(score, of: scheduled, segment.logits.count, values, pool)
      case .completion(let completion):
        draw(scheduled, completion, isCopied: false)
        guard scheduled.prompt.leader === scheduled else { break }
        for other in scheduler.fork(from: scheduled) {
          // Penalties change a row in place, so each sample gets its own.
          if let completion = other.completion {
            draw(other, completion, isCopied: completion.penalties != nil)
          }
        }
      }
      unsafe values += segment.logits.count * vocabulary
    }
    unsafe drawInTurn(&drawers, pool)
    for scheduled in decoding where !scheduled.drafts.tokens.isEmpty {
      scheduled.tokens.dropGuesses()
      scheduled.tokens.register(scheduler.prefixes)
    }
    if !decoding.isEmpty { statistics.decodeRows += speculator.close(decoding) }
  }

  /// A completion that draws its next token from a row of logits; behind the row are those of its guesses.
  @unsafe private struct Drawer {
    let job: ScheduledJob
    let completion: ActiveCompletion
    var logits: UnsafeMutablePointer<Float>
    var isCopied: Bool
  }

  /// Draws a token for each completion, then another for those whose guess was right, and so on. So every token is
  /// drawn behind those before it, with its own random number, as if it were alone in its step.
  @unsafe private func drawInTurn(_ drawers: inout [Drawer], _ pool: OpaquePointer) {
    var place = 0
    while unsafe !drawers.isEmpty {
      for i in unsafe drawers.indices {
        let job = unsafe drawers[i].job
        unsafe sampler.add(
          drawers[i].completion, sample: job.job.sample, position: job.tokens.ids.count,
          logits: drawers[i].logits, isCopied: drawers[i].isCopied)
      }
      unsafe sampler.draw(pool)
      var agreeing = unsafe [Drawer]()
      for i in unsafe drawers.indices {
        var drawer = unsafe drawers[i]
        guard unsafe take(drawer.job, drawer.completion, sampler.result(i), place) else { continue }
        unsafe drawer.logits += model.config.vocabSize
        unsafe drawer.isCopied = false
        unsafe agreeing.append(drawer)
      }
      sampler.clear()
      unsafe drawers = agreeing
      place += 1
    }
  }

  /// Takes a drawn token. Returns whether it was guessed, so that the next one can be drawn too.
  private func take(
    _ scheduled: ScheduledJob, _ completion: ActiveCompletion, _ row: DrawnRow?, _ place: Int
  ) -> Bool {
    guard let row else {
      fail(scheduled)
      return false
    }
    statistics.tokensDrawn += 1
    let (token, reason) = completion.take(row, &scheduled.tokens)
    let isGuessed = scheduled.drafts.check(token.id)
    if isGuessed { statistics.acceptedByPlace[place] += 1 }
    outbox.append((scheduled.job, .event(.token(token))))
    guard let reason else { return isGuessed }
    outbox.append((scheduled.job, .event(.finished(scheduled.ending(reason)))))
    end(scheduled)
    return false
  }

  @unsafe private func finish(
    _ score: ActiveScore, of scheduled: ScheduledJob, _ rows: Int, _ logits: UnsafeMutablePointer<Float>,
    _ pool: OpaquePointer
  ) {
    let scores = unsafe sampler.score(logits, score.next(rows), score.request.temperature, pool)
    score.add(scores)
    if scores.contains(where: \.isNaN) {
      fail(scheduled)
    } else if scheduled.tokens.pendingCount == 0 {
      outbox.append((scheduled.job, .scores(score.scores)))
      end(scheduled)
    }
  }

  private func fail(_ scheduled: ScheduledJob) {
    // Of a completion the last token; what lies behind are guesses.
    let count = min(scheduled.tokens.cache?.count ?? 0, scheduled.tokens.ids.count)
    let position = max(count - 1, 0)
    let adapter = scheduled.adapter.map { AttachedName(path: $0.adapter.path, scale: $0.scale) }
    fail(scheduled, .notFinite(position: position, adapter: adapter))
  }

  private func fail(_ scheduled: ScheduledJob, _ error: RuntimeError) {
    outbox.append((scheduled.job, .failure(error)))
    end(scheduled)
  }

  private func end(_ scheduled: ScheduledJob) {
    finished.append(ObjectIdentifier(scheduled))
    statistics.finished += 1
    speculator.ended(scheduled)
  }

  private func publish() {
    let pool = scheduler.pool
    statistics.preemptions = scheduler.preemptions
    statistics.evictions = scheduler.prefixes.evictions
    statistics.running = scheduler.running.count
    statistics.waiting = scheduler.waiting.count
    statistics.cacheBytesUsed = pool.used * pool.layout.pageBytes
    statistics.cacheBytesCached = scheduler.prefixes.pageCount * pool.layout.pageBytes
    statistics.cacheBytesAllocated = pool.allocatedBytes
    let (bytes, overflow) = pool.limit.multipliedReportingOverflow(by: pool.layout.pageBytes)
    statistics.cacheBytesLimit = overflow ? .max : bytes
    speculator.describe(in: &statistics)
    var published = statistics
    published.promptTokensShared += scheduler.sharedTokens
    shared.store(published)
  }
}
