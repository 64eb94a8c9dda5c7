import ModelFiles
import Support

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
  /// What went wrong inside the server. It is for the log alone.
  let fault: String?

  init(
    _ status: Int, _ type: String, code: String? = nil, param: String? = nil, retryAfter: Int? = nil,
    fault: String? = nil, _ message: String
  ) {
    self.status = status
    self.type = type
    self.code = code
    self.param = param
    self.message = message
    self.retryAfter = retryAfter
    self.fault = fault
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

  /// No place for another connection.
  static func tooManyConnections(_ limit: Int) -> ServingError {
    ServingError(
      503, "server_error", code: "too_many_connections", retryAfter: 1,
      "\(limit) connections are open, as many as may be. Try again later.")
  }

  /// The error without the places where files lie on this machine, each with what it is called instead.
  func hiding(_ places: [(path: String, name: String)]) -> ServingError {
    var message = message
    for place in places where place.path.utf8.first == UInt8(ascii: "/") && place.path.utf8.count > 1 {
      message = message.replacing(bytesOf: place.path, with: place.name)
    }
    return ServingError(
      status, type, code: code, param: param, retryAfter: retryAfter, fault: fault, message)
  }
}
