import AdapterFormat
import ArgumentParser
import Foundation
import ModelFiles
import TinaRuntime

struct Run: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Answers a prompt, a conversation on a terminal, or many prompts from a file.",
    usage: "tina run [<model>] [<prompt>] [<options>]",
    discussion: """
      A lone argument is the model when it is a directory or contains a slash, the prompt otherwise. What is piped \
      in is the prompt, or comes behind the one that is given. On a terminal a conversation begins without a \
      prompt; /help lists its commands.

      EXAMPLES:
        tina run "What is 12 + 3 * 4?"
        tina run Models/pico --adapter Models/pico/adapter "What is 2 + 3?"
        tina run ~/models/DeepSeek-R1-Distill-Qwen-1.5B --hide-thinking
        echo "Once upon a time" | tina run ~/models/story --raw --max-tokens 64
        tina run --jsonl prompts.jsonl > answers.jsonl

      JSON LINES (--jsonl): {"prompt" or "messages", "seed"?, "max_tokens"?, "adapter"?} gives {"text", "ids", \
      "finish_reason"}, in the order of the lines. A line that fails gives {"line", "error"}; the others are \
      answered, and the exit code is 1. An adapter of null asks the base alone.
      """)

  @Argument(
    help: "A Hugging Face model directory or a name on the hub; Pico unless given.", completion: .model)
  var model: String?

  @Argument(help: "What to answer.")
  var prompt: String?

  @OptionGroup var adapter: AdapterOptions
  @OptionGroup(title: "Sampling") var sampling: SamplingOptions
  @OptionGroup(title: "Computing") var compute: ComputeOptions
  @OptionGroup(title: "Computing") var speculation: SpeculationOptions

  @OptionGroup var thinking: ThinkingOptions

  @Option(help: "A system message that comes before the prompt.")
  var system: String?

  @Flag(
    help: "Continue the prompt as it is, without the chat template; what it spells of special tokens is them."
  )
  var raw = false

  @Flag(help: "With --raw: add no special tokens, such as the one that begins a text.")
  var noSpecial = false

  @Flag(help: "Show the answer without the thinking before it.")
  var hideThinking = false

  @Flag(help: "Print one JSON object instead of streaming text.")
  var json = false

  @Option(
    help: ArgumentHelp("Answer each line of a file of JSON lines; - is standard input.", valueName: "file"),
    completion: .lines)
  var jsonl: String?

  func validate() throws {
    try speculation.validate(beside: adapter.merging)
    if noSpecial, !raw {
      throw ValidationError("--no-special is for --raw: a chat's tokens are its template's.")
    }
    if raw, thinking.think != nil {
      throw ValidationError("--raw leaves out the chat template, and its switch for thinking is part of it.")
    }
    if raw, system != nil { throw ValidationError("--raw leaves out the chat, and --system is part of it.") }
    if jsonl != nil {
      if prompt != nil {
        throw ValidationError("--jsonl reads its prompts from the file: give no other prompt.")
      }
      if json || hideThinking {
        throw ValidationError("--jsonl prints JSON lines: give it without --json and --hide-thinking.")
      }
      if system != nil {
        throw ValidationError("--jsonl takes system messages from \"messages\", not from --system.")
      }
    } else if isChat, raw || json {
      throw ValidationError("--\(raw ? "raw" : "json") needs a prompt: give one, or pipe it in.")
    }
    if json, hideThinking {
      throw ValidationError("--json prints the whole text: give it without --hide-thinking.")
    }
  }

  func run() async throws {
    let (model, prompt) = words
    if model == nil, let prompt, let mistake = ModelName.mistake(in: prompt) { throw mistake }
    // Standard input is read before the model is opened: an empty prompt fails at once.
    let reads = jsonl == nil && !isChat && (prompt == nil || PromptInput.isPiped)
    var input = try reads ? PromptInput(behindPrompt: prompt != nil) : nil
    if prompt?.isEmpty == true || prompt == nil && input?.isEmpty == true { throw RuntimeError.emptyPrompt }
    let lines = try jsonl.map { try LineReader(path: $0) }
    let settings = try UserSettings.current()
    var adapter = adapter
    if model == nil, adapter.adapter == nil { adapter.adapter = try settings.adapterUnlessNamed() }
    let path = try ModelLocator.path(model, for: adapter.sources, settings: settings)
    if model == nil, ModelLocator.isPico(path) {
      Terminal.note(
        "No model is named, so Pico answers (\(path)). Name one: tina run MODEL \"PROMPT\"", .dimmed)
    }
    let (placed, attached) = try adapter.place(
      on: compute.model(path, activations: settings.activations?.value ?? .fastest))
    var assistant = try Assistant(
      compute.engine(
        placed, speculation: speculation.remembering, drafter: speculation.drafter(for: placed)),
      adapter: attached)
    // A model without a chat template is told of before anything is computed.
    if !raw { _ = try assistant.prompts }
    try thinking.apply(to: &assistant)
    sampling.apply(to: &assistant)
    let piped = try input?.text(assistant.tokenizer, context: assistant.engine.contextLimit)
    let text = [prompt, piped].compactMap(\.self).filter { !$0.isEmpty }.joined(separator: raw ? "" : "\n\n")
    let turn = Turn(
      assistant: assistant, isRaw: raw, addsSpecialTokens: !noSpecial, system: system,
      hidesThinking: hideThinking)
    if let lines {
      try await RunLines(turn: turn, adapter: adapter).run(lines)
    } else if isChat {
      var chat = Chat(turn: turn, adapter: adapter)
      try await chat.run()
    } else {
      try await answer(text, turn, adapter)
    }
  }

  private func answer(_ text: String, _ turn: Turn, _ adapter: AdapterOptions) async throws {
    let ids = try turn.promptIDs(text)
    let interrupts = InterruptHandler()
    if json {
      let running = try TimedCompletion(turn.assistant, ids)
      interrupts.arm { [completion = running.completion] in completion.cancel() }
      let answer = try await running.collect()
      try Terminal.writeData(describe(answer, turn, adapter).line)
      if answer.reason == .cancelled { throw ExitCode(130) }
    } else {
      let answer = try await turn.show(ids, interrupts)
      if answer.reason == .cancelled { throw ExitCode(130) }
    }
  }

  private func describe(_ answer: TimedAnswer, _ turn: Turn, _ adapter: AdapterOptions) -> JSONValue {
    let sampling = turn.assistant.settings.sampling
    return .record([
      "model": .string(turn.assistant.model.directory.path),
      "adapter": adapter.adapter.map { .string($0.path) } ?? .null,
      "adapter_scale": adapter.adapter.map { .float($0.scale) } ?? .null,
      "merged": adapter.merging.merged.map { .string($0.rawValue) } ?? .null,
      "text": .string(answer.text),
      "ids": .ids(answer.ids),
      "finish_reason": .string(answer.reason.rawValue),
      "prompt_tokens": .integer(answer.promptTokens),
      "activations": .string(turn.assistant.model.activations.rawValue),
      "temperature": .float(sampling.temperature),
      "seed": .unsigned(sampling.seed),
      "prompt_tokens_per_second": answer.prefillRate.map { .double($0) } ?? .null,
      "tokens_per_second": .double(answer.decodeRate ?? 0),
    ])
  }

  /// What the two optional arguments mean.
  private var words: (model: String?, prompt: String?) {
    if let model, prompt == nil, jsonl == nil, !ModelLocator.looksLikeModel(model) { return (nil, model) }
    return (model, prompt)
  }

  private var isChat: Bool { words.prompt == nil && Terminal.inputIsTerminal }
}
