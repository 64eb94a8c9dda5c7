/// Decides which jobs compute in a step, and which hold memory. The engine's thread alone uses it.
///
/// Jobs run in the order in which they came. A job that finds no room waits, and those behind it with it. When
/// running jobs outgrow the memory, cached prefixes go first. Then the job that came last gives its keys and values
/// up; it computes them again later, to the same bits.
final class Scheduler {
  let pool: PagePool
  let prefixes: PrefixCache
  private let batchLimit: Int
  /// Jobs that wait for room, in order.
  private(set) var waiting: [ScheduledJob] = []
  /// Jobs that hold memory, in order.
  private(set) var running: [ScheduledJob] = []
  private(set) var preemptions = 0
  private(set) var sharedTokens = 0

  init(pool: PagePool, batchLimit: Int) {
    self.pool = pool
    self.batchLimit = batchLimit
    prefixes = PrefixCache(pool)
  }

  var isIdle: Bool { waiting.isEmpty && running.isEmpty }

  /// Adds a new job, or one that gave its memory up.
  func add(_ scheduled: ScheduledJob) {
    scheduled.prompt.waiting += 1
    var place = waiting.count
    while place > 0, scheduled.precedes(waiting[place - 1]) { place -= 1 }
    waiting.insert(scheduled, at: place)
  }

  /// Takes out jobs that were cancelled; `tell` gets each.
  ///
  /// Each job is asked once: callers cancel at any time, and a job must not leave without its caller being told.
  func removeCancelled(_ tell: (ScheduledJob) -> Void) {
    waiting.removeAll { scheduled in
      guard scheduled.job.isCancelled else { return false }
      leaveWaiting(scheduled)
      tell(scheduled)
      return true
    }
    running.removeAll { scheduled in
      guard scheduled.job.isCancelled else { return false }
      end(scheduled)
      tell(scheduled)
      return true
    }
  }

  /// Takes out jobs that have ended.
  func removeFinished(_ isFinished: (ScheduledJob) -> Bool) {
    running.removeAll { scheduled in
      guard isFinished(scheduled) else { return false }
      end(scheduled)
      return true
    }
  }

  private func end(_ scheduled: ScheduledJob) {
    scheduled.tokens.release()
    scheduled.drafts.read = nil
    if scheduled.prompt.leader === scheduled { scheduled.prompt.leader = nil }
  }

  private func leaveWaiting(_ scheduled: ScheduledJob) {
    let prompt = scheduled.prompt
    prompt.waiting -= 1
    if prompt.waiting == 0 { prompt.cache = nil }
  }

  /// Whether a job waits or runs under `key`.
  func uses(_ key: PrefixKey) -> Bool {
    running.contains { $0.tokens.key == key } || waiting.contains { $0.tokens.key == key }
  }

  // MARK: Admission

  /// Starts waiting jobs, as far as there is room.
  func admit() {
    var room = batchLimit - running.count
    var place = 0
    while place < waiting.count, room > 0 {
      let scheduled = waiting[place]
      room -= 1
      // Its group's prompt is being computed: the job keeps its place until then.
      if scheduled.tokens.isFresh, scheduled.prompt.leader != nil {
        place += 1
        continue
      }
      guard start(scheduled) else { return }
      waiting.remove(at: place)
      leaveWaiting(scheduled)
      insertRunning(scheduled)
      if scheduled.tokens.isFresh, scheduled.tokens.pendingCount > 1, scheduled.prompt.waiting > 0 {
        scheduled.prompt.leader = scheduled
      }
    }
  }

  private func start(_ scheduled: ScheduledJob) -> Bool {
    // A later sample continues the group's prompt: all but its last token, whose logits are wanted again.
    if scheduled.tokens.isFresh, let prompt = scheduled.prompt.cache,
      let copy = makeRoom(SequenceCache.pageCount(1), { prompt.fork(tokens: prompt.count) })
    {
      scheduled.tokens.begin(copy)
      scheduled.tokens.register(prefixes)
      sharedTokens += copy.count
    } else {
      scheduled.tokens.begin(SequenceCache(pool))
      sharedTokens += scheduled.tokens.advance(prefixes)
    }
    // A spare page for each running job, so that they do not preempt one another at once.
    let air = running.count
    let missing =
      SequenceCache.pageCount(scheduled.tokens.neededCount) - (scheduled.tokens.cache?.pages.count ?? 0)
    if missing + air > pool.available { _ = prefixes.evict(missing + air - pool.available) }
    if running.isEmpty || missing + air <= pool.available, reserve(scheduled) { return true }
    scheduled.tokens.release()
    return false
  }

  private func insertRunning(_ scheduled: ScheduledJob) {
    var place = running.count
    while place > 0, scheduled.precedes(running[place - 1]) { place -= 1 }
    running.insert(scheduled, at: place)
  }

  /// Starts waiting samples of `leader`'s group from the prompt that it has computed. Returns those that found room.
  func fork(from leader: ScheduledJob) -> [ScheduledJob] {
    let prompt = leader.prompt
    prompt.leader = nil
    guard let cache = leader.tokens.cache, prompt.waiting > 0 else { return [] }
    var forked: [ScheduledJob] = []
    for scheduled in waiting where scheduled.prompt === prompt && scheduled.tokens.isFresh {
      guard running.count + forked.count < batchLimit,
        let copy = makeRoom(1, { cache.fork(tokens: leader.tokens.promptCount) })
      else { break }
      scheduled.tokens.begin(copy, like: leader.tokens)
      sharedTokens += copy.count
      forked.append(scheduled)
    }
    waiting.removeAll { scheduled in forked.contains { $0 === scheduled } }
    for scheduled in forked {
      leaveWaiting(scheduled)
      insertRunning(scheduled)
    }
    if prompt.waiting > 0 { prompt.cache = cache.fork(tokens: leader.tokens.promptCount - 1) }
    return forked
  }

  // MARK: Memory

  /// Makes sure that every running job has room for its next step. Where there is too little, the last jobs go back
  /// to wait.
  func reserveForStep() {
    var place = 0
    while place < running.count {
      let scheduled = running[place]
      if reserve(scheduled) {
        place += 1
        continue
      }
      let last = running.removeLast()
      preempt(last)
    }
  }

  private func reserve(_ scheduled: ScheduledJob) -> Bool {
    guard let cache = scheduled.tokens.cache else { return false }
    let missing = SequenceCache.pageCount(scheduled.tokens.neededCount) - cache.pages.count
    if missing <= 0 { return true }
    return makeRoom(missing) { cache.tryReserve(tokens: scheduled.tokens.neededCount) ? true : nil } ?? false
  }

  /// Gives up cached prefixes, then prompts kept for later samples, until `body` succeeds.
  private func makeRoom<T>(_ pages: Int, _ body: () -> T?) -> T? {
    if let result = body() { return result }
    while prefixes.evict(pages) { if let result = body() { return result } }
    var isDropped = false
    for scheduled in waiting where scheduled.prompt.cache != nil {
      scheduled.prompt.cache = nil
      isDropped = true
    }
    return isDropped ? makeRoom(pages, body) : nil
  }

  private func preempt(_ scheduled: ScheduledJob) {
    end(scheduled)
    preemptions += 1
    add(scheduled)
  }
}
