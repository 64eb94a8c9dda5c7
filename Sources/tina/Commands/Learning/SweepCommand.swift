import ArgumentParser
import Evaluation
import Foundation
import ModelFiles
import Processes
import Support
import Sweeping
import TinaRuntime
import Trainer

struct SweepCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sweep",
    abstract: "Trains many runs that differ in a few keys and seeds, evaluates and compares them.",
    discussion: """
      The file names a recipe, axes (keys of the recipe with lists of values), seeds, and an evaluation; see \
      docs/guide/sweep.md. Each run has a folder of its own that says what it is. The same command goes on where a \
      sweep was stopped or killed, and computes only what is new when a value or a seed was added. A plan is shown \
      before; its times and FLOPs come from runs that are done, or from a trial of one step. Started by mpirun, \
      processes share out the runs; all of them must see the sweep's folder.

      EXAMPLES:
        tina sweep Experiments/ranks.yaml --plan
        tina sweep Experiments/ranks.yaml --jobs 2
        tina report runs/ranks
      """)

  @Argument(help: "The sweep's file.", completion: .file(extensions: ["yaml", "yml"]))
  var file: String

  @Option(
    help: "The sweep's folder; the file's, or runs/ and the file's name, unless given.",
    completion: .directory)
  var output: String?

  @Option(help: "Runs side by side; the file's, or 1, unless given.")
  var jobs: Int?

  @Flag(help: "Prints the plan, and does nothing.")
  var plan = false

  @Flag(inversion: .prefixedNo, help: "Measures one step for the plan where no run is done yet.")
  var trial = true

  @Option(help: "What an hour of this machine costs in dollars; the file's unless given.")
  var dollarsPerHour: Double?

  @Option(help: "Gigabytes that all runs together may take; what tina train takes unless given.")
  var memory: Double?

  @OptionGroup var threads: ThreadOptions

  @Flag(help: "Print the plan, or what became of the runs, as one JSON object.")
  var json = false

  func validate() throws {
    if let jobs, !(1...1024).contains(jobs) {
      throw ValidationError("--jobs: found \(jobs), expected 1 to 1024.")
    }
    if let memory, !(memory > 0 && memory < 1e6) {
      throw ValidationError("--memory: found \(memory), expected gigabytes above 0.")
    }
    if let dollarsPerHour, !(dollarsPerHour >= 0 && dollarsPerHour.isFinite) {
      throw ValidationError("--dollars-per-hour: found \(dollarsPerHour), expected 0 or more.")
    }
  }

  func run() async throws {
    var sweep = try Sweep(path: file)
    if let output { sweep.output = output }
    if let jobs { sweep.jobs = jobs }
    if let dollarsPerHour { sweep.dollarsPerHour = dollarsPerHour }
    try sweep.check()
    let children = ChildProgram(executable: try Self.program())
    let problems = try problems(sweep)
    if plan {
      let plan = try await SweepPlan(
        sweep, problems: problems, trial: trial ? children : nil, threads: threads.count,
        memory: memory.map { Int($0 * 1e9) })
      return try json ? Terminal.writeData(JSONValue.object(plan.json).line) : Terminal.writeLine(plan.text)
    }
    guard let crew = try Crew.join() else {
      return try await make(sweep, children, problems, SingleProcess(), nil)
    }
    try await make(sweep, children, problems, crew.processes, crew)
  }

  /// - Parameters:
  ///   - problems: of the evaluation; nil without one.
  ///   - crew: the processes that share out the runs; nil for one alone.
  private func make(
    _ sweep: Sweep, _ children: ChildProgram, _ problems: Int?, _ processes: any ProcessGroup, _ crew: Crew?
  ) async throws {
    let folder = SweepFolder(sweep.output)
    let bytes = memory.map { Int($0 * 1e9) } ?? crew?.memory
    let count = try threads.wanted ?? crew?.threads() ?? threads.count
    var lock: FolderLock?
    try processes.together { if processes.isFirst { lock = try folder.lock() } }
    defer { withExtendedLifetime(lock) {} }
    try processes.together { try folder.checkShared(with: processes) }
    if processes.isFirst {
      let plan = try await SweepPlan(
        sweep, problems: problems, trial: trial ? children : nil, threads: count, memory: bytes)
      for line in plan.text.split(separator: "\n") { Terminal.note(String(line)) }
      for line in try crew?.notes(threads: threads.wanted) ?? [] { Terminal.note(line) }
    }
    // The others wait for the trial, which may fail.
    _ = try processes.any(false)
    let runner = SweepRunner(
      sweep, children: children, threads: count, memory: bytes, rank: processes.rank, of: processes.count
    ) { line in
      Terminal.progress("")
      Terminal.note(line)
    }
    let signals = StopSignals {
      crew?.tellLoss()
      Terminal.progress("")
      if processes.isFirst {
        Terminal.note("stopping: runs end after their step and are saved; once more ends at once")
      }
      children.stop()
    }
    crew?.onRequest { children.stop() }
    defer { signals.cancel() }
    let ticker = Task {
      while !Task.isCancelled {
        let progress = runner.progress
        Terminal.progress(
          "\(progress.done) of \(progress.total) runs done"
            + progress.running.map { " · " + $0.prefix(120) }.joined())
        try await Task.sleep(for: .seconds(1))
      }
    }
    let failures = try await runner.run()
    ticker.cancel()
    Terminal.progress("")
    for failure in failures { Terminal.note("\(failure.name) failed:\n\(failure.text)") }
    let progress = runner.progress
    let isStopping = try processes.any(children.isStopping)
    let hasFailed = try processes.any(!failures.isEmpty)
    let isAnyDone = try processes.any(progress.done > 0)
    if isStopping {
      Terminal.note("\(progress.done) of \(progress.total) runs are done; the same command goes on")
      throw ExitCode(130)
    }
    if isAnyDone { try processes.together { if processes.isFirst { try Self.report(folder.path) } } }
    guard !hasFailed else { throw ExitCode(1) }
  }

  /// The number of problems that the evaluation asks; nil without one.
  private func problems(_ sweep: Sweep) throws -> Int? {
    guard let evaluation = sweep.evaluation, let run = sweep.runs.first else { return nil }
    let model = try sweep.recipe(of: run).model
    let path = try ModelLocator.path(model.isEmpty || model == "pico" ? nil : model)
    let (name, folder) = (evaluation.setting("benchmark") ?? "pico", evaluation.setting("data"))
    try HubAccess.fetchBenchmark(name, folder: folder)
    let count = try Benchmark(HubAccess.data(name), folder: folder, model: path, style: nil).problems.count
    return min(count, evaluation.setting("limit").flatMap { Int($0) } ?? count)
  }

  private static func report(_ folder: String) throws {
    let comparison = try ComparisonReport.sweep(folder, dollarsPerHour: nil).0
    let files = try ComparisonReport.write(comparison, to: folder + "/report.html")
    try Terminal.writeData(files[0])
  }

  /// This program's file.
  private static func program() throws -> String {
    guard let path = Bundle.main.executableURL?.resolvingSymlinksInPath().path else {
      throw CommandError("the file of this program was not found; a sweep starts it for each run.")
    }
    return path
  }
}
