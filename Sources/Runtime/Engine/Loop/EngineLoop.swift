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
  private var decodesOnly = 0  // rows of a step without prompts, otherwise 0
  /// What callers are told once the statistics hold the step.
  private var outbox: [(job: Job, message: Job.Message)] = []

  init(
    model: Model, pool: PagePool, context: Int, batchLimit: Int, queue: JobQueue, shared: SharedStatistics
  ) {
    self.model = model
    self.context = context
    self.queue = queue
    self.shared = shared
    scheduler = Scheduler(pool: pool, batchLimit: batchLimit)
    sampler = Sampler(vocabulary: model.config.vocabSize)
  }

  func run() {
    let clock = ContinuousClock()
    while let jobs = queue.take(block: scheduler.isIdle) {
      let began = clock.now
      let computed = statistics.forwardSeconds + statistics.samplingSeconds
      admit(jobs)
      scheduler.removeCancelled { scheduled in
        outbox.append((scheduled.job, .event(.finished(scheduled.ending(.cancelled)))))
        statistics.finished += 1
      }
      scheduler.admit()
      scheduler.reserveForStep()
      if !scheduler.running.isEmpty { step() }
      let computedNow = statistics.forwardSeconds + statistics.samplingSeconds
      let published = clock.now
      statistics.otherSeconds += (published - began).inSeconds - (computedNow - computed)
      publish()
      for (job, message) in outbox { job.tell(message) }
      outbox.removeAll(keepingCapacity: true)
      let ended = clock.now
      statistics.otherSeconds += (ended - published).inSeconds
      forget()
      if decodesOnly > 0 { shared.record(rows: decodesOnly, seconds: (ended - began).inSeconds) }
      decodesOnly = 0
    }
  }

  /// Frees the prefixes of forgotten adapters that no job uses any more.
  private func forget() {
    forgotten += queue.takeForgotten()
    if forgotten.isEmpty { return }
    forgotten.removeAll { key in
      if scheduler.uses(key) { return false }
      scheduler.prefixes.drop(key)
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
    stepped.removeAll(keepingCapacity: true)
    segments.removeAll(keepingCapacity: true)
  }

  /// Chooses what is computed in this step.
  private func gather() {
    let decodes = scheduler.running.count { $0.isDecoding }
    var rows = decodes > 0 ? promptRowsBeside : promptRowsAlone
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
      let segment = scheduled.tokens.segment(
        scheduled.adapter, rows: isDecode ? 1 : rows, logitRows: logitRows)
      if isDecode {
        statistics.decodeRows += 1
      } else {
        rows -= segment.tokens.count
        statistics.promptTokensComputed += segment.tokens.count
        if isScore { logitRows -= segment.logits.count }
      }
      statistics.rows += segment.tokens.count
      stepped.append(scheduled)
      segments.append(segment)
    }
    if decodes > 0 { statistics.decodeSteps += 1 }
    decodesOnly = decodes == segments.count ? decodes : 0
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
    var drawers: [(job: ScheduledJob, completion: ActiveCompletion)] = []
    var values = unsafe logits
    func draw(_ scheduled: ScheduledJob, _ completion: ActiveCompletion, isCopied: Bool) {
      unsafe sampler.add(
        completion, sample: scheduled.job.sample, position: scheduled.tokens.ids.count, logits: values,
        isCopied: isCopied)
      drawers.append((scheduled, completion))
    }
    for (scheduled, segment) in zip(stepped, segments) {
      scheduled.tokens.register(scheduler.prefixes)
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
    unsafe sampler.draw(pool)
    for (i, drawer) in drawers.enumerated() { take(drawer.job, drawer.completion, sampler.result(i)) }
    sampler.clear()
  }

  private func take(_ scheduled: ScheduledJob, _ completion: ActiveCompletion, _ row: DrawnRow?) {
    guard let row else {
      fail(scheduled)
      return
    }
    statistics.tokensDrawn += 1
    let (token, reason) = completion.take(row, &scheduled.tokens)
    outbox.append((scheduled.job, .event(.token(token))))
    if let reason {
      outbox.append((scheduled.job, .event(.finished(scheduled.ending(reason)))))
      end(scheduled)
    }
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
    let position = max((scheduled.tokens.cache?.count ?? 0) - 1, 0)
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
    var published = statistics
    published.promptTokensShared += scheduler.sharedTokens
    shared.store(published)
  }
}
