import Synchronization

/// A request on its way through the engine. Only the engine's thread touches it, but for `cancel`.
final class GenerationJob: Sendable {
  let request: GenerationRequest
  let continuation: AsyncThrowingStream<Completion.Event, any Error>.Continuation
  private let cancelled = Atomic<Bool>(false)

  // The engine's thread alone uses these.
  nonisolated(unsafe) private(set) var cache: SequenceCache?
  nonisolated(unsafe) private(set) var pending: [Int]  // tokens not yet in the cache
  nonisolated(unsafe) private(set) var drawn = 0

  init(
    _ request: GenerationRequest,
    _ continuation: AsyncThrowingStream<Completion.Event, any Error>.Continuation
  ) {
    self.request = request
    self.continuation = continuation
    unsafe pending = request.prompt
  }

  func cancel() { cancelled.store(true, ordering: .relaxed) }
  var isCancelled: Bool { cancelled.load(ordering: .relaxed) }

  var pendingCount: Int { unsafe pending.count }

  func start(_ layout: CacheLayout) { unsafe cache = SequenceCache(layout) }

  /// The next piece of work, at most `limit` tokens long; logits only where the last token is in it.
  func segment(limit: Int) -> Segment {
    guard let cache = unsafe cache else { preconditionFailure("start comes first") }
    let tokens = unsafe Array(pending.prefix(limit))
    let isLast = unsafe tokens.count == pending.count
    return Segment(
      tokens: tokens, cache: cache, adapter: request.adapter,
      logits: isLast ? tokens.count - 1..<tokens.count : 0..<0)
  }

  /// After a step that computed `count` of the pending tokens.
  func computed(_ count: Int) { unsafe pending.removeFirst(count) }

  /// Takes the drawn token; the reason when it was the last.
  func take(_ token: Int, _ logProbability: Float, context: Int) -> FinishReason? {
    unsafe drawn += 1
    unsafe pending = [token]
    continuation.yield(.token(id: token, logProbability: logProbability))
    if request.stopTokens.contains(token) { return .stop }
    // The token just drawn needs a place in the context only if another follows it.
    let used = unsafe cache?.count ?? 0
    return unsafe drawn >= request.maxTokens || used + 1 > context - 1 ? .length : nil
  }

  func finish(_ reason: FinishReason) {
    continuation.yield(.finished(reason))
    continuation.finish()
    unsafe cache = nil
  }

  func fail(_ error: any Error) {
    continuation.finish(throwing: error)
    unsafe cache = nil
  }
}
