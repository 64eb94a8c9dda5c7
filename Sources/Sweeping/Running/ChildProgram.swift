import Foundation
import ModelFiles
import Processes
import Support

/// This program as a child: it ends when its parent does, however that ends.
package final class ChildProgram: Sendable {
  /// Set for a child: it ends once its standard input does, which the parent holds open.
  package static let variable = "TINA_ENDS_WITH_INPUT"

  private struct State: Sendable {
    var running: [Int: Held] = [:]
    var next = 0
    var isStopping = false
  }
  private struct Held: @unchecked Sendable { let process: Process }

  private let executable: String
  private let state = Locked(State())

  package init(executable: String) { self.executable = executable }

  /// Whether children were asked to end.
  package var isStopping: Bool { state.withLock { $0.isStopping } }

  /// Asks all children to end as they do at SIGTERM, and starts no others.
  package func stop() {
    let running = state.withLock { state in
      state.isStopping = true
      return state.running.values.map { $0 }
    }
    for held in running { held.process.terminate() }
  }

  /// Runs the program to its end.
  ///
  /// - Parameter log: a file that all output is appended to.
  /// - Returns: its exit code; that of a signal is above 128.
  /// - Throws: ``SweepError`` if it can't be started.
  package func run(_ arguments: [String], log: String) async throws -> Int32 {
    let descriptor = unsafe open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw SweepFolder.unwritable(log, systemErrorText(errno)) }
    let output = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    let input = Pipe()
    // No other child may hold the end that tells this one of the parent's.
    for end in [input.fileHandleForReading, input.fileHandleForWriting] {
      _ = fcntl(end.fileDescriptor, F_SETFD, FD_CLOEXEC)
    }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: executable)
    process.arguments = arguments
    // A child works alone, whoever started this process.
    process.environment = ProcessInfo.processInfo.environment.filter { !Launch.isOwn($0.key) }
      .merging([Self.variable: "1"]) { $1 }
    process.standardInput = input
    process.standardOutput = output
    process.standardError = output
    let held = Held(process: process)
    let (ends, continuation) = AsyncStream.makeStream(of: Void.self)
    process.terminationHandler = { _ in continuation.finish() }
    let started: Result<Int?, any Error> = state.withLock { state in
      guard !state.isStopping else { return .success(nil) }
      do { try process.run() } catch { return .failure(error) }
      state.next += 1
      state.running[state.next] = held
      return .success(state.next)
    }
    let number: Int?
    do { number = try started.get() } catch {
      throw SweepError(
        .run, file: executable, found: "\(error)", expected: "to start this program as a child",
        advice: "Check that the program's file is still there.")
    }
    guard let number else { return 128 + SIGTERM }
    for await _ in ends {}
    try? input.fileHandleForWriting.close()
    state.withLock { _ = $0.running.removeValue(forKey: number) }
    return process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
  }

  /// The last line of a log, for people.
  package static func lastLine(_ log: String) -> String? { lines(log).last }

  /// The last lines of a log.
  static func lines(_ log: String) -> [String] {
    guard let file = FileHandle(forReadingAtPath: log), let end = try? file.seekToEnd() else { return [] }
    try? file.seek(toOffset: end > 4096 ? end - 4096 : 0)
    let text = String(decoding: (try? file.readToEnd()) ?? Data(), as: UTF8.self)
    return text.split(separator: "\n").suffix(6).map(String.init)
  }
}
