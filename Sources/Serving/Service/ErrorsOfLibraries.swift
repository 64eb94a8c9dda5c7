import AdapterFormat
import ModelFiles
import TinaRuntime
import Tokenization

extension ServingError {
  /// What any error means to a client.
  init(_ error: any Error) {
    switch error {
    case let error as ServingError: self = error
    case let error as RuntimeError: self.init(error, promptField: "prompt")
    case let error as AdapterError: self = .invalid(param: "lora_path", error.description)
    case let error as ModelFilesError: self = .invalid(error.description)
    case let error as TokenizationError: self.init(error)
    default: self = .inside(error)
    }
  }

  /// What is not the client's to know.
  private static func inside(_ error: any Error) -> ServingError {
    ServingError(
      500, "server_error", fault: "\(error)", "something went wrong inside the server. Its log says what.")
  }

  /// What an error of the chat template means to a client.
  init(_ error: TokenizationError) {
    switch error {
    case .templateOption(_, let option, _, _):
      self = .invalid(param: "chat_template_kwargs." + option, "chat_template_kwargs.\(error)")
    case .conversation: self = .invalid(param: "messages", error.description)
    case .file, .unsupported, .unknownTemplate: self = .inside(error)
    }
  }

  /// What an error of the engine means to a client whose prompt stands in this field.
  init(_ error: RuntimeError, promptField: String) {
    switch error {
    case .filesChanged(let change): self = .filesChanged(change)
    // A factor of the request's own overflows; weights alone do not.
    case .notFinite(_, let adapter?) where abs(adapter.scale) > 1:
      self = .invalid(param: "model", code: "scale_overflow", error.description)
    case .notFinite, .threadsUnavailable, .weightsMismatch, .otherTokenizer, .noAnswer:
      self.init(500, "server_error", error.description)
    case .promptTooLong:
      self = .invalid(param: promptField, code: "context_length_exceeded", error.description)
    case .memoryBudgetTooSmall:
      self = .invalid(param: "max_tokens", code: "memory_budget_exceeded", error.description)
    case .adapterMismatch, .otherBase, .adapterWithoutEffect, .adapterNotFinite:
      self = .invalid(param: "lora_path", error.description)
    case .emptyPrompt, .tokenOutOfRange: self = .invalid(param: promptField, error.description)
    case .invalidSetting(let name, _, _): self = .invalid(param: name, error.description)
    }
  }
}
