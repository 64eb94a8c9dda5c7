import ArgumentParser
import ModelFiles
import TinaRuntime
import Tokenization

struct Score: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Tells the log-probability of each token of given texts.",
    usage: "tina score [<model>] <file> [<options>]",
    discussion: """
      Each line {"prompt", "completion"} gives {"ids", "logprobs"}: the completion's token ids, and for each \
      its natural logarithm of probability at temperature 1 after the prompt and the tokens before it. Prompt \
      and completion are tokenised each on its own: the prompt with the special tokens that the tokenizer \
      adds (--no-special leaves them out; a prompt that begins with them gets no others), the completion \
      without. No chat template is applied.

      A line that fails gives {"line", "error"}; the others are scored, and the exit code is 1.

      EXAMPLES:
        echo '{"prompt": "1 + 1 =", "completion": " 2"}' | tina score -
        tina score ~/models/DeepSeek-R1-Distill-Qwen-1.5B texts.jsonl > base.jsonl
        tina score ~/models/DeepSeek-R1-Distill-Qwen-1.5B texts.jsonl --adapter checkpoint-450 > tuned.jsonl
      """)

  @OptionGroup var input: ModelAndFile
  @OptionGroup var adapter: AdapterOptions

  @Flag(help: "Add no special tokens to the prompt, because it holds them already.")
  var noSpecial = false

  @OptionGroup(title: "Computing") var compute: ComputeOptions

  func run() async throws {
    let lines = try input.lines()
    let path = try ModelLocator.path(input.model, for: adapter.sources)
    let (model, attached) = try adapter.place(on: compute.model(path, activations: .int8))
    let tokenizer = try Tokenizer(directory: path)
    let engine = compute.engine(model)
    try await lines.forEachLine { line in
      let texts = try (line.text("prompt"), line.text("completion"))
      for text in [texts.0, texts.1] {
        try PromptInput.check(text, tokenizer, context: engine.contextLimit)
      }
      let prompt = tokenizer.encode(texts.0, addSpecialTokens: !noSpecial)
      let completion = tokenizer.encode(texts.1, addSpecialTokens: false)
      let scores = try await engine.score(prompt: prompt, completion: completion, adapter: attached)
      return .record(["ids": .ids(completion), "logprobs": .array(scores.map { .float($0) })])
    }
  }
}
