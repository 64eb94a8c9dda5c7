import AdapterFormat
import ArgumentParser
import Hub
import ModelFiles
import TinaRuntime

struct Verify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Checks every checksum and rule of an adapter's or a model's files.",
    usage: "tina verify <file|directory> [<options>]",
    discussion: """
      A .tina file is read as a whole: every digest is compared, every block decoded, every rule of the format \
      checked. Formats without checksums are checked for what they have: offsets, sizes, names, complete pairs, \
      shapes, ranks and types that agree with the configuration. Numbers that are not finite are a fault in \
      either. A sound adapter may still hold what tina run does not apply: that is told, and is no fault.

      A model, a Hugging Face directory or a GGUF file, has no checksums: that every tensor lies in its file, has \
      the name, shape and a type that running it needs, holds finite numbers and scales, and that the tokenizer \
      can be read is checked. The digest that is told is the same for every copy of the weights.

      Exit codes: 0 sound, 1 not sound.

      EXAMPLES:
        tina verify adapter.tina
        tina verify checkpoint-450 --json
        tina verify model-Q4_K_M.gguf
      """)

  @Argument(
    help: ArgumentHelp(
      "An adapter of any format, a model's directory or GGUF file, or a name on the hub.",
      valueName: "file|directory"))
  var adapter: AdapterSource

  @Flag(help: "Print one JSON object instead of text.")
  var json = false

  func run() throws {
    let report = VerifyReport(try HubAccess.path(adapter.path, want: .either))
    if json {
      Terminal.writeLine(report.json.line)
    } else {
      for line in report.lines { Terminal.writeLine(line) }
    }
    if !report.isSound { throw ExitCode(1) }
  }
}
