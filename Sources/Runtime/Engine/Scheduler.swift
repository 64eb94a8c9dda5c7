/// Decides who computes in a step, and who holds memory. The engine's thread alone uses it.
///
/// Requests run in the order in which they came. One that finds no room waits, and those behind it with it;
/// when running ones outgrow the memory, cached prefixes go first, then the sequence that came last gives its
/// keys and values up and computes them again later, to the same bits.
final class Scheduler {
  let pool: PagePool
  let prefixes: PrefixCache
  private let batchLimit: Int
  /// In order.
  private(set) var waiting: [Sequence] = []
  /// In order.
  private(set) var running: [Sequence] = []
  private(set) var preemptions = 0
  private(set) var sharedTokens = 0

  init(pool: PagePool, batchLimit: Int) {
    self.pool = pool
    self.batchLimit = batchLimit
    prefixes = PrefixCache(pool)
  }

  var isIdle: Bool { waiting.isEmpty && running.isEmpty }

  /// Adds a new sequence, or one that gave way.
  func add(_ sequence: Sequence) {
    sequence.prompt.waiting += 1
    var place = waiting.count
    while place > 0, sequence.precedes(waiting[place - 1]) { place -= 1 }
    waiting.insert(sequence, at: place)
  }

  /// Takes out what was cancelled; `tell` gets each.
  func removeCancelled(_ tell: (Sequence) -> Void) {
    for sequence in waiting where sequence.job.isCancelled {
      leaveWaiting(sequence)
      tell(sequence)
    }
    waiting.removeAll(where: \.job.isCancelled)
    for sequence in running where sequence.job.isCancelled {
      end(sequence)
      tell(sequence)
    }
    running.removeAll(where: \.job.isCancelled)
  }

  /// Takes out those that have ended.
  func removeFinished(_ isFinished: (Sequence) -> Bool) {
    running.removeAll { sequence in
      guard isFinished(sequence) else { return false }
      end(sequence)
      return true
    }
  }

  private func end(_ sequence: Sequence) {
    sequence.release()
    if sequence.prompt.leader === sequence { sequence.prompt.leader = nil }
  }

  private func leaveWaiting(_ sequence: Sequence) {
    let prompt = sequence.prompt
    prompt.waiting -= 1
    if prompt.waiting == 0 { prompt.cache = nil }
  }

  /// Whether a sequence waits or runs under `key`.
  func uses(_ key: PrefixKey) -> Bool {
    running.contains { $0.key == key } || waiting.contains { $0.key == key }
  }

  // MARK: Admission

  /// Lets waiting sequences in, as far as there is room.
  func admit() {
    var room = batchLimit - running.count
    var place = 0
    while place < waiting.count, room > 0 {
      let sequence = waiting[place]
      room -= 1
      // Its group's prompt is being computed: its place is kept until then.
      if sequence.isFresh, sequence.prompt.leader != nil {
        place += 1
        continue
      }
      guard start(sequence) else { return }
      waiting.remove(at: place)
      leaveWaiting(sequence)
      insertRunning(sequence)
      if sequence.isFresh, sequence.pendingCount > 1, sequence.prompt.waiting > 0 {
        sequence.prompt.leader = sequence
      }
    }
  }

  private func start(_ sequence: Sequence) -> Bool {
    // A later sample continues the group's prompt: all but its last token, whose logits are wanted again.
    if sequence.isFresh, let prompt = sequence.prompt.cache,
      let copy = makeRoom(SequenceCache.pageCount(1), { prompt.fork(tokens: prompt.count) })
    {
      sequence.begin(copy)
      sequence.register(prefixes)
      sharedTokens += copy.count
    } else {
      sequence.begin(SequenceCache(pool))
      sharedTokens += sequence.advance(prefixes)
    }
    // Some air for those that run, so that they are not at each other's throats at once.
    let air = running.count
    let missing = SequenceCache.pageCount(sequence.neededTokens) - (sequence.cache?.pages.count ?? 0)
    if missing + air > pool.available { _ = prefixes.evict(missing + air - pool.available) }
    if running.isEmpty || missing + air <= pool.available, reserve(sequence) { return true }
    sequence.release()
    return false
  }

  private func insertRunning(_ sequence: Sequence) {
    var place = running.count
    while place > 0, sequence.precedes(running[place - 1]) { place -= 1 }
    running.insert(sequence, at: place)
  }

  /// `leader`'s prompt is there: samples of its group that wait begin from it. Returns those that did.
  func fork(from leader: Sequence) -> [Sequence] {
    let prompt = leader.prompt
    prompt.leader = nil
    guard let cache = leader.cache, prompt.waiting > 0 else { return [] }
    var forked: [Sequence] = []
    for sequence in waiting where sequence.prompt === prompt && sequence.isFresh {
      guard running.count + forked.count < batchLimit,
        let copy = makeRoom(1, { cache.fork(tokens: leader.promptCount) })
      else { break }
      sequence.begin(copy, like: leader)
      sharedTokens += copy.count
      forked.append(sequence)
    }
    waiting.removeAll { sequence in forked.contains { $0 === sequence } }
    for sequence in forked {
      leaveWaiting(sequence)
      insertRunning(sequence)
    }
    if prompt.waiting > 0 { prompt.cache = cache.fork(tokens: leader.promptCount - 1) }
    return forked
  }

  // MARK: Memory

  /// Makes sure that every running sequence has room for its next step, if need be by sending others back
  /// to wait, the last first.
  func reserveForStep() {
    var place = 0
    while place < running.count {
      let sequence = running[place]
      if reserve(sequence) {
        place += 1
        continue
      }
      let last = running.removeLast()
      preempt(last)
    }
  }

  private func reserve(_ sequence: Sequence) -> Bool {
    guard let cache = sequence.cache else { return false }
    let missing = SequenceCache.pageCount(sequence.neededTokens) - cache.pages.count
    if missing <= 0 { return true }
    return makeRoom(missing) { cache.tryReserve(tokens: sequence.neededTokens) ? true : nil } ?? false
  }

  /// Gives up cached prefixes, then prompts kept for later samples, until `body` succeeds.
  private func makeRoom<T>(_ pages: Int, _ body: () -> T?) -> T? {
    if let result = body() { return result }
    while prefixes.evict(pages) { if let result = body() { return result } }
    var isDropped = false
    for sequence in waiting where sequence.prompt.cache != nil {
      sequence.prompt.cache = nil
      isDropped = true
    }
    return isDropped ? makeRoom(pages, body) : nil
  }

  private func preempt(_ sequence: Sequence) {
    end(sequence)
    preemptions += 1
    add(sequence)
  }
}
