public import Tokenization

/// Turns conversations into a model's token ids, with its chat template and tokenizer.
public struct PromptEncoder: Sendable {
  /// The model's tokenizer.
  public let tokenizer: Tokenizer
  /// How conversations are written.
  public let template: ChatTemplate
  /// What the template lets a request choose.
  public var options = ChatOptions()
  /// The texts that begin and end a conversation.
  private let bosToken: String
  private let eosToken: String

  /// Reads the chat template and the token that begins a text from a model's directory or GGUF file.
  ///
  /// - Parameters:
  ///   - tokenizer: the model's tokenizer.
  ///   - directory: the model's directory or GGUF file.
  ///   - template: the template, where the model's own is not wanted.
  /// - Throws: `TokenizationError` or `ModelFilesError` for files that are missing, damaged or unknown.
  public init(tokenizer: Tokenizer, directory: String, template: ChatTemplate? = nil) throws {
    self.tokenizer = tokenizer
    self.template = try template ?? ChatTemplate(directory: directory)
    bosToken = try Tokenizer.bosToken(path: directory)
    eosToken = try Tokenizer.eosToken(path: directory)
  }

  /// The template's name, and whether it is told to think, for results.
  public var name: String {
    guard template.switchesThinking, let thinking = options.thinking else { return template.name }
    return template.name + (thinking ? "-thinking" : "-not-thinking")
  }

  /// The text of a conversation that the assistant continues.
  ///
  /// - Throws: `TokenizationError` for a conversation or options that the template has no form for.
  public func render(_ messages: [ChatMessage]) throws(TokenizationError) -> String {
    try parts(messages).map(\.text).joined()
  }

  /// The token ids of a conversation that the assistant continues.
  ///
  /// What the messages say is text, also where it spells a special token: no message begins another one's turn.
  ///
  /// - Throws: as ``render(_:)``.
  public func encode(_ messages: [ChatMessage]) throws(TokenizationError) -> [Int] {
    // The template writes the special tokens itself; the tokenizer must not add its own.
    tokenizer.encode(try parts(messages))
  }

  /// The same, given up soon after `isCancelled` says so.
  ///
  /// - Throws: `CancellationError` then; as ``render(_:)``.
  public func encode(_ messages: [ChatMessage], isCancelled: () -> Bool) throws -> [Int] {
    try tokenizer.encode(try parts(messages), isCancelled: isCancelled)
  }

  /// The parts of a conversation, which the assistant continues unless told otherwise.
  func parts(_ messages: [ChatMessage], continued: Bool = true) throws(TokenizationError) -> [TextPart] {
    try template.parts(
      messages, bosToken: bosToken, eosToken: eosToken, options: options, addGenerationPrompt: continued)
  }
}
