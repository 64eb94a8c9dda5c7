import Foundation
import ModelFiles
import TinaRuntime
import Support

/// What metrics and log hold of one request: never a word of prompt or answer.
final class RequestRecord: Sendable {
  struct Fields: Sendable {
    var route = "other"
    var status = 0
    var model: String?
    var code: String?
    /// What went wrong inside the server, which the client is not told.
    var fault: String?
    var promptTokens = 0
    var tokens = 0
    var isStream = false
    var finish: [String] = []
    /// Seconds from the beginning until the request was admitted, and until its first token.
    var queued: Double?
    var firstToken: Double?
    var isCancelled = false
  }

  let id = "req-" + UUID().uuidString.lowercased().filter { $0 != "-" }.prefix(24)
  let method: String
  private let began = ContinuousClock.now
  private let fields = Locked(Fields())

  init(method: String) { self.method = method }

  func update(_ body: (inout Fields) -> Void) { fields.withLock(body) }
  var values: Fields { fields.withLock { $0 } }
  var elapsed: Double { (ContinuousClock.now - began).inSeconds }

  /// What tells the client which line of the log is about its request.
  var headers: [(String, String)] { [("X-Request-Id", String(id))] }

  /// One line of JSON.
  var line: String {
    let f = values
    func time(_ seconds: Double?) -> JSONValue {
      seconds.map { JSONValue(($0 * 10000).rounded() / 10) } ?? .null
    }
    var members: [(key: String, value: JSONValue)] = [
      // The format leaves out the zone, and a reader would take the time for a local one.
      (
        "time",
        .string(Date().ISO8601Format(.iso8601(timeZone: .gmt, includingFractionalSeconds: true)) + "Z")
      ),
      ("request", .string(String(id))), ("method", .string(printable(method, limit: 16))),
      ("route", .string(f.route)), ("status", JSONValue(f.status)), ("ms", time(elapsed)),
    ]
    if let code = f.code { members.append(("error", .string(code))) }
    if let fault = f.fault { members.append(("fault", .string(printable(fault, limit: 2000)))) }
    if f.isCancelled { members.append(("cancelled", .bool(true))) }
    if let model = f.model {
      members += [
        ("model", .string(model)), ("stream", .bool(f.isStream)), ("completions", JSONValue(f.finish.count)),
        ("prompt_tokens", JSONValue(f.promptTokens)), ("completion_tokens", JSONValue(f.tokens)),
        ("finish", .array(f.finish.map { .string($0) })), ("queue_ms", time(f.queued)),
        ("first_token_ms", time(f.firstToken)),
      ]
    }
    return JSONValue.object(JSONObject(members)).text()
  }
}
