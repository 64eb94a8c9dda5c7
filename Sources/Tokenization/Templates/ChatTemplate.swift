import Foundation
import ModelFiles
import Support

/// The known chat templates, written in Swift: no template language runs.
///
/// Marks that its relatives lack identify a model's template. A template without such marks, or with marks of two
/// models, is refused rather than guessed.
public enum ChatTemplate: Sendable, Equatable {
  /// DeepSeek-R1's first template: the answer starts right after `<｜Assistant｜>`. Tina trains with it.
  case deepSeekR1Plain
  /// DeepSeek-R1's second template: the prompt ends in `<think>\n`, and the thinking of earlier answers is
  /// left out.
  case deepSeekR1Think
  /// Qwen's ChatML, with the system text of conversations that have none; nil writes none.
  case chatML(defaultSystem: String?)
  /// Qwen3's ChatML: thinking can be switched off, and that of earlier turns is left out.
  case qwen3
  /// SmolLM3's ChatML: a header with the mode of thinking, which the system message can switch.
  case smolLM3(SmolLM3Header)
  /// Llama 3's headers; from Llama 3.1 on a system message names two dates.
  case llama3(isDated: Bool)
  /// Llama 2's `[INST]`.
  case llama2
  /// Gemma's turns; from Gemma 3 on the system message begins the first turn.
  case gemma(foldsSystem: Bool)
  /// Zephyr's, which TinyLlama has too.
  case zephyr

  /// A short name, for results.
  public var name: String {
    switch self {
    case .deepSeekR1Plain: "deepseek-r1"
    case .deepSeekR1Think: "deepseek-r1-think"
    case .chatML: "chatml"
    case .qwen3: "qwen3"
    case .smolLM3: "smollm3"
    case .llama3: "llama-3"
    case .llama2: "llama-2"
    case .gemma: "gemma"
    case .zephyr: "zephyr"
    }
  }

  /// Recognises the template in `chat_template.jinja`, `tokenizer_config.json` or a GGUF file.
  ///
  /// - Throws: `TokenizationError` for a missing or unknown template.
  public init(directory: String) throws(TokenizationError) {
    let jinja = directory + "/chat_template.jinja"
    let config = directory + "/tokenizer_config.json"
    let source: String
    let file: String
    do throws(ModelFilesError) {
      if let gguf = try? ggufFile(directory) {
        source = gguf["tokenizer.chat_template"]?.text ?? ""
        file = directory
      } else if FileManager.default.fileExists(atPath: jinja) {
        let bytes = try MappedFile(path: jinja)
        source = String(decoding: bytes.copy(0..<bytes.byteCount), as: UTF8.self)
        file = jinja
      } else {
        source = try JSON.parse(path: config).object?.chatTemplate ?? ""
        file = config
      }
    } catch { throw .file(error) }
    guard !source.isEmpty else { throw .unknownTemplate(file: file, found: "none") }
    guard let template = Self(recognising: source) else {
      throw .unknownTemplate(file: file, found: quoted(String(source.prefix(80))))
    }
    self = template
  }

  /// Whether the prompt opens the thinking, so that the model's answer begins inside it.
  public var opensThinking: Bool { self == .deepSeekR1Think }

  /// Whether a request can switch the thinking on and off.
  public var switchesThinking: Bool {
    switch self {
    case .qwen3, .smolLM3: true
    default: false
    }
  }

  /// Whether the template names a day.
  public var isDated: Bool {
    switch self {
    case .llama3(let isDated): isDated
    case .smolLM3(let header): header.isDated
    default: false
    }
  }

  /// Refuses options that the template has no use for.
  ///
  /// - Throws: `TokenizationError.templateOption`.
  public func check(_ options: ChatOptions) throws(TokenizationError) {
    if let thinking = options.thinking, !switchesThinking, !(thinking && opensThinking) {
      throw .templateOption(
        template: name, option: "enable_thinking", found: "\(thinking)",
        expected: "none: this template has no switch for thinking")
    }
    guard let date = options.date else { return }
    guard isDated else {
      throw .templateOption(
        template: name, option: "date_string", found: quoted(date),
        expected: "none: this template names no date")
    }
    guard (1...64).contains(date.utf8.count), date.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) else {
      throw .templateOption(
        template: name, option: "date_string", found: quoted(date), expected: "1 to 64 characters of ASCII")
    }
  }

  /// The text of a conversation, as the model expects it.
  ///
  /// - Parameters:
  ///   - messages: the conversation, oldest first.
  ///   - bosToken: text of the token that begins every text; most templates write it.
  ///   - eosToken: text of the token that ends every text; those of Llama 2 and Zephyr write it.
  ///   - options: what the template lets a request choose.
  ///   - addGenerationPrompt: whether the model is to answer next.
  /// - Throws: `TokenizationError` for a conversation that the template has no form for, and for options that it does
  ///   not have.
  public func render(
    _ messages: [ChatMessage], bosToken: String, eosToken: String = "", options: ChatOptions = ChatOptions(),
    addGenerationPrompt: Bool = true
  ) throws(TokenizationError) -> String {
    try parts(
      messages, bosToken: bosToken, eosToken: eosToken, options: options,
      addGenerationPrompt: addGenerationPrompt
    ).map(\.text).joined()
  }

  /// The text in parts: the template's own, which holds the marks of turns, and what the messages say, where a mark is
  /// text like any other. So no message can begin another one's turn.
  ///
  /// The parameters and errors are those of ``render(_:bosToken:eosToken:options:addGenerationPrompt:)``. What the
  /// model or the system says may hold the marks of thinking.
  public func parts(
    _ messages: [ChatMessage], bosToken: String, eosToken: String = "", options: ChatOptions = ChatOptions(),
    addGenerationPrompt: Bool = true
  ) throws(TokenizationError) -> [TextPart] {
    try check(options)
    var turns = TemplateTurns(
      self, messages, bos: bosToken, eos: eosToken, options, addsGenerationPrompt: addGenerationPrompt)
    switch self {
    case .deepSeekR1Plain, .deepSeekR1Think: turns.deepSeek(opensThinking: opensThinking)
    case .chatML(let system): turns.chatML(defaultSystem: system)
    case .qwen3: turns.qwen3()
    case .smolLM3(let header): try turns.smolLM3(header)
    case .llama3(let isDated): turns.llama3(isDated: isDated)
    case .llama2: try turns.llama2()
    case .gemma(let foldsSystem): try turns.gemma(foldsSystem: foldsSystem)
    case .zephyr: try turns.zephyr()
    }
    return turns.parts
  }
}
