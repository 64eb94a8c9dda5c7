import AdapterFormat
import ModelFiles
import TinaRuntime
import Tokenization

/// Why a request was not answered: an HTTP status, and the members of an error in OpenAI's API.
public struct ServingError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The HTTP status.
  public let status: Int
  /// OpenAI's class of errors.
  public let type: String
  /// A word for programs; nil where ``type`` says it all.
  public let code: String?
  /// The field of the request that is at fault.
  public let param: String?
  /// What was found, what was expected, what to do.
  public let message: String
  /// In how many seconds the same request may succeed.
  public let retryAfter: Int?

  init(
    _ status: Int, _ type: String, code: String? = nil, param: String? = nil, retryAfter: Int? = nil,
    _ message: String
  ) {
    self.status = status
    self.type = type
    self.code = code
    self.param = param
    self.message = message
    self.retryAfter = retryAfter
  }

  /// The message.
  public var description: String { message }

  /// The body of the answer.
  var json: JSONValue {
    .record([
      "error": .record([
        "message": .string(message), "type": .string(type), "param": param.map { .string($0) } ?? .null,
        "code": code.map { .string($0) } ?? .null,
      ])
    ])
  }

  // MARK: The kinds

  /// A request that is wrong.
  static func invalid(param: String? = nil, code: String? = nil, _ message: String) -> ServingError {
    ServingError(400, "invalid_request_error", code: code, param: param, message)
  }

  /// A field whose value is not what it must be.
  static func field(_ name: String, found: String, expected: String) -> ServingError {
    invalid(param: name, "\(name): found \(found), expected \(expected).")
  }

  /// A field that OpenAI's API or others know and Tina does not.
  static func unsupported(_ name: String, found: String, advice: String = "Leave it out.") -> ServingError {
    invalid(
      param: name, code: "unsupported_parameter", "\(name): found \(found), which is not supported. \(advice)"
    )
  }

  /// A model that is not there.
  static func unknownModel(_ name: String, known: [String]) -> ServingError {
    let shown = known.prefix(8).map(quoted).joined(separator: ", ")
    let rest = known.count > 8 ? " and \(known.count - 8) more (GET /v1/models)" : ""
    return ServingError(
      404, "not_found_error", code: "model_not_found", param: "model",
      "model: found \(quoted(name)), expected one of \(shown)\(rest), or BASE:ADAPTER@SCALE.")
  }

  /// Nothing is served there.
  static func noRoute(_ method: String, _ path: String) -> ServingError {
    ServingError(
      404, "not_found_error", code: "unknown_url",
      "\(printable(method)) \(printable(path)): no such address. See docs/reference/protocol.md for what is served."
    )
  }

  /// No room now.
  static func busy(retryAfter: Int, _ message: String) -> ServingError {
    ServingError(429, "rate_limit_error", code: "queue_full", retryAfter: retryAfter, message)
  }

  /// The server is about to stop.
  static let draining = ServingError(
    503, "server_error", code: "stopping", retryAfter: 5,
    "the server is stopping: it finishes what it began and takes no new requests. Try again elsewhere or later."
  )

  /// The model's files were changed under the server.
  static func filesChanged(_ change: ModelFilesError) -> ServingError {
    ServingError(
      503, "server_error", code: "files_changed",
      "a file of the model, \(quoted(lastPathComponent(change.file))), was changed while the server used it: found"
        + " \(change.found). The server can't go on with it: start it again.")
  }

  private static func lastPathComponent(_ path: String) -> String {
    path.split(separator: "/").last.map(String.init) ?? path
  }

  /// What any error means to a client.
  init(_ error: any Error) {
    switch error {
    case let error as ServingError: self = error
    case let error as RuntimeError: self.init(error, promptField: "prompt")
    case let error as AdapterError: self = .invalid(param: "lora_path", error.description)
    case let error as ModelFilesError: self = .invalid(error.description)
    default: self.init(500, "server_error", "something went wrong inside the server: \(error)")
    }
  }

  /// What an error of the engine means to a client whose prompt stands in this field.
  init(_ error: RuntimeError, promptField: String) {
    switch error {
    case .filesChanged(let change): self = .filesChanged(change)
    // A factor of the request's own overflows; weights alone do not.
    case .notFinite(_, let adapter?) where abs(adapter.scale) > 1:
      self = .invalid(param: "model", code: "scale_overflow", error.description)
    case .notFinite, .threadsUnavailable, .weightsMismatch, .noAnswer:
      self.init(500, "server_error", error.description)
    case .promptTooLong:
      self = .invalid(param: promptField, code: "context_length_exceeded", error.description)
    case .memoryBudgetTooSmall:
      self = .invalid(param: "max_tokens", code: "memory_budget_exceeded", error.description)
    case .adapterMismatch, .unsupportedModules, .otherBase, .adapterWithoutEffect, .adapterNotFinite:
      self = .invalid(param: "lora_path", error.description)
    case .emptyPrompt, .tokenOutOfRange: self = .invalid(param: promptField, error.description)
    case .invalidSetting(let name, _, _): self = .invalid(param: name, error.description)
    }
  }
}
