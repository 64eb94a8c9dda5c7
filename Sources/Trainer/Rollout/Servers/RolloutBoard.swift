import Support
import TinaRuntime

/// Which groups of a rollout are handed out, and to which servers.
///
/// A group that a server gave back, or has had for far longer than the others took, goes to another one. Whoever comes
/// first with it counts: all servers give the same bits.
final class RolloutBoard: Sendable {
  private struct State: Sendable {
    var waiting: [Int]
    /// The servers that have a group, and since when.
    var running: [Int: [(server: Int, since: ContinuousClock.Instant)]] = [:]
    var results: [Int: [CompletedText]] = [:]
    var longest = Duration.zero
  }

  private let count: Int
  private let state: Locked<State>
  /// How long a group is left to one server at least.
  private let patience: Duration

  init(count: Int, patience: Duration = .seconds(10)) {
    self.count = count
    self.patience = patience
    state = Locked(State(waiting: Array((0..<count).reversed())))
  }

  var isDone: Bool { state.withLock { $0.results.count == count } }

  /// The next group for a server; nil if there is none for it now.
  func take(_ server: Int) -> Int? {
    state.withLock { state in
      let now = ContinuousClock.now
      if let group = state.waiting.popLast() {
        state.running[group, default: []].append((server, now))
        return group
      }
      // Three times what the slowest group took, so that ordinary unevenness costs nothing.
      let limit = max(patience, state.longest * 3)
      let late = state.running.filter { _, servers in
        servers.count == 1 && servers[0].server != server && now - servers[0].since > limit
      }
      guard let group = late.keys.min() else { return nil }
      state.running[group, default: []].append((server, now))
      return group
    }
  }

  /// Takes a group's completions; what comes second is left out.
  func finish(_ group: Int, _ completions: [CompletedText], by server: Int) {
    state.withLock { state in
      if let since = state.running[group]?.first(where: { $0.server == server })?.since {
        state.longest = max(state.longest, ContinuousClock.now - since)
      }
      state.running[group] = nil
      if state.results[group] == nil { state.results[group] = completions }
    }
  }

  /// Takes back a group from a server that failed.
  func giveBack(_ group: Int, by server: Int) {
    state.withLock { state in
      guard state.results[group] == nil else { return }
      state.running[group]?.removeAll { $0.server == server }
      if state.running[group]?.isEmpty ?? true {
        state.running[group] = nil
        state.waiting.append(group)
      }
    }
  }

  /// All completions in the order of the groups, once they are there.
  var results: [[CompletedText]] { state.withLock { state in (0..<count).compactMap { state.results[$0] } } }
}
