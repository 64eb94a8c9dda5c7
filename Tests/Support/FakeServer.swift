package import Foundation
import Synchronization

/// An HTTP server on this machine that answers as a test says.
package final class FakeServer: Sendable {
  /// A request with its whole body.
  package struct Request: Sendable {
    package let method: String
    /// Path and query.
    package let target: String
    /// Names in lower case.
    package let headers: [String: String]
    package let body: Data

    /// The body as a JSON object.
    package var json: [String: Any] {
      (try? JSONSerialization.jsonObject(with: body)) as? [String: Any] ?? [:]
    }
  }

  /// What the server does with a request.
  package enum Answer: Sendable {
    case reply(Int, String, [String: String] = [:])
    /// The connection ends without an answer.
    case hangUp
  }

  package let port: UInt16
  package var address: String { "http://127.0.0.1:\(port)" }
  private let socket: Int32
  private let seen = Mutex<[Request]>([])
  private let answer: @Sendable (Request) -> Answer

  /// All requests so far.
  package var requests: [Request] { seen.withLock { $0 } }

  package init(_ answer: @escaping @Sendable (Request) -> Answer) throws {
    (socket, port) = try Socket.listen()
    self.answer = answer
    Thread.detachNewThread { [weak self, socket] in
      while let connection = Socket.accept(socket) {
        guard let server = self else { return Socket.close(connection) }
        Thread.detachNewThread {
          server.serve(connection)
          Socket.close(connection)
        }
      }
    }
  }

  deinit { Socket.end(socket) }

  private func serve(_ connection: Int32) {
    var buffer: [UInt8] = []
    while let request = read(connection, &buffer) {
      seen.withLock { $0.append(request) }
      guard case .reply(let status, let body, let headers) = answer(request) else { return }
      let lines = headers.map { "\($0.key): \($0.value)\r\n" }.joined()
      let head = "HTTP/1.1 \(status) X\r\nContent-Length: \(body.utf8.count)\r\n\(lines)\r\n"
      guard Socket.send(connection, Array((head + body).utf8)) else { return }
    }
  }

  private func read(_ connection: Int32, _ buffer: inout [UInt8]) -> Request? {
    let mark = Array("\r\n\r\n".utf8)
    while true {
      if let end = buffer.firstRange(of: mark) {
        guard let (words, headers) = Socket.head(buffer[..<end.lowerBound]) else { return nil }
        let length = headers["content-length"].flatMap { Int($0) } ?? 0
        if buffer.count >= end.upperBound + length {
          let body = Data(buffer[end.upperBound..<end.upperBound + length])
          buffer.removeSubrange(..<(end.upperBound + length))
          return Request(method: words[0], target: words[1], headers: headers, body: body)
        }
      }
      guard let more = Socket.receive(connection), buffer.count < 1 << 24 else { return nil }
      buffer += more
    }
  }
}
