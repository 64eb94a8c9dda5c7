import TinaRuntime
import Support

/// Admits requests in the order in which they came, as room becomes free, and refuses them when the queue is full.
///
/// A request's size is its number of completions, and the tokens that it is expected to keep. These are its prompts
/// and, for each completion, its limit or twice the usual answer, whichever is less. The engine never exceeds its
/// memory in any case; admission prevents that requests push each other out of it.
final class Admission: Sendable {
  struct Limits: Sendable {
    /// Completions at once.
    var completions = 64
    /// Requests that wait.
    var queue = 128
    /// Tokens of keys and values that fit.
    var tokens = Int.max
    /// How long a request waits at most.
    var patience = Duration.seconds(120)
  }

  /// An admitted request; ``leave(_:answers:)`` gives its place back.
  struct Ticket: Sendable {
    let completions: Int
    let tokens: Int
    let began: ContinuousClock.Instant
  }

  struct Load: Sendable, Equatable {
    var requests = 0
    var completions = 0
    var tokens = 0
    var waiting = 0

    mutating func add(_ completions: Int, _ tokens: Int) {
      requests += 1
      self.completions += completions
      self.tokens += tokens
    }
  }

  private struct Waiter {
    let id: UInt64
    let completions: Int
    let tokens: Int
    let deadline: ContinuousClock.Instant
    let continuation: CheckedContinuation<Void, any Error>
  }

  private struct State: Sendable {
    var load = Load()
    var waiters: [Waiter] = []
    var nextID: UInt64 = 0
    var isWatched = false
    var isDraining = false
    /// Running means: seconds of a request, tokens of an answer.
    var seconds = 2.0
    var answer = 512.0
  }

  let limits: Limits
  private let state = Locked(State())

  init(_ limits: Limits) { self.limits = limits }

  var load: Load {
    state.withLock { state in
      var load = state.load
      load.waiting = state.waiters.count
      return load
    }
  }

  var isDraining: Bool { state.withLock { $0.isDraining } }

  /// Stops admitting requests; those that wait already may still come in.
  func drain() { state.withLock { $0.isDraining = true } }

  /// The tokens that a request is expected to keep.
  func expectedTokens(prompts: [Int], samples: Int, maxTokens: Int) -> Int {
    let answer = state.withLock { Int(max(2 * $0.answer, 256)) }
    return prompts.reduce(0, +) + prompts.count * samples * min(maxTokens, answer)
  }

  /// Waits until the request is admitted.
  ///
  /// - Throws: `ServingError` with status 429 when too many wait or it takes too long, with 503 when the server
  ///   is stopping; `CancellationError`.
  func enter(completions: Int, tokens: Int) async throws -> Ticket {
    let completions = min(completions, limits.completions)
    let tokens = min(tokens, limits.tokens)
    let began = ContinuousClock.now
    let place = try state.withLock { state -> Result<UInt64?, ServingError> in
      if state.isDraining { return .failure(.draining) }
      if fits(state, completions, tokens), state.waiters.isEmpty {
        state.load.add(completions, tokens)
        return .success(nil)
      }
      guard state.waiters.count < limits.queue else {
        return .failure(
          .busy(
            retryAfter: retryAfter(state),
            "\(state.load.requests) requests run and \(state.waiters.count) wait, as many as may."
              + " Try again later."))
      }
      state.nextID += 1
      return .success(state.nextID)
    }.get()
    let ticket = Ticket(completions: completions, tokens: tokens, began: began)
    guard let id = place else { return ticket }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        state.withLock {
          $0.waiters.append(
            Waiter(
              id: id, completions: completions, tokens: tokens, deadline: began + limits.patience,
              continuation: continuation))
        }
        watch()
        // The handler found no waiter if the task was cancelled before this.
        if Task.isCancelled { remove(id)?.resume(throwing: CancellationError()) }
        admit()
      }
    } onCancel: {
      remove(id)?.resume(throwing: CancellationError())
      admit()  // the requests behind it may be smaller
    }
    return ticket
  }

  /// Gives a place back, and learns from the answers.
  ///
  /// - Parameter answers: tokens of each completion; empty if it was not answered.
  func leave(_ ticket: Ticket, answers: [Int]) {
    let seconds = (ContinuousClock.now - ticket.began).inSeconds
    state.withLock { state in
      state.load.requests -= 1
      state.load.completions -= ticket.completions
      state.load.tokens -= ticket.tokens
      if answers.isEmpty { return }
      state.seconds += 0.1 * (seconds - state.seconds)
      for answer in answers { state.answer += 0.02 * (Double(answer) - state.answer) }
    }
    admit()
  }

  private func fits(_ state: State, _ completions: Int, _ tokens: Int) -> Bool {
    if state.load.requests == 0 { return true }
    return state.load.completions + completions <= limits.completions
      && state.load.tokens <= limits.tokens - tokens
  }

  /// Admits waiting requests in their order, as long as the first one fits.
  private func admit() {
    let admitted = state.withLock { state in
      var admitted: [Waiter] = []
      while let first = state.waiters.first, fits(state, first.completions, first.tokens) {
        state.load.add(first.completions, first.tokens)
        admitted.append(state.waiters.removeFirst())
      }
      return admitted
    }
    for waiter in admitted { waiter.continuation.resume() }
  }

  private func remove(_ id: UInt64) -> CheckedContinuation<Void, any Error>? {
    state.withLock { state in
      guard let place = state.waiters.firstIndex(where: { $0.id == id }) else { return nil }
      return state.waiters.remove(at: place).continuation
    }
  }

  /// Refuses requests that have waited too long. One timer serves all, because a cancelled timer stays in memory until
  /// its time has come.
  private func watch() {
    let isFirst = state.withLock { state in
      defer { state.isWatched = true }
      return !state.isWatched
    }
    guard isFirst else { return }
    Task {
      while let next = nextDeadline() {
        try? await Task.sleep(until: next, clock: .continuous)
        for waiter in takeExpired() { waiter.continuation.resume(throwing: tooLong()) }
        admit()
      }
    }
  }

  /// The deadline of the first waiting request; nil when none waits, which ends the watch.
  private func nextDeadline() -> ContinuousClock.Instant? {
    state.withLock { state in
      if state.waiters.isEmpty { state.isWatched = false }
      return state.waiters.first?.deadline
    }
  }

  private func takeExpired() -> [Waiter] {
    let now = ContinuousClock.now
    return state.withLock { state in
      let expired = state.waiters.prefix { $0.deadline <= now }
      state.waiters.removeFirst(expired.count)
      return Array(expired)
    }
  }

  private func tooLong() -> ServingError {
    .busy(
      retryAfter: state.withLock { retryAfter($0) },
      "the request waited \(Int(limits.patience.inSeconds)) seconds for room and found none. Try again later."
    )
  }

  /// Seconds until the requests that are here have probably ended.
  private func retryAfter(_ state: State) -> Int {
    let rounds = Double(state.waiters.count + 1) / Double(max(state.load.requests, 1))
    return Int(min(max((state.seconds * rounds).rounded(.up), 1), 60))
  }
}
