import Foundation
import Support

/// Some connections. A request takes the next one that is free.
final class LanePool: Sendable {
  /// How one try ended.
  enum Outcome: Sendable {
    case reply(ServerClient.Reply)
    case failed(WebConnection.Failure)
    case tooLong
    case noLibrary
  }

  /// A connection, which one request at a time uses.
  private final class Lane: Sendable {
    // Whoever took the lane uses it alone.
    private nonisolated(unsafe) var connection: WebConnection?

    func send(_ request: WebRequest, limit: Int, _ stop: StopFlag) async -> Outcome {
      await withCheckedContinuation { continuation in
        // A thread of its own: Dispatch has no more than processors for work that waits.
        Thread.detachNewThread { [self] in continuation.resume(returning: perform(request, limit, stop)) }
      }
    }

    private func perform(_ request: WebRequest, _ limit: Int, _ stop: StopFlag) -> Outcome {
      guard let connection = unsafe connection ?? WebConnection() else { return .noLibrary }
      unsafe self.connection = connection
      var body: [UInt8] = []
      var isTooLong = false
      let consumer = WebConnection.Consumer(
        head: { _ in true },
        body: { part in
          guard body.count + part.byteCount <= limit else {
            isTooLong = true
            return false
          }
          unsafe part.withUnsafeBytes { unsafe body.append(contentsOf: $0) }
          return true
        })
      switch connection.send(request, consumer, isStopped: { stop.isSet }) {
      case .answered(let head): return .reply(.init(head: head, body: body))
      case .failed(let failure, _): return .failed(failure)
      case .stopped: return isTooLong ? .tooLong : .failed(.broken("stopped"))
      case .headerTooLong: return .failed(.failed("a header that is too long"))
      }
    }
  }

  private struct State: Sendable {
    var free: [Lane]
    var waiting: [CheckedContinuation<Lane, Never>] = []
  }

  private let state: Locked<State>

  init(_ count: Int) { state = Locked(State(free: (0..<max(count, 1)).map { _ in Lane() })) }

  /// Sends a request once. Cancelling the task ends it soon.
  func send(_ request: WebRequest, limit: Int) async -> Outcome {
    let stop = StopFlag()
    return await withTaskCancellationHandler {
      let lane = await take()
      defer { giveBack(lane) }
      return stop.isSet ? .failed(.broken("stopped")) : await lane.send(request, limit: limit, stop)
    } onCancel: {
      stop.set()
    }
  }

  private func take() async -> Lane {
    await withCheckedContinuation { continuation in
      let lane = state.withLock { state -> Lane? in
        if let lane = state.free.popLast() { return lane }
        state.waiting.append(continuation)
        return nil
      }
      if let lane { continuation.resume(returning: lane) }
    }
  }

  private func giveBack(_ lane: Lane) {
    let next = state.withLock { state -> CheckedContinuation<Lane, Never>? in
      if state.waiting.isEmpty {
        state.free.append(lane)
        return nil
      }
      return state.waiting.removeFirst()
    }
    next?.resume(returning: lane)
  }
}
