import AdapterFormat
import ArgumentParser
import Evaluation
import Foundation
import Hub
import Judging
import Merging
import ModelFiles
import Processes
import Support
import TerminalChat
import Trainer

/// How the program ends: one place for messages, exit codes and what must not stay behind.
enum Ending {
  /// Results could not be written: EX_IOERR of sysexits.h.
  static let unwritten: Int32 = 74
  /// The reader of the results has enough, as when a signal says so.
  static let closedPipe: Int32 = 128 + SIGPIPE

  /// Tells an error and ends.
  static func end(with error: any Error) -> Never {
    if let processes = MPIProcesses.current { end(with: error, processes) }
    if let failure = error as? OutputFailure {
      if failure.isClosedPipe { end(closedPipe) }
      Terminal.progress("")
      Terminal.note("Error: \(failure)")
      end(unwritten)
    }
    let code = Tina.exitCode(for: error).rawValue
    if code == 0 {
      // Help, or the version, which is a result.
      let text = Tina.fullMessage(for: error)
      do { try Terminal.write((text == tinaVersion ? VersionText.text() : text) + "\n") } catch {
        end(with: error)
      }
      end(0)
    }
    if !(error is ExitCode) {
      Terminal.progress("")
      Terminal.note(code == 64 ? Usage.message(for: error) : "Error: " + errorText(error))
    }
    end(isUnwritten(error) ? unwritten : code)
  }

  /// Ends one of several processes. Where all end, they leave in order; an error of one alone ends the others.
  private static func end(with error: any Error, _ processes: MPIProcesses) -> Never {
    Terminal.progress("")
    switch error {
    case is FailedElsewhere: end(1)
    case let code as ExitCode: end(code.rawValue)
    case let failure as ProcessFailure:
      Terminal.note("Error: \(failure)")
      end(isUnwritten(failure.error) ? unwritten : 1)
    default:
      Terminal.note(
        "Error: \(processes.name): \(errorText(error))\nStart the same command again, with any number of processes; "
          + "it goes on where it was saved.")
      TemporaryPaths.removeAll()
      _ = MessageLog.standardError.finish()
      processes.abort(isUnwritten(error) ? unwritten : 1)
      _exit(1)
    }
  }

  /// Ends with a code, unless results are lost at the last moment. Nothing is torn down, so that no thread that is
  /// still at work meets what is gone already.
  static func end(_ code: Int32) -> Never {
    var code = code
    do {
      try StandardFiles.close(Terminal.hasResults)
    } catch  where !error.isClosedPipe {
      Terminal.note("Error: \(error)")
      code = unwritten
    } catch {
      if code == 0 { code = closedPipe }
    }
    QuietTerminal.end()
    TemporaryPaths.removeAll()
    RunningChildren.killAll()
    MPIProcesses.current?.leave()
    let lost = MessageLog.standardError.finish()
    if lost > 0 { tellLost(lost) }
    _exit(code)
  }

  /// The last words may find room that others lacked; they do not wait for it.
  private static func tellLost(_ count: Int) {
    let text = "\n\(count == 1 ? "1 message" : "\(count) messages") could not be written here\n"
    var entry = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
    guard unsafe poll(&entry, 1, 0) == 1 else { return }
    var done = 0
    _ = writeSome(Array(text.utf8), &done, to: STDERR_FILENO)
  }

  /// Whether an error says that a result, in a file or a folder, could not be written.
  static func isUnwritten(_ error: any Error) -> Bool {
    switch error {
    case let error as ModelFilesError: error.kind == .unwritable
    case let error as HubError: error.kind == .unwritable
    case let error as TrainerError: error.kind == .unwritable
    case let error as AdapterError: error.violations.contains { $0.kind == .unwritable }
    case MergeError.unwritable, EvaluationError.notWritten: true
    case is OutputFailure: true
    case let error as CocoaError: CocoaError.Code.fileWriteUnknown.rawValue...642 ~= error.code.rawValue
    default: false
    }
  }
}
