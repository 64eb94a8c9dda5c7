import ModelFiles

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
    // A server that is stopping waits for every connection that stays open.
    if error.status == 503 { headers.append(("Connection", "close")) }
  }

  /// All headers of the answer to the request of this record.
  func allHeaders(_ record: RequestRecord, _ more: [(String, String)]) -> [(String, String)] {
    record.headers + more + [("Content-Type", type), ("X-Content-Type-Options", "nosniff")] + headers
  }
}
