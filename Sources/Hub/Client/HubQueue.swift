import ModelFiles
import Support
import Synchronization

/// The files that are still to be fetched, shared by the threads that fetch them.
final class HubQueue: Sendable {
  private struct State {
    var files: [HubFile]
    var done = 0
    var resumed = 0
    var error: HubError?
    var last = ContinuousClock.Instant.now
  }
  let count: Int
  private let total: Int
  private let state: Mutex<State>
  private let began = ContinuousClock.now
  private let ending: StopFlag
  private let onProgress: @Sendable (HubProgress) -> Void

  /// - Parameter ending: set at the first failure.
  init(
    _ files: [HubFile], _ ending: StopFlag, _ onProgress: @escaping @Sendable (HubProgress) -> Void
  ) {
    self.ending = ending
    count = files.count
    total = files.reduce(0) { $0 + $1.size }
    state = Mutex(State(files: files.reversed()))
    self.onProgress = onProgress
  }

  var error: HubError? { state.withLock { $0.error } }

  /// The next file; nil when there is none, or another thread failed.
  func next() -> HubFile? { state.withLock { $0.error == nil ? $0.files.popLast() : nil } }

  func fail(_ error: HubError) {
    state.withLock { if $0.error == nil { $0.error = error } }
    ending.set()
  }

  /// - Parameter isNew: whether they came over the network.
  func add(_ bytes: Int, isNew: Bool) {
    state.withLock { state in
      state.done += bytes
      if !isNew { state.resumed += bytes }
      let now = ContinuousClock.now
      guard now - state.last > .milliseconds(100) || state.done == total else { return }
      state.last = now
      onProgress(
        HubProgress(
          done: state.done, total: total, seconds: (now - began).inSeconds, resumed: state.resumed))
    }
  }
}
