import ModelFiles
import Support

/// A request's way back to its client, and the record of it.
struct Exchange: Sendable {
  let sink: any ResponseSink
  let record: RequestRecord
  /// What lets the page that asks read the answer.
  let headers: [(String, String)]
  private let begun = Locked(false)

  init(sink: any ResponseSink, record: RequestRecord, headers: [(String, String)]) {
    self.sink = sink
    self.record = record
    self.headers = headers
  }

  /// Whether the client has been told a status.
  var hasBegun: Bool { begun.withLock { $0 } }

  func send(_ reply: WholeReply, code: String? = nil) async throws {
    record.update {
      $0.status = reply.status
      $0.code = code
    }
    begun.withLock { $0 = true }
    try await sink.whole(reply.status, reply.allHeaders(record, headers), reply.body)
  }

  func preflight(_ allowed: [(String, String)]) async throws {
    let status = allowed.isEmpty ? 403 : 204
    record.update { $0.status = status }
    begun.withLock { $0 = true }
    try await sink.whole(status, allowed, [])
  }

  func beginStream() async throws {
    record.update {
      $0.status = 200
      $0.isStream = true
    }
    begun.withLock { $0 = true }
    // X-Accel-Buffering tells nginx to pass pieces on as they come.
    try await sink.begin(
      200,
      record.headers + headers + [
        ("Content-Type", "text/event-stream; charset=utf-8"), ("Cache-Control", "no-cache"),
        ("X-Accel-Buffering", "no"),
      ])
  }

  func events(_ chunks: [JSONValue]) async throws {
    if !chunks.isEmpty { try await sink.piece(Self.bytes(chunks)) }
  }

  func endStream(_ chunks: [JSONValue] = [], isDone: Bool = true) async throws {
    try await sink.end(Self.bytes(chunks) + (isDone ? Array("data: [DONE]\n\n".utf8) : []))
  }

  /// A chunk that says its type is an event of that name.
  private static func bytes(_ chunks: [JSONValue]) -> [UInt8] {
    var text = ""
    for chunk in chunks {
      if let name = chunk.object?["type"]?.string { text += "event: \(name)\n" }
      text += "data: " + chunk.text() + "\n\n"
    }
    return Array(text.utf8)
  }
}
