import AdapterFormat
import ArgumentParser
import Foundation
import Hub
import Measuring
import ModelFiles
import TinaRuntime
import Tokenization
import Support

struct Bench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measures this machine's speed with a model, and how near its limits that is.",
    usage: "tina bench [<model>] [<options>]",
    discussion: """
      The command first measures the most that all threads can do: bytes read, float32 operations. Then come loading, \
      prompts, decoding of 1 to 64 streams, adapters of several ranks and several at once, a long context, and a queue \
      of requests, each beside its limit. --make writes a random model of the 1.5B shape (3.6 GB) to measure.

      EXAMPLES:
        tina bench --quick
        tina bench ~/models/DeepSeek-R1-Distill-Qwen-1.5B
        tina bench --make /tmp/random-1.5b && tina bench /tmp/random-1.5b --json > speed.json
      """)

  @Argument(
    help: "A Hugging Face model directory or a name on the hub; Pico unless given.", completion: .model)
  var model: String?

  @Flag(help: "Fewer rows and steps.")
  var quick = false

  @Option(
    help: ArgumentHelp(
      "Write a random model of the 1.5B shape there, and measure nothing.", valueName: "dir"),
    completion: .directory)
  var make: String?

  @Option(
    help: ArgumentHelp(
      "With --make: the shape, one of " + RandomModel.shapes.map(\.name).joined(separator: ", ") + ".",
      valueName: "shape"), completion: .list(RandomModel.shapes.map(\.name)))
  var shape: String?

  @Option(
    help: ArgumentHelp(
      "Write a random adapter of rank 32 for the model, and measure nothing.", valueName: "dir"),
    completion: .directory)
  var makeAdapter: String?

  @Flag(help: .hidden)
  var peers = false

  @Option(help: ArgumentHelp("With --peers: which measurements, separated by commas.", visibility: .hidden))
  var only: String?

  @Option(
    help: ArgumentHelp(
      "With --merged: the adapter that is merged before anything is measured.", valueName: "adapter"))
  var adapter: AdapterSource?

  @OptionGroup var merging: MergedOptions
  @OptionGroup var threads: ThreadOptions

  @Option(help: ComputeOptions.activationsHelp)
  var activations: ActivationChoice?

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    if merging.merged != nil, adapter == nil { throw ValidationError("--merged needs an --adapter.") }
    if adapter != nil, merging.merged == nil, !peers {
      throw ValidationError(
        "--adapter belongs to --merged; the cost of attached adapters is measured anyway.")
    }
    if let shape {
      guard make != nil else { throw ValidationError("--shape belongs to --make.") }
      guard RandomModel.shapes.contains(where: { $0.name == shape }) else {
        throw ValidationError(
          "--shape: found \(shape), expected one of " + RandomModel.shapes.map(\.name).joined(separator: ", ")
            + ".")
      }
    }
    if make != nil, model != nil { throw ValidationError("--make makes its own model: name none.") }
  }

  func run() async throws {
    if let make {
      guard !FileManager.default.fileExists(atPath: make + "/config.json") else {
        throw CommandError(
          "\(make): found a model there already. Name another directory, or measure that one.")
      }
      try RandomModel.write(
        config: RandomModel.shapes.first { $0.name == shape }?.config ?? RandomModel.shape1B5, to: make)
    }
    let settings = try UserSettings.current()
    let path = try make ?? ModelLocator.path(model, settings: settings)
    if let makeAdapter {
      let config = try Architecture(path: path + "/config.json")
      try RandomModel.writeAdapter(rank: 32, for: config, seed: 1, to: makeAdapter)
    }
    if make != nil || makeAdapter != nil { return }

    let folder = FileManager.default.temporaryDirectory.appending(path: "tina-bench-\(UUID().uuidString)")
      .path
    TemporaryPaths.add(folder)
    try makeFolder(folder)
    defer {
      try? FileManager.default.removeItem(atPath: folder)
      TemporaryPaths.forget(folder)
    }
    var opened = try threads.model(path, activations: activations ?? settings.activations?.value ?? .fastest)
    var attached = try adapter.map { try AttachedAdapter(telling: $0, to: opened) }
    if let adapter = attached { (opened, attached) = try merging.place(adapter, on: opened) }
    var results: [SpeedResult] = []
    var failure: (any Error)?
    if !json {
      try Terminal.writeLine(
        "\(path), \(opened.threads) threads, \(opened.kernels), \(opened.activations.rawValue) activations")
    }
    let tokenizing = try tokenizerSeconds(path)
    let benchmark = SpeedBenchmark(opened, quick: quick, folder: folder) { measurement in
      // A user waits for the tokenizer too.
      let loading = measurement.name == "load" ? tokenizing : 0
      let whole = SpeedResult(
        measurement.name, measurement.title, measurement.value + loading, measurement.unit,
        limit: measurement.limit, limitName: measurement.limitName)
      results.append(whole)
      do { if !json { try Terminal.writeLine(Self.row(whole)) } } catch { failure = failure ?? error }
    }
    if peers {
      try await benchmark.runPeers(
        attached,
        only: only.map { Set($0.split(separator: ",").map(String.init)) } ?? SpeedBenchmark.peerMeasurements)
    } else {
      try await benchmark.run()
    }
    if let failure { throw failure }
    let choices = KernelPaths.shared.choices
    if json {
      try Terminal.writeData(Self.object(results, opened, choices))
    } else {
      try Terminal.writeLine("kernels for one input, for two to four, and for more:")
      for choice in choices {
        try Terminal.writeLine("  \(choice.kind): \(choice.paths.joined(separator: ", "))")
      }
    }
  }

  private func tokenizerSeconds(_ path: String) throws -> Double {
    guard FileManager.default.fileExists(atPath: path + "/tokenizer.json") else { return 0 }
    let clock = ContinuousClock()
    let began = clock.now
    _ = try Tokenizer(directory: path)
    return (clock.now - began).inSeconds
  }

  private static func row(_ m: SpeedResult) -> String {
    let value = String(format: m.value < 10 ? "%.2f" : m.value < 100 ? "%.1f" : "%.0f", m.value)
    let pad = { (text: String, width: Int) in String(repeating: " ", count: max(width - text.count, 0)) }
    var line = m.title + pad(m.title, 52) + pad(value, 9) + value + " " + m.unit
    if let limit = m.limit, limit > 0 {
      line += pad(m.unit, 9) + String(format: "%3.0f %% ", 100 * m.value / limit) + m.limitName
    }
    return line
  }

  private static func object(
    _ results: [SpeedResult], _ model: Model, _ choices: [KernelPaths.Choice]
  ) -> String {
    let text = { (text: String) in JSONValue.string(text).text() }
    let fields = results.map { m in "\"\(m.name)\": \(m.value.isFinite ? "\(m.value)" : "null")" }
    let shares = results.compactMap { m in
      m.limit.map { $0 > 0 ? "\"\(m.name)/limit\": \(m.value / $0)" : nil } ?? nil
    }
    let paths = choices.map { choice in
      "\(text(choice.kind)): [\(choice.paths.map(text).joined(separator: ", "))]"
    }
    let facts = [
      "\"activations\": \(text(model.activations.rawValue))",
      "\"kernels\": {\(paths.joined(separator: ", "))}",
    ]
    return "{" + (facts + fields + shares).joined(separator: ", ") + "}"
  }
}
