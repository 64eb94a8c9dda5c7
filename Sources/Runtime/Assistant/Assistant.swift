public import Tokenization

/// A model ready to answer: its engine, tokenizer, chat template and end tokens, an adapter, and how it samples.
///
/// ```swift
/// let assistant = try Assistant(model: "DeepSeek-R1-Distill-Qwen-1.5B", adapter: "math.tina")
/// print(try await assistant.respond(to: "What is 12 + 3 * 4?"))
/// ```
///
/// It is a value: a copy with other ``settings`` answers otherwise, on the same engine.
public struct Assistant: Sendable {
  /// What computes.
  public let engine: Engine
  /// The model's tokenizer.
  public let tokenizer: Tokenizer
  /// The adapter, how tokens are drawn, and where an answer ends. The model's `generation_config.json` decides how
  /// tokens are drawn unless this is changed.
  public var settings: AnswerSettings
  /// The chat template, or the reason why there is none.
  private var conversation: Result<PromptEncoder, any Error>

  /// Opens a model and, if given, an adapter.
  ///
  /// - Parameters:
  ///   - model: the path of a Hugging Face directory or a GGUF file.
  ///   - adapter: the path of a `.tina` file, or of an adapter in another format.
  /// - Throws: `ModelFilesError`, `TokenizationError`, `AdapterError` or `RuntimeError` for files that are missing or
  ///   damaged, or do not belong together.
  public init(model path: String, adapter: String? = nil) throws {
    let model = try Model(path: path)
    let attached = try adapter.map { try AttachedAdapter(AdapterSource(path: $0), to: model) }
    try self.init(Engine(model: model), adapter: attached)
  }

  /// An assistant on an engine that others may use too.
  ///
  /// - Parameters:
  ///   - engine: what computes.
  ///   - adapter: the adapter to answer with, attached to the engine's model.
  ///   - template: how conversations are written, where the model's own template is not wanted.
  /// - Throws: `TokenizationError` for a tokenizer that is missing or damaged. An unknown chat template is an error
  ///   only where a conversation is written.
  public init(_ engine: Engine, adapter: AttachedAdapter? = nil, template: ChatTemplate? = nil) throws {
    let directory = engine.model.directory
    let tokenizer = try Tokenizer(directory: directory.path)
    self.engine = engine
    self.tokenizer = tokenizer
    conversation = Result {
      try PromptEncoder(tokenizer: tokenizer, directory: directory.path, template: template)
    }
    settings = AnswerSettings(
      adapter: adapter, sampling: SamplingParameters(directory.generation, seed: 0))
  }

  /// The model that answers.
  public var model: Model { engine.model }

  /// What a person should know about the adapter on this model, one sentence each.
  public var notes: [String] { settings.adapter.map { $0.adapter.notes + $0.notes } ?? [] }

  // MARK: Prompts and requests

  /// How conversations become token ids.
  ///
  /// - Throws: `TokenizationError` or `ModelFilesError` when the model's chat template is missing or unknown.
  public var prompts: PromptEncoder { get throws { try conversation.get() } }

  /// What the chat template lets a conversation choose. What it has no use for is refused where a conversation is
  /// written.
  public var chatOptions: ChatOptions {
    get { (try? conversation.get())?.options ?? ChatOptions() }
    set {
      conversation = conversation.map { encoder in
        var encoder = encoder
        encoder.options = newValue
        return encoder
      }
    }
  }

  /// The token ids of a conversation that the model is to continue.
  ///
  /// - Throws: `RuntimeError.emptyPrompt` for no message; as ``prompts``.
  public func encode(_ messages: [ChatMessage]) throws -> [Int] {
    guard !messages.isEmpty else { throw RuntimeError.emptyPrompt }
    return try prompts.encode(messages)
  }

  /// The token ids of a conversation of one message.
  ///
  /// - Throws: `RuntimeError.emptyPrompt` for an empty text; as ``prompts``.
  public func encode(_ text: String, system: String? = nil) throws -> [Int] {
    guard !text.isEmpty else { throw RuntimeError.emptyPrompt }
    let system = system.map { [ChatMessage(role: .system, content: $0)] } ?? []
    return try encode(system + [ChatMessage(role: .user, content: text)])
  }

  /// A request that continues `prompt`, with ``settings`` and everything else that this model's answers need.
  ///
  /// - Parameters:
  ///   - prompt: token ids.
  ///   - promptIndex: which prompt this is, for the random numbers.
  ///   - sampleIndex: which sample of the prompt this is, for the random numbers.
  public func request(for prompt: [Int], promptIndex: Int = 0, sampleIndex: Int = 0) -> GenerationRequest {
    GenerationRequest(
      prompt: prompt, settings, endTokens: model.endTokens, allowedTokens: tokenizer.idCount,
      tokenizer: tokenizer, promptIndex: promptIndex, sampleIndex: sampleIndex)
  }

  /// The text of a completion's tokens, without those that end it and other special ones.
  public func text(of ids: [Int]) -> String {
    tokenizer.decode(
      ids.filter { !model.endTokens.contains($0) }, skipSpecialTokens: true, continues: true)
  }
}
