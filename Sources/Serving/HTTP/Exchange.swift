import ModelFiles

/// A request as it came over the wire, whole.
package struct ServerRequest: Sendable {
  package var method: String
  /// The path, without the query.
  package var path: String
  /// In their order; names may come in any case.
  package var headers: [(name: String, value: String)]
  package var body: [UInt8]

  package init(
    method: String, target: String, headers: [(name: String, value: String)] = [], body: [UInt8] = []
  ) {
    self.method = method
    path = String(target.prefix { $0 != "?" })
    self.headers = headers
    self.body = body
  }

  /// The values of a header, names compared without regard to case.
  package func values(_ name: String) -> [String] {
    headers.filter { $0.name.lowercased() == name }.map(\.value)
  }

  /// The value of a header that may come once; nil if it is missing or comes twice.
  func value(_ name: String) -> String? {
    let all = values(name)
    return all.count == 1 ? all[0] : nil
  }
}

/// Where an answer goes. Writing waits until what was written is on its way, and throws when the client is
/// gone or too slow.
package protocol ResponseSink: Sendable {
  /// A whole answer at once.
  func whole(_ status: Int, _ headers: [(String, String)], _ body: [UInt8]) async throws
  /// Status and headers of an answer that comes in pieces.
  func begin(_ status: Int, _ headers: [(String, String)]) async throws
  /// A piece.
  func piece(_ bytes: [UInt8]) async throws
  /// The last piece, and the end.
  func end(_ bytes: [UInt8]) async throws
}

/// An answer that is not streamed.
struct WholeReply: Sendable {
  var status = 200
  var type = "application/json"
  var headers: [(String, String)] = []
  var body: [UInt8]

  init(_ json: JSONValue, status: Int = 200) {
    self.status = status
    body = Array(json.text().utf8)
  }

  init(_ text: String, type: String) {
    self.type = type
    body = Array(text.utf8)
  }

  init(_ error: ServingError) {
    self.init(error.json, status: error.status)
    if let seconds = error.retryAfter { headers.append(("Retry-After", String(seconds))) }
    if error.status == 401 { headers.append(("WWW-Authenticate", "Bearer")) }
    // What a server that is stopping keeps open, it has to wait for.
    if error.status == 503 { headers.append(("Connection", "close")) }
  }
}
