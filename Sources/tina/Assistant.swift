import Foundation
import ModelFiles
import TinaRuntime
import Tokenization
import Support

/// A base model with its tokenizer and chat template, ready to answer.
struct Assistant {
  let model: Model
  let tokenizer: Tokenizer
  let engine: Engine
  /// Nil when prompts are continued as they are.
  private let prompts: PromptEncoder?

  init(_ model: Model, _ compute: ComputeOptions, isRaw: Bool) throws {
    self.model = model
    let path = model.directory.path
    tokenizer = try Tokenizer(directory: path)
    prompts = isRaw ? nil : try PromptEncoder(tokenizer: tokenizer, directory: path)
    engine = compute.engine(model)
  }

  /// Whether prompts end in an open `<think>`.
  var opensThinking: Bool { prompts?.template.opensThinking ?? false }

  /// The token ids of one text: a message to answer, or with `--raw` the beginning of what is to be continued.
  func promptIDs(_ text: String, system: String?) throws -> [Int] {
    guard !text.isEmpty else { throw RuntimeError.emptyPrompt }
    guard prompts != nil else { return tokenizer.encode(text) }
    let system = system.map { [ChatMessage(role: .system, content: $0)] } ?? []
    return try promptIDs(system + [ChatMessage(role: .user, content: text)])
  }

  /// The token ids of a conversation whose next word is the assistant's.
  func promptIDs(_ messages: [ChatMessage]) throws -> [Int] {
    guard !messages.isEmpty else { throw RuntimeError.emptyPrompt }
    guard let prompts else {
      throw CommandError("\"messages\" need the chat template, which --raw leaves out. Give a \"prompt\".")
    }
    return prompts.encode(messages)
  }

  /// Starts an answer.
  func start(
    _ prompt: [Int], adapter: AttachedAdapter?, _ sampling: SamplingParameters, maxTokens: Int?,
    promptIndex: Int = 0
  ) throws -> AnswerStream {
    let completion = try engine.generate(
      GenerationRequest(
        prompt: prompt, adapter: adapter, sampling: sampling, maxTokens: maxTokens ?? .max,
        stopTokens: Set(model.directory.eosTokenIDs), allowedTokens: tokenizer.idCount, tokenizer: tokenizer,
        promptIndex: promptIndex))
    return AnswerStream(completion: completion, promptTokens: prompt.count)
  }
}

/// What a model answered, and how fast.
struct Answer {
  var text = ""
  var ids: [Int] = []
  var reason = FinishReason.cancelled
  let promptTokens: Int
  /// Until the first token was there.
  var prefill = Duration.zero
  /// From the first token to the last.
  var decode = Duration.zero

  var prefillRate: Double { Double(promptTokens) / max(prefill.inSeconds, 1e-9) }
  /// The first token comes with the prompt.
  var decodeRate: Double { ids.count > 1 ? Double(ids.count - 1) / max(decode.inSeconds, 1e-9) : 0 }

  func summary(seed: UInt64, isGreedy: Bool) -> String {
    let rate = { (value: Double) in String(format: value < 100 ? "%.1f" : "%.0f", value) }
    return [
      "prompt \(promptTokens) tokens, \(rate(prefillRate))/s",
      "answer \(ids.count) tokens" + (ids.count > 1 ? ", \(rate(decodeRate))/s" : ""),
      isGreedy ? "greedy" : "seed \(seed)",
      "ended by \(reason.rawValue)",
    ].joined(separator: " · ")
  }
}

/// An answer in the making.
struct AnswerStream {
  let completion: Completion
  private let promptTokens: Int
  private let began = ContinuousClock.now

  init(completion: Completion, promptTokens: Int) {
    self.completion = completion
    self.promptTokens = promptTokens
  }

  /// Waits for the end. `onText` gets the text as it comes, in whole characters.
  func collect(onText: (String) -> Void = { _ in }) async throws -> Answer {
    var answer = Answer(promptTokens: promptTokens)
    var first: ContinuousClock.Instant?
    func add(_ text: String) {
      answer.text += text
      if !text.isEmpty { onText(text) }
    }
    for try await event in completion {
      switch event {
      case .token(let token):
        if first == nil {
          first = .now
          answer.prefill = .now - began
        }
        answer.ids.append(token.id)
        add(token.text)
      case .finished(let ending):
        add(ending.text)
        answer.reason = ending.reason
      }
    }
    if let first { answer.decode = .now - first }
    return answer
  }
}
