import CKernels
import ModelFiles
import Support

/// What the engine's thread does: step after step, one batch each.
final class EngineLoop {
  private let model: Model
  private let context: Int
  private let queue: JobQueue
  private let shared: SharedStatistics
  private let scheduler: Scheduler
  private let sampler: Sampler
  private var statistics = EngineStatistics()
  private var forgotten: [PrefixKey] = []

  /// Rows of prompt in a step beside sequences that are being continued, and without any: enough to be bound
  /// by arithmetic, few enough that the others need not wait long.
  private let promptRowsBeside = 256
  private let promptRowsAlone = 512
  /// Rows of logits in a step for scores: each is as long as the vocabulary.
  private let scoreRows = 64

  // Of the step at hand.
  private var stepped: [Sequence] = []
  private var segments: [Segment] = []
  private var finished: [ObjectIdentifier] = []
  private var decodesOnly = 0  // rows of a step without prompts, otherwise 0
  /// What callers are told once the step is over and counted.
  private var outbox: [(job: Job, result: Job.Result)] = []

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
      scheduler.removeCancelled { sequence in
        outbox.append((sequence.job, .event(.finished(sequence.ending(.cancelled)))))
        statistics.finished += 1
      }
      scheduler.admit()
      scheduler.reserveForStep()
      if !scheduler.running.isEmpty { step() }
      let computedNow = statistics.forwardSeconds + statistics.samplingSeconds
      let published = clock.now
      statistics.otherSeconds += (published - began).inSeconds - (computedNow - computed)
      publish()
      for (job, result) in outbox { job.tell(result) }
      outbox.removeAll(keepingCapacity: true)
      let ended = clock.now
      statistics.otherSeconds += (ended - published).inSeconds
      forget()
      if decodesOnly > 0 { shared.record(rows: decodesOnly, seconds: (ended - began).inSeconds) }
      decodesOnly = 0
    }
  }

  /// Gives up the prefixes of adapters that are no longer wanted, once nobody uses them.
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

  /// Jobs of one group come together.
  private func admit(_ jobs: [Job]) {
    var prompt = SharedPrompt()
    for (i, job) in jobs.enumerated() {
      if i > 0, jobs[i - 1].group !== job.group { prompt = SharedPrompt() }
      scheduler.add(Sequence(job, prompt, context: context, roomTokens: roomTokens))
    }
  }

  /// What the whole budget can hold.
  private var roomTokens: Int {
    let (tokens, overflow) = scheduler.pool.limit.multipliedReportingOverflow(by: CacheLayout.pageTokens)
    return overflow ? .max - 1 : tokens
  }

  // MARK: A step

  /// Advances every sequence by a token, or by a piece of its prompt.
  private func step() {
    gather()
    let clock = ContinuousClock()
    let began = clock.now
    var sampled = Duration.zero
    finished.removeAll(keepingCapacity: true)
    model.compute.exclusive { forward in
      unsafe forward.run(segments) { logits, _ in
        let computed = clock.now
        unsafe finish(UnsafeMutablePointer(mutating: logits), forward.pool)
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
    var decodes = 0
    for sequence in scheduler.running where sequence.pendingCount == 1 && sequence.request != nil {
      decodes += 1
    }
    var rows = decodes > 0 ? promptRowsBeside : promptRowsAlone
    var logitRows = scoreRows
    var begun: Set<PageIdentity> = []
    for sequence in inAdapterOrder(scheduler.running) {
      let isDecode = sequence.pendingCount == 1 && sequence.request != nil
      if !isDecode {
        if rows == 0 || (sequence.request == nil && logitRows == 0) { continue }
        statistics.promptTokensShared += sequence.advance(scheduler.prefixes)
        // Somebody else computes this page in this very step: it will be there in the next.
        if let page = sequence.nextSharedPage(), !begun.insert(page).inserted { continue }
        statistics.promptTokensShared += sequence.borrow(scheduler.prefixes)
      }
      let segment = sequence.segment(rows: isDecode ? 1 : rows, logitRows: logitRows)
      if isDecode {
        statistics.decodeRows += 1
      } else {
        rows -= segment.tokens.count
        statistics.promptTokensComputed += segment.tokens.count
        if sequence.request == nil { logitRows -= segment.logits.count }
      }
      statistics.rows += segment.tokens.count
      stepped.append(sequence)
      segments.append(segment)
    }
    if decodes > 0 { statistics.decodeSteps += 1 }
    decodesOnly = decodes == segments.count ? decodes : 0
  }

  /// Neighbours with one adapter share its low-rank products; among them, and where there is but one, the
  /// order stays.
  private func inAdapterOrder(_ sequences: [Sequence]) -> [Sequence] {
    let first = sequences.first?.adapter
    if sequences.allSatisfy({ $0.adapter === first }) { return sequences }
    var ranks: [ObjectIdentifier: Int] = [:]
    var buckets: [[Sequence]] = [[]]
    for sequence in sequences {
      guard let adapter = sequence.adapter else {
        buckets[0].append(sequence)
        continue
      }
      let rank = ranks[ObjectIdentifier(adapter)] ?? buckets.count
      if rank == buckets.count {
        ranks[ObjectIdentifier(adapter)] = rank
        buckets.append([])
      }
      buckets[rank].append(sequence)
    }
    return buckets.flatMap(\.self)
  }

  /// Draws and scores from the step's logits.
  @unsafe private func finish(_ logits: UnsafeMutablePointer<Float>, _ pool: OpaquePointer) {
    let vocabulary = model.config.vocabSize
    var drawers: [Sequence] = []
    var row = 0
    for (sequence, segment) in zip(stepped, segments) {
      sequence.register(scheduler.prefixes)
      if segment.logits.isEmpty { continue }
      let values = unsafe logits + row * vocabulary
      row += segment.logits.count
      if sequence.request == nil {
        unsafe score(sequence, segment, values, pool)
        continue
      }
      drawers.append(sequence)
      unsafe sampler.add(sequence, logits: values, isCopied: false)
      guard sequence.prompt.leader === sequence else { continue }
      for other in scheduler.fork(from: sequence) {
        drawers.append(other)
        // Penalties change a row in place, so each sample gets its own.
        unsafe sampler.add(other, logits: values, isCopied: other.penalties != nil)
      }
    }
    unsafe sampler.draw(pool)
    for (i, sequence) in drawers.enumerated() { take(sequence, sampler.result(i)) }
    sampler.clear()
  }

  private func take(_ sequence: Sequence, _ row: DrawnRow?) {
    guard let row else {
      fail(sequence)
      return
    }
    statistics.tokensDrawn += 1
    let (token, ending) = sequence.take(row)
    outbox.append((sequence.job, .event(.token(token))))
    if let ending {
      outbox.append((sequence.job, .event(.finished(ending))))
      end(sequence)
    }
  }

  @unsafe private func score(
    _ sequence: Sequence, _ segment: Segment, _ logits: UnsafeMutablePointer<Float>, _ pool: OpaquePointer
  ) {
    let first = sequence.scoreFrom + sequence.scores.count
    let scores = unsafe sampler.score(
      logits, sequence.tokens[first..<first + segment.logits.count], sequence.temperature, pool)
    sequence.add(scores: scores)
    if scores.contains(where: \.isNaN) {
      fail(sequence)
    } else if sequence.pendingCount == 0 {
      outbox.append((sequence.job, .scores(sequence.scores)))
      end(sequence)
    }
  }

  private func fail(_ sequence: Sequence) {
    let position = max((sequence.cache?.count ?? 0) - 1, 0)
    outbox.append((sequence.job, .failure(.notFinite(position: position))))
    end(sequence)
  }

  private func end(_ sequence: Sequence) {
    finished.append(ObjectIdentifier(sequence))
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

/// Where the engine's thread leaves its numbers for others.
final class SharedStatistics: Sendable {
  private let value = Locked(EngineStatistics())
  private let steps = Locked<[StepRecord]?>(nil)

  /// A step that only continued completions.
  struct StepRecord: Sendable {
    let rows: Int
    let seconds: Double
  }

  /// From now on each step's duration is kept. For measuring.
  func beginRecording() { steps.withLock { $0 = [] } }
  func record(rows: Int, seconds: Double) {
    steps.withLock { $0?.append(StepRecord(rows: rows, seconds: seconds)) }
  }
  func recorded() -> [StepRecord] { steps.withLock { $0 ?? [] } }

  func store(_ statistics: EngineStatistics) { value.withLock { $0 = statistics } }
  func load() -> EngineStatistics { value.withLock { $0 } }
}
