import AdapterFormat
public import ArgumentParser
public import Evaluation
import Foundation
import Hub
import Grading
import Judging
import ModelFiles
import Problems
import Processes
import Support
import TinaRuntime
import Tokenization
import Transfer

extension Benchmark.PromptStyle: ExpressibleByArgument {}

struct Eval: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures Pass@1 of the base and of adapters on a benchmark, with its uncertainty.",
    usage: """
      tina eval [<model>] [--adapter <adapter>]... [--benchmark <name>] [<options>]
      tina eval --endpoint <url> [--model <name>]... [--benchmark <name>] [<options>]
      """,
    discussion: """
      All contestants run in one batch over the base's weights and share their random numbers, so that only the \
      adapter differs. Completions are saved as they come, and the same command continues where it stopped. The \
      paper's protocol is the default: temperature 0.6, top-p 0.95, 32,768 tokens, one sample a problem, \
      lighteval's prompt. Started by mpirun, processes on one or many machines share the completions.

      BENCHMARKS: pico (the model's own held-out problems; the default), aime24, aime25, amc23, math500, \
      minerva, olympiadbench, gsm8k, gpqa, or a file of JSON lines {"problem", "answer"}. Files of the known \
      ones are looked for in the folder --data and in the hub's cache, and else fetched from the hub.

      EXAMPLES:
        tina eval --adapter Models/pico/adapter --samples 8
        tina eval ~/models/DeepSeek-R1-Distill-Qwen-1.5B --adapter early=checkpoint-450 --adapter checkpoint-500 \
      --benchmark aime24 --data benchmarks --samples 10
        tina eval --replay tina-eval-aime24-0123456789ab
        tina eval --grader-command 'python3 Examples/reward/last_number.py'
        tina eval --endpoint http://127.0.0.1:8000 --model pico --model math --samples 8
      """)

  @Argument(
    help: "A Hugging Face model directory or a name on the hub; Pico unless given.", completion: .model)
  var model: String?

  @Option(
    name: .customLong("adapter"),
    help: ArgumentHelp(
      "An adapter, with a name before = and a factor after @ if wanted; repeatable.", valueName: "adapter"))
  var adapters: [NamedAdapter] = []

  @OptionGroup var attaching: AttachOptions
  @OptionGroup var merging: MergedOptions

  @Flag(inversion: .prefixedNo, help: "Evaluate the base alone too.")
  var base = true

  @Option(
    help: "A benchmark's name, or a file of problems.",
    completion: .list(["pico"] + Benchmark.known.map(\.name)))
  var benchmark = "pico"

  @Option(
    help: ArgumentHelp("The folder that holds the benchmarks' files.", valueName: "folder"),
    completion: .directory)
  var data: String?

  @Option(help: "How problems are asked: plain, math or choice; the benchmark's own way unless given.")
  var prompt: Benchmark.PromptStyle?

  @OptionGroup var thinking: ThinkingOptions

  @Option(help: "A system message that comes before each problem.")
  var system: String?

  @Option(help: "Ask only this many problems, the first ones.")
  var limit: Int?

  @Option(help: "Samples of each problem.")
  var samples = 1

  @Option(help: "Divides the logits; 0 takes the likeliest token.")
  var temperature: Float = 0.6

  @Option(help: "Keeps the likeliest tokens that together reach this probability.")
  var topP: Float = 0.95

  @Option(help: "Keeps this many of the likeliest tokens; 0 keeps all.")
  var topK = 0

  @Option(help: "Number that fixes the random choices.")
  var seed: UInt64 = 0

  @Option(help: "Tokens of a completion at most.")
  var maxTokens = 32768

  @Option(
    help: ArgumentHelp("Where results are kept; named after the settings unless given.", valueName: "folder"),
    completion: .directory)
  var out: String?

  @Option(
    help: ArgumentHelp("Grade the completions of an earlier evaluation again.", valueName: "folder"),
    completion: .directory)
  var replay: String?

  @Option(
    help: ArgumentHelp(
      "A program that says which answers are right: words between blanks, or a JSON list of texts.",
      valueName: "command"))
  var graderCommand: String?

  @Option(help: "Seconds that the program may take for a batch.")
  var graderTimeout = JudgeCommand.usualTimeLimit

  @Option(help: "Completions that the program may be asked at once.")
  var graderBatch = 1

  @Flag(help: "Print every completion as a line of JSON, and the summary as the last.")
  var json = false

  @OptionGroup(title: "A server's models") var endpoint: EndpointOptions
  @OptionGroup(title: "Computing") var compute: ComputeOptions
  @OptionGroup(title: "Computing") var speculation: SpeculationOptions

  func validate() throws {
    try speculation.validate(beside: merging)
    let given = adapters.compactMap { $0.isNamed ? $0.name : nil } + (base ? ["base"] : [])
    if let twice = given.first(where: { name in given.count { $0 == name } > 1 }) {
      throw ValidationError(
        "--adapter: found the name \(twice) twice (the base alone is called base); expected each name once.")
    }
    if samples < 1 { throw ValidationError("--samples: found \(samples), expected 1 or more.") }
    try namingOption { () throws(RuntimeError) in
      try AnswerSettings(sampling: parameters, maxTokens: maxTokens).validate()
    }
    if let limit, limit < 1 { throw ValidationError("--limit: found \(limit), expected 1 or more.") }
    try validateEndpoint()
    if merging.merged != nil, adapters.count != 1 || base {
      throw ValidationError("--merged evaluates one --adapter alone: give one, and --no-base.")
    }
    do { _ = try command() } catch {
      throw ValidationError("--grader-command: \(errorText(error))")
    }
    if !base, adapters.isEmpty, replay == nil {
      throw ValidationError("--no-base leaves nobody to evaluate: give an --adapter.")
    }
  }

  var parameters: SamplingParameters {
    SamplingParameters(temperature: temperature, topK: topK, topP: topP, seed: seed)
  }

  private func command() throws -> JudgeCommand? {
    guard let graderCommand else { return nil }
    return try JudgeCommand(
      name: "grader", try JudgeCommand.words(graderCommand), timeLimit: graderTimeout,
      batchLimit: graderBatch)
  }

  func run() async throws {
    let grader = Grader()
    let crew = try Crew.join()
    let processes = crew.map { $0.processes as any ProcessGroup } ?? SingleProcess()
    // One process is enough for that; the others have nothing to do.
    if replay != nil, !processes.isFirst { return }
    let judge = try (replay == nil ? processes : SingleProcess()).together {
      try command().map { try Judge($0) }
    }
    judge?.start()
    if let replay {
      // A folder that is not there is told of, not made.
      var saved = try SavedEvaluation(directory: replay, grader: grader)
      let folder: EvaluationFolder
      if let judge {
        folder = try EvaluationFolder(replay)
        saved = try await saved.judged(by: judge)
        try EvaluationFiles.write(saved.settings, in: folder)
        await finish(judge)
      } else {
        if let named = saved.settings.grader?["command"] {
          throw CommandError(
            "\(replay): found an evaluation that the command \(named.text()) judged; expected --grader-command "
              + "with it, or with another.")
        }
        folder = try EvaluationFolder(replay)
      }
      try report(saved.records, saved.settings, saved.problems, in: folder, grader)
      Terminal.note("\(saved.changedVerdicts) verdicts changed")
      return
    }
    let client = try processes.together { () throws -> ServerClient? in
      guard processes.count == 1 || endpoint.endpoint == nil else {
        throw CommandError(
          "--endpoint: found \(processes.count) processes, expected one. Start it without mpirun: the server does "
            + "the work.")
      }
      return try endpoint.client()
    }
    if let client { return try await ask(client, grader, judge) }
    try await evaluate(processes, crew, grader, judge)
  }

  /// - Parameter crew: the processes that share the evaluation; nil for one alone.
  private func evaluate(
    _ processes: any ProcessGroup, _ crew: Crew?, _ grader: Grader, _ judge: Judge?
  ) async throws {
    let (evaluator, path) = try processes.together { try opened(crew, grader, judge) }
    try await evaluator.checkAlike(processes)
    let folder = try processes.together {
      try processes.isFirst ? EvaluationFolder(out ?? Self.folder(evaluator.settings)) : nil
    }
    if processes.isFirst, let crew {
      for note in try crew.notes(threads: compute.threading.wanted) { Terminal.note(note) }
    }
    let signals = crew.map { crew in StopSignals { crew.endTellingLoss() } }
    defer { signals?.cancel() }
    try await run(evaluator, processes, in: folder, base: baseName(path), grader)
  }

  /// The folder of an evaluation unless one is given.
  static func folder(_ settings: EvaluationSettings) -> String {
    "tina-eval-\(settings.benchmark)-\(settings.digest)"
  }

  /// Runs an evaluation to its end, and reports it.
  ///
  /// - Parameter folder: nil in all processes but the first.
  func run(
    _ evaluator: Evaluator, _ processes: any ProcessGroup = SingleProcess(), in folder: EvaluationFolder?,
    base: String, _ grader: Grader
  ) async throws {
    var last: Evaluator.Progress?
    let records = try await evaluator.run(in: folder, sharedBy: processes) { progress in
      last = progress
      if processes.isFirst { Terminal.progress(Self.line(progress)) }
    }
    if folder != nil { Terminal.progress("") }
    if let judge = evaluator.judge { await finish(judge) }
    guard let folder else { return }
    let timing = EvaluationTiming(folder)
    if let last { try timing.add(seconds: last.seconds, tokens: last.tokens, base: base) }
    try report(records, evaluator.settings, evaluator.problems, in: folder, grader)
  }

  /// The evaluation that the command names, and the base's path.
  private func opened(_ crew: Crew?, _ grader: Grader, _ judge: Judge?) throws -> (Evaluator, path: String) {
    let path = try ModelLocator.path(model, for: adapters.map(\.source))
    try HubAccess.fetchBenchmark(benchmark, folder: data)
    let benchmark = try Benchmark(
      HubAccess.data(benchmark), folder: data, model: path, style: prompt, keepsColumns: judge != nil)
    let problems = limit.map { Array(benchmark.problems.prefix($0)) } ?? benchmark.problems
    let opened = try compute.model(path, activations: .int8, threads: crew?.threads())
    var contestants = try contestants(opened)
    var model = opened
    if let merged = merging.merged, let contestant = contestants.first, let attached = contestant.adapter {
      model = try merging.place(attached, on: opened).model
      contestants = [
        Contestant(
          name: contestant.name + " (merged \(merged.rawValue))", adapter: nil, digest: contestant.digest)
      ]
    }
    var assistant = try Assistant(
      compute.engine(
        model, speculation: speculation.remembering, drafter: speculation.drafter(for: model),
        memory: crew?.cacheMemory))
    try thinking.apply(to: &assistant)
    let settings = EvaluationSettings(
      benchmark: benchmark, problems: problems, template: try assistant.prompts.name, system: system,
      samples: samples, maxTokens: min(maxTokens, assistant.engine.contextLimit),
      sampling: parameters,
      cacheType: compute.cacheType, activations: model.activations,
      base: try opened.directory.weightsDigest(),
      contestants: contestants, grader: judge?.command.identity)
    let evaluator = Evaluator(
      assistant: assistant, problems: problems, style: benchmark.style, contestants: contestants,
      settings: settings, grader: grader, judge: judge)
    return (evaluator, path)
  }

  private func finish(_ judge: Judge) async {
    await judge.end()
    for note in judge.takeNotes() { Terminal.note(note) }
  }

  private func report(
    _ records: [CompletionRecord], _ settings: EvaluationSettings, _ problems: [Problem],
    in folder: EvaluationFolder, _ grader: Grader
  ) throws {
    let summary = Summary(records, settings: settings, problems: problems, grader: grader)
    let timing = EvaluationTiming(folder)
    try EvaluationFiles.write(summary, records, problems, in: folder)
    if json {
      for record in records { try Terminal.writeData(record.line) }
      try Terminal.writeData(JSONValue.object(summary.object).text())
    } else {
      try Terminal.writeLine(SummaryTable(summary).text)
      if let seconds = timing.seconds {
        let tokens = records.reduce(0) { $0 + $1.tokens }
        try Terminal.writeLine(String(format: "%d tokens in %.0f s", tokens, seconds))
      }
      try Terminal.writeLine("results: \(folder.path) (report.html, summary.json, completions.jsonl)")
    }
  }

  /// The base and the adapters, each under its own name.
  private func contestants(_ model: Model) throws -> [Contestant] {
    var all = base ? [Contestant(name: "base", adapter: nil, digest: nil)] : []
    for (name, adapter) in zip(ContestantNames.names(adapters), adapters) {
      let attached = try attaching.attach(adapter.source, to: model)
      all.append(
        Contestant(name: name, adapter: attached, digest: attached.adapter.contentDigest().description))
    }
    return all
  }

  /// What a report calls the base: its name on the hub, or its folder's or file's.
  private func baseName(_ path: String) -> String {
    HubCache.repository(of: path) ?? URL(fileURLWithPath: path).standardizedFileURL.lastPathComponent
  }

  private static func line(_ progress: Evaluator.Progress) -> String {
    let share = progress.done == 0 ? 0 : Double(progress.correct) / Double(progress.done) * 100
    var text = "\(progress.done) of \(progress.total) completions"
    if progress.done > 0 { text += String(format: " · %.0f %% right", share) }
    if progress.seconds > 0.5 {
      text += String(format: " · %.0f tokens/s", Double(progress.tokens) / progress.seconds)
    }
    if let left = progress.secondsLeft { text += " · " + Figures.duration(left) + " left" }
    return text
  }
}
