public import AdapterFormat
public import ArgumentParser
import Foundation
import Hub
import ModelFiles
import TinaRuntime

extension AdapterFileFormat: ExpressibleByArgument {}

struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Converts an adapter to another format, another encoding, another rank.",
    usage: "tina convert <in> <out> [<options>]",
    discussion: """
      The input may be a .tina file, a PEFT directory, a GGUF adapter or an MLX directory; its contents tell which. \
      The output's name tells its format: .tina, .gguf, else a PEFT directory; --to mlx makes an MLX directory. \
      Without further options nothing is lost: the numbers stay the same bit for bit, and so does PEFT's \
      configuration. Anything that the target cannot represent is refused by name before anything is written. The \
      output appears whole or not at all.

      EXAMPLES:
        tina convert checkpoint-450 adapter.tina --base ~/models/DeepSeek-R1-Distill-Qwen-1.5B
        tina convert adapter.tina adapter-peft
        tina convert checkpoint-450 small.tina --lossy standard
        tina convert checkpoint-450 adapter.gguf --base ~/models/DeepSeek-R1-Distill-Qwen-1.5B
        tina convert adapters adapter-peft             (MLX to PEFT)
        tina convert adapter.tina mlx-adapter --to mlx

      LOSSY PROFILES (--lossy), the largest relative error of ΔW in a module: fine 0.0023 (that of bfloat16), \
      standard 0.01, small 0.05. The command measures and shows the error reached.
      """)

  enum Profile: String, ExpressibleByArgument, CaseIterable {
    case fine, standard, small
    var precision: TinaOptions.Precision {
      switch self {
      case .fine: .fine
      case .standard: .standard
      case .small: .small
      }
    }
  }

  @Argument(help: ArgumentHelp("The adapter.", valueName: "in"))
  var input: AdapterSource

  @Argument(help: ArgumentHelp("What to write.", valueName: "out"), completion: .modelOrAdapter)
  var output: String

  @Option(
    help: ArgumentHelp(
      "The base: its identity goes into a .tina file, its shape into names.", valueName: "model"),
    completion: .model)
  var base: String?

  @Option(
    help: ArgumentHelp("The format to write, when the output's name does not tell.", valueName: "format"))
  var to: AdapterFileFormat?

  @Option(help: "Smaller at a known cost, for .tina: fine, standard or small.")
  var lossy: Profile?

  @Option(help: "The same by the error itself: the largest relative error of ΔW in a module.")
  var maxError: Double?

  @Option(help: "The same by size: as exact as fits into this many bytes.")
  var maxBytes: Int?

  @Option(help: "Reduces the rank to this, keeping the largest singular values of every ΔW.")
  var rank: Int?

  @Option(help: "Rounds the factors to f32, f16 or bf16.")
  var dtype: FloatType?

  @Flag(help: "Stores .tina's tensors plainly, to be used in place: larger, ready at once.")
  var stored = false

  @Flag(help: "Print one JSON object instead of text.")
  var json = false

  func validate() throws {
    if [lossy != nil, maxError != nil, maxBytes != nil].filter(\.self).count > 1 {
      throw ValidationError("--lossy, --max-error and --max-bytes say the same thing: give one of them.")
    }
    if let maxError, !(maxError > 0 && maxError < 1) {
      throw ValidationError("--max-error: found \(maxError), expected more than 0 and less than 1.")
    }
    if let maxBytes, maxBytes < 1 {
      throw ValidationError("--max-bytes: found \(maxBytes), expected 1 or more.")
    }
    if let rank, !(1...65536).contains(rank) {
      throw ValidationError("--rank: found \(rank), expected 1 to 65536.")
    }
    if input.scale != 1 {
      throw ValidationError("\(input.path)@\(input.scale): a factor is for running, not for converting.")
    }
    let format = try format()
    if format != .tina, lossy != nil || maxError != nil || maxBytes != nil || stored {
      throw ValidationError(
        "--lossy, --max-error, --max-bytes and --stored are for .tina; \(format.title) has no such encodings."
      )
    }
    if stored, lossy != nil || maxError != nil || maxBytes != nil {
      throw ValidationError("--stored keeps every bit: give it without --lossy, --max-error and --max-bytes.")
    }
  }

  private func format() throws -> AdapterFileFormat {
    let name = output.lowercased()
    let byName: AdapterFileFormat? = name.hasSuffix(".tina") ? .tina : name.hasSuffix(".gguf") ? .gguf : nil
    if let to, let byName, to != byName {
      throw ValidationError("--to \(to.rawValue) contradicts the name \(output).")
    }
    if byName == nil,
      let ending = [".safetensors", ".bin", ".pt", ".npz", ".json"].first(where: name.hasSuffix)
    {
      throw ValidationError(
        "\(output): found a name in \(ending), expected .tina, .gguf or a directory's name: PEFT and MLX adapters"
          + " are directories.")
    }
    return to ?? byName ?? .peft
  }

  func run() throws {
    let format = try format()
    let path = expandingTilde(output)
    let input = try input.resolved()
    // Names of modules need the configuration alone; a base is identified by its weights.
    let basePath = try base.map { try HubAccess.path($0, want: format == .tina ? .model : .description) }
    let architecture = try basePath.map { try BaseArchitecture(path: $0) }
    var file = try AdapterFile(path: input.path, layers: input.layers, base: architecture)
    for note in file.notes { Terminal.note(note) }
    if let basePath { try identify(&file.archive, basePath, needsIdentity: format == .tina) }
    let original = file.archive
    let errors = try change(&file.archive, input.path)
    let summary = try write(file, format, path, architecture, original: original)
    do throws(AdapterError) { try file.checkUnchanged() } catch {
      try? FileManager.default.removeItem(atPath: path)
      throw error
    }
    try report(file, format, path, errors, summary)
  }

  /// Checks that the adapter fits the base, and notes which base it is.
  private func identify(_ archive: inout AdapterArchive, _ path: String, needsIdentity: Bool) throws {
    var isDirectory = ObjCBool(false)
    if unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), !isDirectory.boolValue
    {
      // A GGUF file. A quantised one can confirm an identity, but not found one.
      let directory = try StoredModel(path: path)
      if needsIdentity || archive.base != nil || !directory.weights.isQuantised {
        try archive.identify(StoredBase(directory))
      }
      return
    }
    // A configuration alone names modules; only weights identify.
    let hasWeights = ["model.safetensors", "model.safetensors.index.json"].contains {
      FileManager.default.fileExists(atPath: path + "/" + $0)
    }
    guard hasWeights || needsIdentity else { return }
    let candidate = try StoredBase(path: path)
    try archive.identify(candidate)
  }

  /// Applies --rank and --dtype; returns the errors of each.
  private func change(_ archive: inout AdapterArchive, _ path: String) throws -> [(
    name: String, change: AdapterChange
  )] {
    var changes: [(name: String, change: AdapterChange)] = []
    if let rank {
      let change = try archive.reduced(toRank: rank, path: path)
      archive = change.archive
      changes.append(("rank \(rank)", change))
    }
    if let dtype {
      let change = try archive.converted(to: dtype.elementType, path: path)
      archive = change.archive
      changes.append((dtype.rawValue, change))
    }
    return changes
  }

  private func write(
    _ file: AdapterFile, _ format: AdapterFileFormat, _ path: String, _ architecture: BaseArchitecture?,
    original: AdapterArchive
  ) throws -> TinaWriter.Summary? {
    guard format == .tina else {
      try file.archive.export(format, to: path, base: architecture)
      return nil
    }
    var options = TinaOptions(
      lossy?.precision ?? maxError.map { .maxError($0) } ?? maxBytes.map { .maxBytes($0) } ?? .exact)
    options.isPlain = stored
    if rank != nil || dtype != nil { options.original = original }
    if file.format == .tina, let source = file.files.last {
      let isChanged = rank != nil || dtype != nil || options.precision != .exact
      options.keep(from: try TinaFile(path: source, layers: input.layers), tensorsChange: isChanged)
    }
    return try TinaWriter.write(file.archive, to: path, options: options)
  }

  private func report(
    _ file: AdapterFile, _ format: AdapterFileFormat, _ path: String,
    _ changes: [(name: String, change: AdapterChange)], _ summary: TinaWriter.Summary?
  ) throws {
    let sizes = (Figures.byteCount(of: file.files), Figures.byteCount(of: [path]))
    let isIdentified = file.archive.base != nil
    if json {
      let steps: [JSONValue] = changes.map { name, change in
        let fields: KeyValuePairs<String, JSONValue> = [
          "change": .string(name), "worst_error": .double(change.worst?.error ?? 0),
        ]
        return .record(fields)
      }
      let layers: [JSONValue] = (summary?.layers ?? []).map { JSONValue(layer: $0) }
      let base: JSONValue = file.archive.base.map { JSONValue.string($0.digestText) } ?? .null
      let fields: KeyValuePairs<String, JSONValue> = [
        "input": .string(input.path), "input_format": .string(file.format.rawValue),
        "input_bytes": .integer(sizes.0), "output": .string(path), "output_format": .string(format.rawValue),
        "output_bytes": .integer(sizes.1), "input_checked": .bool(file.format == .tina),
        "parameters": .integer(file.archive.parameterCount), "base": base,
        "changes": .array(steps), "layers": .array(layers),
      ]
      try Terminal.writeData(JSONValue.record(fields).line)
      return
    }
    let share = sizes.0 > 0 ? ", \(Figures.percent(Double(sizes.1) / Double(sizes.0))) of the input" : ""
    try Terminal.writeLine(
      "\(path): \(format.title), \(Figures.count(file.archive.parameterCount, "parameter")),"
        + " \(Figures.grouped(sizes.1)) bytes\(share)")
    for (name, change) in changes {
      guard let worst = change.worst else { continue }
      try Terminal.writeLine(
        worst.error == 0
          ? "\(name): exact"
          : "\(name): relative error of ΔW up to \(Figures.short(worst.error)), in \(worst.module)")
    }
    if let layers = summary?.layers, let last = layers.last {
      try Terminal.writeLine(
        last.worstError == 0
          ? "every number is exact"
          : "relative error of ΔW \(Figures.short(Double(last.totalError))), in a module up to"
            + " \(Figures.short(Double(last.worstError)))")
      if layers.count > 1 {
        for (i, layer) in layers.dropLast().enumerated() {
          try Terminal.writeLine(
            "  the first \(i + 1) of \(layers.count) layers: \(Figures.grouped(layer.end)) bytes, error"
              + " \(Figures.short(Double(layer.totalError)))")
        }
      }
    }
    if format == .tina, file.format != .tina {
      Terminal.note(
        "\(file.format.title) files hold no checksums: those of \(path) hold for what was read, sound or not."
      )
    }
    if format == .tina, !isIdentified {
      Terminal.note("base not identified: name it with --base, so that no other can be taken for it.")
    }
  }
}
