import AdapterFormat
import ArgumentParser
import Foundation
import Hub
import ModelFiles
import TinaRuntime

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Shows what an adapter holds and what it does to its base.",
    usage: "tina inspect <file|directory> [<options>]",
    discussion: """
      Base, provenance, sizes, and for every low-rank pair its rank, scale, norm of ΔW = scale · B · A, \
      effective rank and singular values as a row of bars, the largest first. Every tensor that is no low-rank \
      pair is listed by its kind. The effective rank is the exponential of the entropy of the singular values: \
      how many directions the update really uses.

      EXAMPLES:
        tina inspect Models/pico/adapter
        tina inspect adapter.tina --json
        tina inspect small.tina:layers=1
      """)

  @Argument(help: ArgumentHelp("An adapter of any format.", valueName: "adapter"))
  var adapter: AdapterSource

  @OptionGroup var base: BaseOptions

  @Flag(help: "Print one JSON object instead of text.")
  var json = false

  func run() throws {
    let adapter = try adapter.resolved()
    let file = try AdapterFile(path: adapter.path, layers: adapter.layers, base: base.architecture())
    for note in file.notes { Terminal.note(note) }
    let tina =
      try file.format == .tina ? file.files.last.map { try TinaFile(path: $0, layers: adapter.layers) } : nil
    let report = InspectReport(
      file: file, tina: tina, pairs: file.archive.analyzePairs(), base: Result { try base.config() })
    if json {
      try Terminal.writeData(report.json.line)
    } else {
      for line in report.lines { try Terminal.writeLine(line) }
    }
  }
}
