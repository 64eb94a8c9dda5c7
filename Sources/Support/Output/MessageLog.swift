import Foundation

/// Messages for people, and logs. They never hold up the work: a thread of their own writes them, and what can't be
/// written is dropped and counted.
package final class MessageLog: Sendable {
  /// How urgent a message is.
  package enum Kind: Sendable {
    /// A sentence for a person. The caller waits a moment for it, so that it comes before what is written next.
    case note
    /// A line of a log: the caller never waits.
    case record
    /// Progress: left out, uncounted, while something else waits.
    case progress
  }

  /// Standard error.
  package static let standardError = MessageLog(descriptor: STDERR_FILENO)

  private struct State: Sendable {
    var waiting: [[UInt8]] = []
    var waitingBytes = 0
    /// Messages taken in, and messages that are written or lost.
    var taken = 0
    var done = 0
    var dropped = 0
    /// Nobody waits for a reader that has kept one message waiting.
    var isStalled = false
    var hasThread = false
    var isEnding = false
  }

  private let descriptor: Int32
  private let condition = NSCondition()
  private nonisolated(unsafe) var state = State()
  private let byteLimit: Int

  /// Seconds that a caller waits for a note at most, and that the end waits for a reader that takes nothing.
  private static let patience = 0.1
  private static let lastPatience = 0.5

  /// - Parameters:
  ///   - descriptor: an open file, which stays the caller's.
  ///   - byteLimit: how much may wait; what is more is dropped.
  package init(descriptor: Int32, byteLimit: Int = 1 << 18) {
    self.descriptor = descriptor
    self.byteLimit = byteLimit
  }

  /// The number of messages that were lost.
  package var droppedCount: Int { locked { $0.dropped } }

  private func locked<T>(_ body: (inout State) -> T) -> T {
    condition.lock()
    defer { condition.unlock() }
    return unsafe body(&state)
  }

  /// Takes in a message. Its end of line is part of it.
  package func write(_ text: String, _ kind: Kind = .note) {
    let bytes = Array(text.utf8)
    condition.lock()
    defer { condition.unlock() }
    guard unsafe !state.isEnding else { return }
    if kind == .progress, unsafe state.taken > state.done { return }
    guard unsafe state.waitingBytes + bytes.count <= byteLimit || state.waiting.isEmpty else {
      unsafe state.dropped += 1
      return
    }
    unsafe state.waiting.append(bytes)
    unsafe state.waitingBytes += bytes.count
    unsafe state.taken += 1
    if unsafe !state.hasThread {
      unsafe state.hasThread = true
      Thread.detachNewThread { [self] in writeAll() }
    }
    condition.broadcast()
    guard kind == .note, unsafe !state.isStalled else { return }
    let number = unsafe state.taken
    let deadline = Date(timeIntervalSinceNow: Self.patience)
    while unsafe state.done < number {
      guard condition.wait(until: deadline) else {
        unsafe state.isStalled = true
        return
      }
    }
  }

  /// Waits until all messages are written, or their reader takes no more. Later messages are ignored.
  ///
  /// - Returns: the number of messages that were lost.
  package func finish() -> Int {
    condition.lock()
    defer { condition.unlock() }
    while unsafe state.done < state.taken {
      let before = unsafe state.done
      let deadline = Date(timeIntervalSinceNow: Self.lastPatience)
      while unsafe state.done == before, condition.wait(until: deadline) {}
      if unsafe state.done == before { break }
    }
    unsafe state.isEnding = true
    return unsafe state.dropped + state.taken - state.done
  }

  /// The thread's work.
  private func writeAll() {
    // A reader that went away is an error of the write, in programs too that leave this signal as it is.
    blockClosedPipes()
    // After a line that broke off, the next one begins on a line of its own.
    var isMidLine = false
    while true {
      condition.lock()
      while unsafe state.waiting.isEmpty { condition.wait() }
      let bytes = unsafe state.waiting.removeFirst()
      unsafe state.waitingBytes -= bytes.count
      condition.unlock()
      let written = put(isMidLine ? [UInt8(ascii: "\n")] + bytes : bytes)
      locked { state in
        state.done += 1
        if written.isWhole { state.isStalled = false } else { state.dropped += 1 }
      }
      if written.isWhole { isMidLine = false } else if written.count > 0 { isMidLine = true }
      condition.lock()
      condition.broadcast()
      condition.unlock()
    }
  }

  /// Writes bytes, and waits for a reader as long as it takes.
  private func put(_ bytes: [UInt8]) -> (isWhole: Bool, count: Int) {
    var done = 0
    while done < bytes.count {
      let code = writeSome(bytes, &done, to: descriptor)
      if code == 0 { continue }
      guard code == EAGAIN, waitForRoom(descriptor) else { return (false, done) }
    }
    return (true, done)
  }
}

/// Keeps writes of this thread to a pipe that nobody reads from ending the process.
private func blockClosedPipes() {
  var signals = sigset_t()
  unsafe sigemptyset(&signals)
  unsafe sigaddset(&signals, SIGPIPE)
  _ = unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
}

/// Writes bytes from `done` on, once, and adds up how many; 0 or the error's number.
package func writeSome(_ bytes: [UInt8], _ done: inout Int, to descriptor: Int32) -> Int32 {
  let start = done
  let count = unsafe bytes.withUnsafeBytes { buffer in
    unsafe write(descriptor, buffer.baseAddress.map { unsafe $0 + start }, buffer.count - start)
  }
  if count >= 0 {
    done += count
    return count > 0 || start == bytes.count ? 0 : EIO
  }
  return errno == EINTR ? 0 : errno == EWOULDBLOCK ? EAGAIN : errno
}

/// Waits until a file that does not block can take more; false if it never will.
package func waitForRoom(_ descriptor: Int32) -> Bool {
  var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
  while true {
    let count = unsafe poll(&entry, 1, -1)
    if count < 0, errno == EINTR { continue }
    // An error shows at the next write.
    return count > 0 && entry.revents & Int16(POLLNVAL) == 0
  }
}
