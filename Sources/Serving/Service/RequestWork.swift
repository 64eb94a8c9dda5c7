import Dispatch
import Foundation
import Support

/// Does the long part of requests on a few threads of its own: reading bodies, encoding and decoding texts, writing
/// long answers. Neither Swift's threads nor the event loop wait for it.
///
/// Short and long work wait in two lines, and short work has threads that take nothing else. Within a line the turns
/// are fair by bytes: whoever brings a megabyte waits until others had a megabyte's worth.
final class RequestWork: Sendable {
  /// Tells work that nobody waits for it any more.
  final class Sign: Sendable {
    private let cancelled = Locked(false)

    /// Whether the client is gone.
    var isCancelled: Bool { cancelled.withLock { $0 } }

    /// - Throws: `CancellationError` once the client is gone.
    func check() throws { if isCancelled { throw CancellationError() } }
    fileprivate func cancel() { cancelled.withLock { $0 = true } }
  }

  private struct Job: Sendable {
    let id: UInt64
    /// The line's clock when its turn ends; the smallest comes next.
    let turn: Int
    let perform: @Sendable () -> Void
  }

  private struct Line: Sendable {
    var jobs: [Job] = []
    /// The turn of the work that began last.
    var clock = 0

    mutating func next() -> Job? {
      guard let place = jobs.indices.min(by: { (jobs[$0].turn, jobs[$0].id) < (jobs[$1].turn, jobs[$1].id) })
      else { return nil }
      clock = max(clock, jobs[place].turn)
      jobs.swapAt(place, jobs.count - 1)
      return jobs.removeLast()
    }
  }

  private struct State: Sendable {
    var short = Line()
    var long = Line()
    var isBusy: [Bool]
    var lastID: UInt64 = 0
  }

  /// The most bytes of short work.
  static let shortBytes = 64 << 10
  /// The most bytes of work that is done at once where it comes up.
  static let smallBytes = 4 << 10

  private let threads: [DispatchQueue]
  /// The first threads take short work alone.
  private let shortThreads: Int
  private let state: Locked<State>
  private let freed = FreedMemory()

  init(cores: Int = ProcessInfo.processInfo.activeProcessorCount) {
    shortThreads = min(max(cores / 4, 1), 4)
    threads = (0..<2 * shortThreads).map { DispatchQueue(label: "tina requests \($0)") }
    state = Locked(State(isBusy: [Bool](repeating: false, count: threads.count)))
  }

  /// Pieces of work that wait.
  var waiting: Int { state.withLock { $0.short.jobs.count + $0.long.jobs.count } }

  /// Does work that grows with so many bytes. A cancelled task waits no longer: work that has not begun is dropped, and
  /// work that has begun is told by its sign.
  func run<Value: Sendable>(
    bytes: Int, _ work: @escaping @Sendable (Sign) throws -> Value
  ) async throws -> Value {
    let sign = Sign()
    if bytes <= Self.smallBytes { return try work(sign) }
    let id = state.withLock { state in
      state.lastID += 1
      return state.lastID
    }
    let waiter = Locked<CheckedContinuation<Value, any Error>?>(nil)
    @Sendable func resume(_ result: Result<Value, any Error>) {
      let continuation = waiter.withLock { waiter in
        defer { waiter = nil }
        return waiter
      }
      continuation?.resume(with: result)
    }
    @Sendable func cancel() {
      sign.cancel()
      drop(id)
      resume(.failure(CancellationError()))
    }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        waiter.withLock { $0 = continuation }
        add(id, bytes) {
          resume(
            Result {
              try sign.check()
              return try work(sign)
            })
        }
        // The handler found nobody waiting if the task was cancelled before this.
        if Task.isCancelled { cancel() }
      }
    } onCancel: {
      cancel()
    }
  }

  private func add(_ id: UInt64, _ bytes: Int, _ perform: @escaping @Sendable () -> Void) {
    let isShort = bytes <= Self.shortBytes
    let thread = state.withLock { state -> Int? in
      if isShort {
        state.short.jobs.append(Job(id: id, turn: state.short.clock + bytes, perform: perform))
      } else {
        state.long.jobs.append(Job(id: id, turn: state.long.clock + bytes, perform: perform))
      }
      let fit = isShort ? threads.indices : shortThreads..<threads.count
      guard let free = fit.first(where: { !state.isBusy[$0] }) else { return nil }
      state.isBusy[free] = true
      return free
    }
    if !isShort { freed.returnSoon() }
    guard let thread else { return }
    threads[thread].async { [self] in
      while let job = next(thread) { job.perform() }
    }
  }

  private func next(_ thread: Int) -> Job? {
    state.withLock { state in
      if thread >= shortThreads, let job = state.long.next() { return job }
      if let job = state.short.next() { return job }
      state.isBusy[thread] = false
      return nil
    }
  }

  private func drop(_ id: UInt64) {
    state.withLock { state in
      state.short.jobs.removeAll { $0.id == id }
      state.long.jobs.removeAll { $0.id == id }
    }
  }
}
