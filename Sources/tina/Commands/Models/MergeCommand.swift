import AdapterFormat
import ArgumentParser
import Foundation
import Merging
import ModelFiles
import TinaRuntime
import Support

struct MergeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge",
    abstract: "Adds adapters to the weights of their base and writes a model of its own, verified.",
    usage: "tina merge <model> <adapter>[@<scale>] ... <output> [<options>]",
    discussion: """
      The sum W + Σ scale · B · A is computed in float32 from the base's own numbers and rounded once. The command \
      opens what it wrote and compares it with the attached form; merge-report.json beside the weights tells how much \
      survived rounding. It refuses a merge that would lose more than half of an adapter's change in some module \
      (--accept-loss). The output is whole or absent. After a kill the same command continues where it was, file by \
      file.

      EXAMPLES:
        tina merge Models/pico Models/pico/adapter merged
        tina merge ~/models/R1-Distill-Qwen-1.5B checkpoint-450 merged --dtype f32
        tina merge base style@0.5 maths merged --dtype bf16 --rounding stochastic --shard-size 2GB
        tina merge base checkpoint-450 merged.gguf --dtype f16      (one GGUF file, merged.merge-report.json beside it)
      """)

  @Argument(
    help: ArgumentHelp(
      "The base, one or more adapters (PATH or PATH@SCALE), and the output.", valueName: "path"),
    completion: .modelOrAdapter)
  var paths: [String]

  @Option(
    help:
      "f32, f16 or bf16 for all weights, in a GGUF file also q8_0 and other types; the base's unless given.",
    completion: .list(GGUFFileType.allCases.map { $0.rawValue.lowercased() }))
  var dtype: String?

  @Option(help: "The most bytes of weights in a file: 500MB, 2GB; the base's own division unless given.")
  var shardSize: String?

  @Option(
    help: "nearest, or stochastic: at random, right on average.",
    completion: .list(["nearest", "stochastic"]))
  var rounding = "nearest"

  @Option(help: "Number that fixes stochastic rounding.")
  var seed: UInt64?

  @Option(help: "A text to compare merged and attached form on, at every position; repeatable.")
  var probe: [String] = []

  @Flag(help: "Write the merge although less than half of the adapter survives rounding somewhere.")
  var acceptLoss = false

  @Flag(help: "Replace the output if it is there, once the merge is verified.")
  var force = false

  @Flag(help: AttachOptions.mismatchHelp)
  var allowBaseMismatch = false

  @OptionGroup var threads: ThreadOptions

  @Flag(help: "Print the report as one JSON object.")
  var json = false

  func validate() throws {
    guard paths.count >= 3 else {
      throw ValidationError(
        "found \(paths.count) paths, expected at least 3: a model, an adapter, an output.")
    }
    _ = try settings()
  }

  private var writesGGUF: Bool { paths[paths.count - 1].lowercased().hasSuffix(".gguf") }

  private func settings() throws -> MergeSettings {
    var settings = MergeSettings()
    if writesGGUF {
      if let dtype {
        guard let type = GGUFFileType(name: dtype) else {
          throw ValidationError(
            "--dtype: found \(dtype), expected \(GGUFFileType.allCases.map(\.rawValue).joined(separator: ", "))."
          )
        }
        settings.fileType = type
      }
      if shardSize != nil { throw ValidationError("--shard-size: a GGUF file is not divided.") }
    } else if let dtype {
      guard let type = [ElementType.f32, .f16, .bf16].first(where: { "\($0)" == dtype.lowercased() }) else {
        throw ValidationError(
          "--dtype: found \(dtype), expected f32, f16 or bf16 (others for an output that ends in .gguf).")
      }
      settings.elementType = type
    }
    if let shardSize {
      guard let count = Self.byteCount(shardSize), count > 0 else {
        throw ValidationError("--shard-size: found \(shardSize), expected a size such as 500MB or 2GB.")
      }
      settings.shardByteCount = count
    }
    switch rounding {
    case "nearest":
      guard seed == nil else { throw ValidationError("--seed belongs to --rounding stochastic.") }
    case "stochastic":
      settings.rounding = .stochastic(seed: seed ?? 0)
    default: throw ValidationError("--rounding: found \(rounding), expected nearest or stochastic.")
    }
    settings.acceptsLoss = acceptLoss
    settings.replacesOutput = force
    settings.probes = probe
    do throws(MergeError) { try settings.validate() } catch { throw ValidationError("--\(error)") }
    return settings
  }

  /// A number with kB, MB, GB (powers of 1000) or KiB, MiB, GiB.
  static func byteCount(_ text: String) -> Int? {
    let units: [(String, Double)] = [
      ("kib", 0x1p10), ("mib", 0x1p20), ("gib", 0x1p30), ("kb", 1e3), ("mb", 1e6), ("gb", 1e9), ("b", 1),
      ("", 1),
    ]
    let lowered = text.lowercased()
    for (unit, factor) in units where lowered.hasSuffix(unit) {
      guard let number = Double(lowered.dropLast(unit.count)), number.isFinite else { continue }
      let count = number * factor
      return count >= 1 && count < 0x1p62 ? Int(count) : nil
    }
    return nil
  }

  func run() async throws {
    var settings = try settings()
    // The weights are verified, so nothing else may be rounded beside them.
    let model = try Model(path: try ModelLocator.path(paths[0]), threads: threads.count, activations: .f32)
    if writesGGUF, settings.fileType == nil { settings.fileType = try Merge.ownFileType(model) }
    var adapters: [AttachedAdapter] = []
    for text in paths.dropFirst().dropLast() {
      guard var source = try AdapterSource(argument: text)?.resolved() else {
        throw ValidationError("an adapter: found \"\(text)\", expected PATH or PATH@SCALE.")
      }
      source.allowBaseMismatch = allowBaseMismatch
      let adapter = try source.open(for: model)
      for note in adapter.notes { Terminal.note("note: " + note) }
      adapters.append(
        try AttachedAdapter(
          adapter, to: model, scale: source.scale, allowBaseMismatch: source.allowBaseMismatch))
    }
    let output = expandingTilde(paths[paths.count - 1])
    let merge = try Merge(adapters, into: model, output: output, settings: settings)
    let (report, cost) = try await merge.run { progress in
      switch progress {
      case .writing(let done, let total): Terminal.progress("merging \(100 * done / max(total, 1)) %")
      case .verifying: Terminal.progress("comparing logits with the attached form")
      }
    }
    Terminal.progress("")
    for warning in report.warnings { Terminal.note("note: " + warning) }
    if json {
      try Terminal.writeData(report.json.text())
    } else {
      try Terminal.writeLine(report.summary)
      try Terminal.writeLine(Self.costLine(cost))
    }
  }

  private static func costLine(_ cost: MergeCost) -> String {
    let seconds = cost.writing.inSeconds
    var text = String(
      format: "  %.2f GB written in %.1f s (%.2f GB/s), compared in %.1f s", Double(cost.byteCount) / 1e9,
      seconds,
      Double(cost.byteCount) / 1e9 / max(seconds, 1e-9), cost.verifying.inSeconds)
    if let memory = cost.privateByteCount {
      text += String(format: ", private memory at most %.0f MB", Double(memory) / 1e6)
    }
    if cost.resumedFiles > 0 { text += "; \(cost.resumedFiles) files were there from before" }
    return text
  }
}
