import ArgumentParser
import CPriority
import Support

@main
struct Tina: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tina",
    abstract: "Runs small reasoning models: a frozen base and its LoRA adapter.",
    discussion: """
      A MODEL is a Hugging Face directory (config.json, tokenizer.json, safetensors), a GGUF file, or a name on the \
      hub such as org/name, which is looked for in the hub's cache and fetched if it is not there. Without one, Pico \
      answers: the small model that ships with Tina, in Models/pico of the working directory or a folder \
      above it, beside the program, or where the environment variable TINA_PICO says.

      EXIT CODES: 0 done. 1 failure, or a verdict: diff and grade found a difference, verify found no sound file. \
      2 diff and grade reached no verdict. 64 wrong usage. 74 results could not be written. 130 interrupted by \
      Ctrl-C. 141 whoever read the results closed the pipe. Messages on standard error that can't be written change \
      nothing.
      """,
    version: tinaVersion,
    subcommands: [
      Run.self, Serve.self, Eval.self, Grade.self, Train.self, SweepCommand.self, Report.self, Convert.self,
      MergeCommand.self,
      Quantize.self, Inspect.self, Verify.self, Diff.self, Pull.self, Score.self, Tokenize.self, Bench.self,
      Logits.self,
    ])

  static func main() async {
    pr_keep()
    StandardFiles.prepare()
    EndingSignals.prepare()
    ParentWatch.begin()
    do {
      let arguments = try Usage.repaired(Array(CommandLine.arguments.dropFirst()))
      var command = try parseAsRoot(arguments)
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
    } catch {
      Ending.end(with: error)
    }
    Ending.end(0)
  }
}
