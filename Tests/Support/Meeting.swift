import Foundation
import Processes
import Synchronization

/// Threads that stand for the processes of one task. Each waits for what the others give.
package final class Meeting: Sendable {
  private struct State {
    /// What each member gave, by the number of the call.
    var said: [Int: [Int: [UInt8]]] = [:]
    var isLost = false
  }
  private let state = Mutex(State())
  package let count: Int

  package init(_ count: Int) { self.count = count }

  package func member(_ rank: Int) -> Member { Member(meeting: self, rank: rank) }

  /// Lets every member wait in vain, as when a process is gone.
  package func lose() { state.withLock { $0.isLost = true } }

  fileprivate func gather(_ call: Int, _ rank: Int, _ mine: [UInt8]) throws -> [[UInt8]] {
    state.withLock { $0.said[call, default: [:]][rank] = mine }
    for _ in 0..<120_000 {
      let (all, isLost) = state.withLock { ($0.said[call] ?? [:], $0.isLost) }
      if isLost { throw CancellationError() }
      if all.count == count { return (0..<count).compactMap { all[$0] } }
      usleep(1000)
    }
    throw CancellationError()
  }

  package final class Member: ProcessGroup {
    private let meeting: Meeting
    private let calls = Mutex(0)
    package let rank: Int

    init(meeting: Meeting, rank: Int) { (self.meeting, self.rank) = (meeting, rank) }

    package var count: Int { meeting.count }
    package var traffic: (bytes: Int, seconds: Double) { (0, 0) }
    package func name(of rank: Int) -> String { "rank \(rank) of \(count) on host" }

    package func gather(_ bytes: [UInt8]) throws -> [[UInt8]] {
      let call = calls.withLock { calls in
        calls += 1
        return calls
      }
      return try meeting.gather(call, rank, bytes)
    }

    @unsafe package func spread(_ memory: UnsafeMutableRawBufferPointer) throws {
      let all = unsafe try gather(rank == 0 ? Array(memory) : [])
      unsafe memory.copyBytes(from: all[0])
    }

    @unsafe package func add(
      _ part: UnsafeMutableBufferPointer<Float>, parts: Int, to sum: UnsafeMutableBufferPointer<Float>
    ) throws {
      let values = unsafe Array(part)
      let all = try gather(Message { $0.add(values) }.bytes)
      for bytes in all.prefix(parts) {
        var reader = MessageReader(bytes)
        for (i, value) in try reader.floats().enumerated() { unsafe sum[i] += value }
      }
    }

    @unsafe package func complete(_ sum: UnsafeMutableBufferPointer<Float>) throws {}
  }

  /// Runs each member's work on threads of its own, and waits for all.
  ///
  /// A member that waits keeps its thread: the threads of Swift's concurrency would run out.
  package func run<Value: Sendable>(
    _ work: @escaping @Sendable (Member) async throws -> Value
  ) async -> [Result<Value, any Error>] {
    await withTaskGroup(of: (Int, Result<Value, any Error>).self) { tasks in
      for rank in 0..<count {
        let member = member(rank)
        tasks.addTask(executorPreference: QueueExecutor()) {
          do { return (rank, .success(try await work(member))) } catch { return (rank, .failure(error)) }
        }
      }
      var results: [Int: Result<Value, any Error>] = [:]
      for await (rank, result) in tasks { results[rank] = result }
      return (0..<count).compactMap { results[$0] }
    }
  }
}

/// Runs jobs on a queue of its own.
private final class QueueExecutor: TaskExecutor {
  private let queue = DispatchQueue(label: "a process", attributes: .concurrent)

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    queue.async { unsafe job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}
