import Foundation
public import ModelFiles
import Support

/// A command that judges completions: one process that lives as long as this value is in use.
public final class Judge: Sendable {
  /// What is run.
  public let command: JudgeCommand

  private let program: String
  private let worker: SerialWorker
  private let isCancelled = StopFlag()
  private let running = Locked<pid_t?>(nil)
  private let notes = Locked<[String]>([])
  // Only the worker's thread touches these.
  private nonisolated(unsafe) var process: JudgeProcess?
  private nonisolated(unsafe) var batches = 0

  /// Seconds that a process is given to end by itself.
  private static let patience = 2.0

  /// Makes a judge; nothing is started yet.
  ///
  /// - Throws: ``JudgeError`` if the program is not there.
  public init(_ command: JudgeCommand) throws(JudgeError) {
    self.command = command
    program = try command.program()
    worker = SerialWorker("judge " + command.name)
  }

  /// Starts the process ahead of the first batch. What goes wrong shows there.
  public func start() {
    _ = worker.start { [self] in _ = try unsafe current() }
  }

  /// The value of each completion of a batch, nil where the command leaves it out.
  ///
  /// A process that ends before it answers is started again and asked the same. Batches wait for each other.
  ///
  /// - Throws: ``JudgeError`` with the process's last lines on standard error.
  public func values(_ completions: [JudgedCompletion]) async throws -> [Double?] {
    try await withTaskCancellationHandler {
      try await worker.run { [self] in try unsafe answer(completions) }
    } onCancel: {
      cancel()
    }
  }

  /// Judges a batch that is chosen when its turn comes, without holding up Swift's own threads.
  ///
  /// - Parameters:
  ///   - next: chooses the batch; `done` gets its number beside the values.
  ///   - done: called once, on the judge's thread.
  package func answer(
    _ next: @escaping @Sendable () -> (number: Int, completions: [JudgedCompletion]),
    done: @escaping @Sendable (Int, Result<[Double?], any Error>) -> Void
  ) {
    _ = worker.start { [self] in
      let (number, completions) = next()
      done(number, Result { try unsafe answer(completions) })
    }
  }

  /// Ends the process, which may finish what it is doing, and waits for it.
  public func end() async {
    _ = try? await worker.run { [self] in
      unsafe process?.end(patience: Self.patience)
      unsafe process = nil
      running.withLock { $0 = nil }
    }
  }

  /// Kills the process at once. Nothing is judged any more.
  public func cancel() {
    isCancelled.set()
    if let number = running.withLock({ $0 }) { RunningChildren.kill(number) }
  }

  /// Takes what a person should know: processes that had to be started again, one sentence each.
  public func takeNotes() -> [String] {
    notes.withLock { notes in
      defer { notes = [] }
      return notes
    }
  }

  @unsafe private func current() throws -> JudgeProcess {
    if isCancelled.isSet { throw CancellationError() }
    if let process = unsafe process { return process }
    let started = try JudgeProcess(command, program: program)
    unsafe process = started
    running.withLock { $0 = started.number }
    return started
  }

  @unsafe private func answer(_ completions: [JudgedCompletion]) throws -> [Double?] {
    guard !completions.isEmpty else { return [] }
    unsafe batches += 1
    let batch = unsafe JudgeBatch(number: batches, completions: completions)
    let line = batch.line
    var attempts = 0
    while true {
      let process = try unsafe current()
      let reply: [UInt8]
      do throws(JudgeProcess.Fault) {
        reply = try process.ask(line, replyLimit: batch.replyLimit, seconds: command.timeLimit)
      } catch {
        unsafe kill(process)
        if isCancelled.isSet { throw CancellationError() }
        guard case .ended(let how) = error, attempts < command.restarts else {
          throw failure(error, batch, process, attempts)
        }
        attempts += 1
        notes.withLock {
          $0.append(
            "the command \(command.name) ended in batch \(batch.number) (\(how)); it was started again and asked"
              + " the same")
        }
        continue
      }
      do throws(JudgeError) {
        return try JudgeReply.values(reply, batch: batch.number, count: completions.count)
      } catch {
        unsafe kill(process)
        throw told(error, process)
      }
    }
  }

  /// Ends a process at once: what it would still say belongs to this batch and to no other.
  @unsafe private func kill(_ process: JudgeProcess) {
    process.end(patience: 0)
    unsafe self.process = nil
    running.withLock { $0 = nil }
  }

  private func failure(
    _ fault: JudgeProcess.Fault, _ batch: JudgeBatch, _ process: JudgeProcess, _ attempts: Int
  ) -> JudgeError {
    let place = "batch \(batch.number)"
    let expected = "one line for \(batch.completions.count) completions"
    let advice = "Standard output is for answers, one line a batch; anything else goes to standard error."
    let error =
      switch fault {
      case .ended(let how):
        JudgeError(
          .ended, place: place,
          found: "that it ended (\(how))"
            + (attempts == 0 ? "" : ", the last of \(attempts + 1) processes that were asked"),
          expected: expected)
      case .timeLimit:
        JudgeError(
          .timeLimit, place: place, found: "no answer in \(JSONValue(command.timeLimit).text()) s",
          expected: expected, advice: "Give it more time, or let it answer sooner.")
      case .unasked(let bytes):
        JudgeError(
          .reply, place: place,
          found: "what nobody asked for: " + quoted(String(decoding: bytes.prefix(200), as: UTF8.self)),
          expected: expected, advice: advice)
      case .tooLong:
        JudgeError(
          .reply, place: place, found: "a line of more than \(batch.replyLimit) bytes", expected: expected,
          advice: advice)
      }
    return told(error, process)
  }

  /// An error with the command's name and the process's last lines.
  private func told(_ error: JudgeError, _ process: JudgeProcess) -> JudgeError {
    let lines = process.lastLines.text
    let heard =
      lines.isEmpty ? "It wrote nothing to standard error." : "Its standard error ends in:" + lines
    return JudgeError(
      error.kind, place: "command \(command.name): " + error.place, found: error.found,
      expected: error.expected, advice: [error.advice, heard].filter { !$0.isEmpty }.joined(separator: " "))
  }
}
