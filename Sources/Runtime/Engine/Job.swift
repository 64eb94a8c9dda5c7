import Foundation
import Synchronization

/// One completion, or one text to score, on its way from a caller to the engine's thread.
final class Job: Sendable {
  /// What is wanted.
  enum Task: Sendable {
    /// A completion; the first of a group computes the prompt for all.
    case generate(GenerationRequest)
    /// ln p of each of the last tokens at this temperature.
    case score(tokens: [Int], from: Int, adapter: AttachedAdapter?, temperature: Float)
  }

  let task: Task
  /// Which of its group.
  let sample: Int
  /// Those that share a prompt have one group.
  let group: JobGroup
  private let sink: @Sendable (Result) -> Void
  private let cancelled = Atomic<Bool>(false)

  /// What the engine's thread tells the caller.
  enum Result: Sendable {
    case event(Completion.Event)
    case scores([Float])
    case failure(RuntimeError)
  }

  init(_ task: Task, sample: Int = 0, group: JobGroup, sink: @escaping @Sendable (Result) -> Void) {
    self.task = task
    self.sample = sample
    self.group = group
    self.sink = sink
  }

  func cancel() { cancelled.store(true, ordering: .relaxed) }
  var isCancelled: Bool { cancelled.load(ordering: .relaxed) }

  func tell(_ result: Result) { sink(result) }
}

/// The jobs that continue one prompt.
final class JobGroup: Sendable {
  /// In the order in which requests came.
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

  func forget(_ key: PrefixKey) {
    condition.withLock { unsafe forgotten.append(key) }
    condition.signal()
  }

  /// What is no longer wanted since the last call.
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

  /// All jobs that have come. Waits for the first, or for something to forget, if `block`; nil once closed
  /// and empty.
  func take(block: Bool) -> [Job]? {
    condition.lock()
    defer { condition.unlock() }
    while unsafe block && waiting.isEmpty && forgotten.isEmpty && !closed { condition.wait() }
    if unsafe waiting.isEmpty { return unsafe block && closed ? nil : [] }
    defer { unsafe waiting = [] }
    return unsafe waiting
  }
}
