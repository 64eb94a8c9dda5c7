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
      The command reads all of a .tina file: it compares every digest, decodes every block and checks every rule of \
      the format. In formats without checksums it checks what they have: offsets, sizes, names, complete pairs, and \
      shapes, ranks and types against the configuration. Numbers that are not finite are a fault in any format. A \
      sound adapter may hold things that tina run does not apply: a remark says so.

      A model, a Hugging Face directory or a GGUF file, has no checksums. The command checks that every tensor lies in \
      its file, has a name, shape and type that can run, and holds finite numbers and scales, and that the tokenizer \
      can be read. The digest that it shows is the same for every copy of the weights.

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
      try Terminal.writeData(report.json.line)
    } else {
      for line in report.lines { try Terminal.writeLine(line) }
    }
    if !report.isSound { throw ExitCode(1) }
  }
}
