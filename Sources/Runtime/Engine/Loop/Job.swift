import Foundation
import Synchronization

/// One completion, or one text to score, on its way from a caller to the engine's thread.
final class Job: Sendable {
  /// What is wanted.
  enum Wish: Sendable {
    /// A completion; the first of a group computes the prompt for all.
    case completion(GenerationRequest)
    /// The log-probability of each of the last tokens.
    case score(ScoreRequest)
  }

  /// What the engine's thread tells the caller.
  enum Message: Sendable {
    case event(Completion.Event)
    case scores([Float])
    case failure(RuntimeError)
  }

  let wish: Wish
  /// Which of its group.
  let sample: Int
  /// Jobs that share a prompt have one group.
  let group: JobGroup
  private let sink: @Sendable (Message) -> Void
  private let cancelled = Atomic<Bool>(false)

  init(_ wish: Wish, sample: Int = 0, group: JobGroup, sink: @escaping @Sendable (Message) -> Void) {
    self.wish = wish
    self.sample = sample
    self.group = group
    self.sink = sink
  }

  func cancel() { cancelled.store(true, ordering: .relaxed) }
  var isCancelled: Bool { cancelled.load(ordering: .relaxed) }

  func tell(_ message: Message) { sink(message) }
}

/// A text whose last tokens are scored.
struct ScoreRequest: Sendable {
  let tokens: [Int]
  /// The first token whose probability is wanted; at least 1.
  let first: Int
  let adapter: AttachedAdapter?
  let temperature: Float
}

/// The jobs that continue one prompt.
final class JobGroup: Sendable {
  /// Counts groups in the order in which requests came.
  let arrival: UInt64

  private static let arrivals = Atomic<UInt64>(0)

  init() { arrival = Self.arrivals.add(1, ordering: .relaxed).oldValue }
}

/// Jobs that wait for the engine's thread.
final class JobQueue: Sendable {
  private let condition = NSCondition()
  private nonisolated(unsafe) var waiting: [Job] = []
  private nonisolated(unsafe) var closed = false
  private nonisolated(unsafe) var forgotten: [PrefixKey] = []

  func add(_ jobs: [Job]) {
    condition.withLock { unsafe waiting += jobs }
    condition.signal()
  }

  /// Tells the engine's thread that prefixes under `key` are no longer wanted.
  func forget(_ key: PrefixKey) {
    condition.withLock { unsafe forgotten.append(key) }
    condition.signal()
  }

  /// The keys that are no longer wanted since the last call.
  func takeForgotten() -> [PrefixKey] {
    condition.withLock {
      defer { unsafe forgotten = [] }
      return unsafe forgotten
    }
  }

  func close() {
    condition.withLock { unsafe closed = true }
    condition.signal()
  }

  /// All jobs that have come; nil once closed and empty. With `block`, waits for a job or for something to forget.
  func take(block: Bool) -> [Job]? {
    condition.lock()
    defer { condition.unlock() }
    while unsafe block && waiting.isEmpty && forgotten.isEmpty && !closed { condition.wait() }
    if unsafe waiting.isEmpty { return unsafe block && closed ? nil : [] }
    defer { unsafe waiting = [] }
    return unsafe waiting
  }
}
