import Foundation
import ModelFiles
public import Tokenization

/// Turns conversations into a model's token ids, as its chat template and tokenizer have it.
public struct PromptEncoder: Sendable {
  /// The model's tokenizer.
  public let tokenizer: Tokenizer
  /// How conversations are written.
  public let template: ChatTemplate
  /// What begins a conversation.
  private let bosToken: String

  /// Reads `tokenizer.json`, the chat template and the token that begins a text from a model's directory.
  ///
  /// - Throws: `TokenizationError` or `ModelFilesError` for files that are missing, damaged or unknown.
  public init(directory: String) throws {
    try self.init(tokenizer: Tokenizer(directory: directory), directory: directory)
  }

  /// The same with a tokenizer that is there already.
  public init(tokenizer: Tokenizer, directory: String) throws {
    self.tokenizer = tokenizer
    template = try ChatTemplate(directory: directory)
    bosToken = try Self.bosToken(directory) ?? ""
  }

  /// The token that tokenizer_config.json names; the ids in config.json are not to be trusted for it, those of
  /// DeepSeek-R1-Distill-Qwen-1.5B name another one.
  private static func bosToken(_ directory: String) throws -> String? {
    if let token = try Tokenizer.ggufBOSToken(path: directory) { return token }
    let path = directory + "/tokenizer_config.json"
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    let entry = try JSON.parse(path: path).object?["bos_token"]
    return entry?.string ?? entry?.object?["content"]?.string
  }

  /// The text of a conversation whose next word is the assistant's.
  public func render(_ messages: [ChatMessage]) -> String { template.render(messages, bosToken: bosToken) }

  /// The token ids of a conversation whose next word is the assistant's.
  public func encode(_ messages: [ChatMessage]) -> [Int] {
    // The template writes the special tokens itself; the tokenizer must not add its own.
    tokenizer.encode(render(messages), addSpecialTokens: false)
  }
}
