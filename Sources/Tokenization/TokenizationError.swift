public import ModelFiles

/// Why a tokenizer or a chat template cannot be used.
public enum TokenizationError: Error, Sendable, Equatable {
  /// The file is missing, damaged, or not JSON.
  case file(ModelFilesError)
  /// `tokenizer.json` asks for something that is not supported, or contradicts itself.
  case unsupported(file: String, place: String, found: String, expected: String)
  /// The chat template is not a known one.
  case unknownTemplate(file: String, found: String)
  /// The chat template has no form for a conversation.
  case conversation(template: String, found: String, expected: String)
  /// The chat template does not have an option, or not with this value.
  case templateOption(template: String, option: String, found: String, expected: String)
}

extension TokenizationError: CustomStringConvertible {
  /// The message for people: file, place, found, expected, remedy.
  public var description: String {
    switch self {
    case .file(let error): error.description
    case .unsupported(let file, let place, let found, let expected):
      """
      \(file): \(place): found \(found), expected \(expected). \
      This tokenizer would give other ids than the model was trained with, so it is not used.
      """
    case .unknownTemplate(let file, let found):
      """
      \(file): chat_template: found \(found), expected one of DeepSeek-R1, Qwen, Qwen3, SmolLM2, SmolLM3, \
      Llama 2, Llama 3, Gemma or Zephyr. \
      Write the whole prompt yourself and pass --raw.
      """
    case .conversation(let template, let found, let expected):
      "chat template \(template): found \(found), expected \(expected)."
    case .templateOption(let template, let option, let found, let expected):
      "\(option) of the chat template \(template): found \(found), expected \(expected)."
    }
  }
}
