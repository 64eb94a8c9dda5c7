import AdapterFormat
import ArgumentParser
import Foundation
import Hub
import ModelFiles
import TinaRuntime

struct Diff: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compares two adapters by what they do: ΔW, module by module.",
    usage: "tina diff <a> <b> [<options>]",
    discussion: """
      The formats may differ, and so may the factors: the command compares ΔW = scale · B · A of every module, \
      without forming it. "same" means equal exactly. "same up to rounding" means that rounding to the coarser \
      element type explains every difference (2⁻⁸ relative for bf16, 2⁻¹¹ for f16, 2⁻²⁰ for f32). Otherwise the \
      distance is shown, relative to the larger norm.

      Exit codes: 0 same, or same up to rounding; 1 different; 2 trouble; 64 wrong usage.

      EXAMPLES:
        tina diff checkpoint-450 adapter.tina
        tina diff small.tina:layers=1 small.tina
        tina diff a.gguf b --json
      """)

  @Argument(help: ArgumentHelp("An adapter of any format.", valueName: "a"))
  var first: AdapterSource

  @Argument(help: ArgumentHelp("Another one.", valueName: "b"))
  var second: AdapterSource

  @OptionGroup var base: BaseOptions

  @Flag(help: "Print one JSON object instead of text.")
  var json = false

  func validate() throws {
    for reference in [first, second] where reference.scale != 1 {
      throw ValidationError(
        "\(reference.path)@\(reference.scale): a factor is for running, not for comparing.")
    }
  }

  func run() throws {
    let difference: AdapterDifference
    do {
      let architecture = try base.architecture()
      let files = try [first.resolved(), second.resolved()].map {
        try AdapterFile(path: $0.path, layers: $0.layers, base: architecture)
      }
      for note in files.flatMap(\.notes) { Terminal.note(note) }
      difference = AdapterDifference(files[0].archive, files[1].archive)
    } catch {
      // As in diff(1), 1 means different and 2 means trouble.
      Terminal.note("Error: \(error)")
      throw ExitCode(2)
    }
    if json {
      try Terminal.writeData(Self.json(difference).line)
    } else {
      for line in Self.lines(difference) { try Terminal.writeLine(line) }
    }
    if difference.verdict == .different { throw ExitCode(1) }
  }

  private static func lines(_ difference: AdapterDifference) -> [String] {
    let items = difference.items
    let worst = items.filter { $0.relative != nil }.max { ($0.relative ?? 0) < ($1.relative ?? 0) }
    var lines: [String] = []
    let differing = items.filter { $0.verdict == .different }
    if !differing.isEmpty {
      let shown = differing.sorted { ($0.relative ?? .infinity) > ($1.relative ?? .infinity) }.prefix(20)
      lines = Figures.table(
        [["module", "‖ΔW‖ of a", "of b", "‖difference‖", "relative", ""]]
          + shown.map { item in
            let numbers = item.norms + [item.distance, item.relative]
            return [printable(item.module) + (item.kind == "lowrank" ? "" : " (\(item.kind))")]
              + numbers.map { $0.map { Figures.short($0) } ?? "" } + [item.remark ?? ""]
          }, left: [5])
      if differing.count > shown.count { lines.append("and \(differing.count - shown.count) more") }
      lines.append("")
    }
    switch difference.verdict {
    case .same: lines.append("same: \(Figures.count(items.count, "module")), equal exactly")
    case .rounding:
      lines.append(
        "same up to rounding: \(Figures.count(items.count, "module")), apart at most"
          + " \(Figures.short(worst?.relative ?? 0)) in \(worst?.module ?? ""); rounding explains up to"
          + " \(Figures.short(worst?.tolerance ?? 0))")
    case .different:
      let total = difference.relative.map { ", \(Figures.short($0)) apart in all" } ?? ""
      lines.append(
        "different: \(Figures.grouped(differing.count)) of \(Figures.count(items.count, "module"))\(total)"
          + (worst.map { ", most in \($0.module) (\(Figures.short($0.relative ?? 0)))" } ?? ""))
    }
    return lines
  }

  private static func json(_ difference: AdapterDifference) -> JSONValue {
    let modules: [JSONValue] = difference.items.map { json($0) }
    let fields: KeyValuePairs<String, JSONValue> = [
      "verdict": .string(difference.verdict.rawValue), "relative": number(difference.relative),
      "modules": .array(modules),
    ]
    return .record(fields)
  }

  private static func json(_ item: AdapterDifference.Item) -> JSONValue {
    let norms: [JSONValue] = item.norms.map { number($0) }
    let remark: JSONValue = item.remark.map { JSONValue.string($0) } ?? .null
    let fields: KeyValuePairs<String, JSONValue> = [
      "module": .string(item.module), "kind": .string(item.kind), "verdict": .string(item.verdict.rawValue),
      "distance": number(item.distance), "norms": .array(norms), "relative": number(item.relative),
      "tolerance": .double(item.tolerance), "remark": remark,
    ]
    return .record(fields)
  }

  private static func number(_ value: Double?) -> JSONValue { value.map { JSONValue.double($0) } ?? .null }
}
