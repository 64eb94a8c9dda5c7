import Foundation
import Judging

/// The groups of a rollout that a command is to value, one after another.
///
/// The longest group that waits goes first, whichever ended first: learning begins with it.
final class CommandLane: Sendable {
  private let judge: Judge
  private let condition = NSCondition()
  // Under the condition's lock.
  private nonisolated(unsafe) var waiting: [Int: RewardGroup] = [:]
  private nonisolated(unsafe) var results: [Int: Result<[Double?], any Error>] = [:]

  init(_ judge: Judge) { self.judge = judge }

  /// Puts a group into the line.
  func begin(_ index: Int, _ group: RewardGroup) {
    locked { unsafe waiting[index] = group }
    // Each turn follows one group that was put in, and may take another.
    judge.answer {
      self.next(index)
    } done: { index, result in
      self.keep(index, result)
    }
  }

  private func next(_ index: Int) -> (number: Int, completions: [JudgedCompletion]) {
    locked {
      let first = unsafe waiting.min { Self.rank($0) < Self.rank($1) }?.key ?? index
      return (first, unsafe waiting.removeValue(forKey: first)?.judged ?? [])
    }
  }

  private static func rank(_ waiting: (key: Int, value: RewardGroup)) -> (Int, Int) {
    (-waiting.value.completions.reduce(0) { $0 + $1.tokens }, waiting.key)
  }

  private func keep(_ index: Int, _ result: Result<[Double?], any Error>) {
    locked {
      unsafe results[index] = result
      condition.broadcast()
    }
  }

  /// Blocks until a group that was begun has its values.
  func values(_ index: Int) throws(TrainerError) -> [Double?] {
    let result = locked {
      while true {
        if let result = unsafe results[index] { return result }
        condition.wait()
      }
    }
    do { return try result.get() } catch { throw TrainerError(judging: error, judge.command.name) }
  }

  /// Kills the command.
  func cancel() { judge.cancel() }

  private func locked<T>(_ body: () -> T) -> T {
    condition.lock()
    defer { condition.unlock() }
    return body()
  }
}
