import Foundation
import Processes
import Support
import TinaRuntime

/// The processes that a launcher has started together with this one, as a command deals with them.
struct Crew {
  let processes: MPIProcesses

  /// Joins the others; nil where this process is alone.
  static func join() throws -> Crew? {
    // A child of a sweep works alone, whoever started the sweep.
    try MPIProcesses.join(program: VersionText.program).map { Crew(processes: $0) }
  }

  /// Threads for this process where the launcher has not bound it to processors: those of the host, shared out.
  func threads() throws -> Int? {
    try isBound ? nil : max(1, ThreadCount().count / processes.countOnHost)
  }

  /// Bytes that this process may take where it shares its host; nil for what a process alone takes.
  var memory: Int? {
    processes.countOnHost > 1 ? MachineMemory.available / 10 * 7 / processes.countOnHost : nil
  }

  /// Bytes for keys and values where this process shares its host; nil for what a process alone takes.
  var cacheMemory: Int? {
    processes.countOnHost > 1 ? MachineMemory.available / 2 / processes.countOnHost : nil
  }

  private var isBound: Bool {
    Processors().recommendedThreads < sysconf(Int32(_SC_NPROCESSORS_ONLN))
  }

  /// Facts that a person should know.
  func notes(threads: Int?) throws -> [String] {
    let used = try ThreadCount(threads ?? self.threads()).count
    let there = sysconf(Int32(_SC_NPROCESSORS_ONLN))
    let few =
      used * processes.countOnHost < there && threads == nil
      ? [
        "the launcher gives this host's \(processes.countOnHost) processes \(used) of its \(there) processors each; "
          + "mpirun --bind-to none lets them have all"
      ] : []
    return [
      "\(processes.count) processes share the run (\(processes.library)), \(processes.countOnHost) on this host"
    ] + few
  }

  /// Tells which process is gone, where the launcher ends this one for that reason, and ends it.
  func tellLoss() {
    guard let lost = processes.lostProcess else { return }
    Terminal.note(
      "Error: \(lost). Start the same command again, with any number of processes; it goes on where it was "
        + "saved.")
    EndingSignals.end(by: SIGTERM)
  }

  /// Ends at a launcher's signal, which comes when another process is gone too.
  func endTellingLoss() {
    tellLoss()
    EndingSignals.end(by: SIGTERM)
  }

  /// Calls `handler` at SIGUSR1, which mpirun and Slurm hand on to every process.
  func onRequest(_ handler: @escaping @Sendable () -> Void) {
    EndingSignals.handle(SIGUSR1, handler)
  }
}
