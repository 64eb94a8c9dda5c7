public import Tokenization

/// Turns conversations into a model's token ids, with its chat template and tokenizer.
public struct PromptEncoder: Sendable {
  /// The model's tokenizer.
  public let tokenizer: Tokenizer
  /// How conversations are written.
  public let template: ChatTemplate
  /// The text that begins a conversation.
  let bosToken: String

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
  }

  /// The text of a conversation that the assistant continues.
  public func render(_ messages: [ChatMessage]) -> String { template.render(messages, bosToken: bosToken) }

  /// The token ids of a conversation that the assistant continues.
  ///
  /// What the messages say is text, also where it spells a special token: no message begins another one's turn.
  public func encode(_ messages: [ChatMessage]) -> [Int] {
    // The template writes the special tokens itself; the tokenizer must not add its own.
    tokenizer.encode(template.parts(messages, bosToken: bosToken))
  }

  /// The same, given up soon after `isCancelled` says so.
  ///
  /// - Throws: `CancellationError` then.
  public func encode(_ messages: [ChatMessage], isCancelled: () -> Bool) throws(CancellationError) -> [Int] {
    try tokenizer.encode(template.parts(messages, bosToken: bosToken), isCancelled: isCancelled)
  }
}
