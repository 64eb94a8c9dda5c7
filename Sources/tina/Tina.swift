import ArgumentParser
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

      Exit codes: 0 done, 1 failure, 64 wrong usage, 130 interrupted.
      """,
    version: tinaVersion,
    subcommands: [
      Run.self, Serve.self, Eval.self, Grade.self, Train.self, Report.self, Convert.self, MergeCommand.self,
      Quantize.self, Inspect.self, Verify.self, Diff.self, Pull.self, Score.self, Tokenize.self, Bench.self,
      Logits.self,
    ])
}
