import CChild
import Foundation
import ModelFiles
import Support

/// A running command and its pipes. One thread at a time uses it.
///
/// Writing, answers and standard error are served at once, so that no order in which the child reads and writes can
/// hold both sides up.
final class JudgeProcess {
  /// Why there is no answer.
  enum Fault: Error {
    /// The process is gone; how it ended.
    case ended(String)
    case timeLimit
    /// It wrote what nobody asked for.
    case unasked([UInt8])
    case tooLong
  }

  let number: pid_t
  private let child: ch_child
  private(set) var lastLines = LastLines()
  private var hasErrors = true
  private var isEnded = false

  /// Starts a program.
  ///
  /// - Throws: ``JudgeError`` with the system's reason.
  init(_ command: JudgeCommand, program: String) throws(JudgeError) {
    let (child, code) = RunningChildren.start(program, command.arguments)
    guard code == 0 else {
      throw JudgeError(
        .command, file: program, place: "command " + command.name, found: systemErrorText(code),
        expected: "to start the program",
        advice: code == ENOEXEC ? "A script begins with #! and the path of its interpreter." : "")
    }
    self.child = child
    number = child.process
  }

  deinit { _ = end(patience: 0) }

  /// Sends a line and waits for one.
  func ask(_ request: [UInt8], replyLimit: Int, seconds: Double) throws(Fault) -> [UInt8] {
    let deadline = ContinuousClock.now + .seconds(seconds)
    try checkQuiet()
    var reply: [UInt8] = []
    var sent = 0
    var isInputOpen = true
    while true {
      let left = (deadline - .now).inSeconds
      guard left > 0 else { throw .timeLimit }
      let ready = wait(seconds: left, forInput: isInputOpen && sent < request.count)
      if ready.errors { readErrors() }
      if ready.output {
        let start = reply.count
        guard read(child.output, into: &reply) else { throw .ended(endedEarly()) }
        if let newline = reply[start...].firstIndex(of: UInt8(ascii: "\n")) {
          // What answers before it can have read the question, or says more than one line, answers something else.
          guard newline == reply.count - 1, sent == request.count else { throw .unasked(reply) }
          return Array(reply[..<newline])
        }
        guard reply.count <= replyLimit else { throw .tooLong }
      }
      if ready.input {
        let count = unsafe request.withUnsafeBytes { bytes in
          unsafe ch_write(child.input, bytes.baseAddress! + sent, bytes.count - sent)
        }
        if count > 0 { sent += count }
        // The end of its output tells what became of it.
        if count < 0, ![EAGAIN, EINTR].contains(errno) { isInputOpen = false }
      }
    }
  }

  /// Makes sure that nothing waits to be read.
  private func checkQuiet() throws(Fault) {
    while true {
      let ready = wait(seconds: 0, forInput: false)
      if ready.errors { readErrors() }
      if ready.output {
        var bytes: [UInt8] = []
        guard read(child.output, into: &bytes) else { throw .ended(endedEarly()) }
        if !bytes.isEmpty { throw .unasked(bytes) }
      }
      if !ready.errors { return }
    }
  }

  private func wait(seconds: Double, forInput: Bool) -> (output: Bool, errors: Bool, input: Bool) {
    var entries = [
      pollfd(fd: child.output, events: Int16(POLLIN), revents: 0),
      pollfd(fd: hasErrors ? child.errors : -1, events: Int16(POLLIN), revents: 0),
      pollfd(fd: forInput ? child.input : -1, events: Int16(POLLOUT), revents: 0),
    ]
    let milliseconds = Int32(min(seconds * 1000, 60_000).rounded(.up))
    let count = unsafe poll(&entries, nfds_t(entries.count), milliseconds)
    guard count > 0 else { return (false, false, false) }
    return (entries[0].revents != 0, entries[1].revents != 0, entries[2].revents != 0)
  }

  private func readErrors() {
    var bytes: [UInt8] = []
    hasErrors = read(child.errors, into: &bytes)
    lastLines.append(bytes[...])
  }

  /// Reads once what is there; false at the end of the file.
  private func read(_ descriptor: Int32, into bytes: inout [UInt8]) -> Bool {
    let size = 1 << 16
    var count = 0
    let chunk = unsafe [UInt8](unsafeUninitializedCapacity: size) { buffer, used in
      count = unsafe Foundation.read(descriptor, buffer.baseAddress, size)
      used = max(count, 0)
    }
    bytes += chunk
    return count > 0 || count < 0 && [EAGAIN, EINTR].contains(errno)
  }

  /// How the process ended that closed its standard output.
  private func endedEarly() -> String {
    let status = end(patience: 1)
    return status ?? "it closed its standard output"
  }

  /// Closes its standard input, which tells it to end, and kills it when it does not.
  ///
  /// - Parameter patience: seconds that it is given.
  /// - Returns: how it ended by itself; nil if it was killed here.
  @discardableResult
  func end(patience: Double) -> String? {
    guard !isEnded else { return nil }
    isEnded = true
    close(child.input)
    let deadline = ContinuousClock.now + .seconds(patience)
    var hasOutput = true
    while ch_has_ended(number) == 0, ContinuousClock.now < deadline {
      var ignored: [UInt8] = []
      if !hasOutput, !hasErrors {
        usleep(1000)
        continue
      }
      let ready = wait(seconds: 0.01, forInput: false)
      if ready.errors { readErrors() }
      if ready.output { hasOutput = read(child.output, into: &ignored) }
      if ready.output, !hasOutput { usleep(1000) }
    }
    let isAlone = ch_has_ended(number) != 0
    let status = RunningChildren.end(number)
    // What it wrote last is in the pipe; its group is gone, so there is an end.
    for _ in 0..<16 where hasErrors && wait(seconds: 0, forInput: false).errors { readErrors() }
    close(child.output)
    close(child.errors)
    guard isAlone else { return nil }
    if status == 256 { return "it ended" }
    return status >= 0 ? "exit code \(status)" : "signal \(-status) (\(Self.signalName(-status)))"
  }

  private static func signalName(_ number: Int32) -> String {
    unsafe strsignal(number).map { unsafe String(cString: $0) } ?? "unknown"
  }
}
