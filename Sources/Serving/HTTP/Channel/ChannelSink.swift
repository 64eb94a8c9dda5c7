#if Server
  import Foundation
  import NIOCore
  import NIOHTTP1
  import Support
  import TinaRuntime

  /// Writes an answer to a connection. Each write waits until the system has taken it, so that tokens are computed no
  /// faster than the client reads. A write that waits too long closes the connection.
  struct ChannelSink: ResponseSink {
    private let channel: any Channel
    private let version: HTTPVersion
    private let keepsAlive: Bool
    private let isHead: Bool
    private let seconds: Double
    private let whole = Locked(false)

    init(channel: any Channel, version: HTTPVersion, keepsAlive: Bool, isHead: Bool, seconds: Double) {
      self.channel = channel
      self.version = version
      self.keepsAlive = keepsAlive
      self.isHead = isHead
      self.seconds = seconds
    }

    /// Whether all of the answer was written.
    var isWhole: Bool { whole.withLock { $0 } }

    func whole(_ status: Int, _ headers: [(String, String)], _ body: [UInt8]) async throws {
      var all = HTTPHeaders(headers)
      // A 204 answer has no body and must not name a length.
      if status != 204 { all.replaceOrAdd(name: "Content-Length", value: String(body.count)) }
      channel.write(HTTPServerResponsePart.head(head(status, all)), promise: nil)
      try await end(body)
    }

    /// Sends a whole answer without waiting for it; on the event loop.
    func send(_ answer: AnswerAtOnce) {
      var all = HTTPHeaders(answer.headers)
      all.replaceOrAdd(name: "Content-Length", value: String(answer.body.count))
      channel.write(HTTPServerResponsePart.head(head(answer.status, all)), promise: nil)
      if !isHead { channel.write(part(answer.body), promise: nil) }
      channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil)
    }

    func begin(_ status: Int, _ headers: [(String, String)]) async throws {
      try await flush { channel, promise in
        channel.writeAndFlush(
          HTTPServerResponsePart.head(head(status, HTTPHeaders(headers))), promise: promise)
      }
    }

    func piece(_ bytes: [UInt8]) async throws {
      if isHead { return }
      try await flush { $0.writeAndFlush(part(bytes), promise: $1) }
    }

    /// Waits for the last piece alone: the client then has its answer, and may leave before the end is marked.
    func end(_ bytes: [UInt8]) async throws {
      let hasBody = !isHead && !bytes.isEmpty
      try await flush { channel, promise in
        if hasBody { channel.write(part(bytes), promise: promise) }
        channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: hasBody ? nil : promise)
      }
      whole.withLock { $0 = true }
    }

    private func head(_ status: Int, _ headers: HTTPHeaders) -> HTTPResponseHead {
      var headers = headers
      if !keepsAlive { headers.replaceOrAdd(name: "Connection", value: "close") }
      headers.replaceOrAdd(name: "Date", value: HTTPDate.now)
      return HTTPResponseHead(
        version: version, status: HTTPResponseStatus(statusCode: status), headers: headers)
    }

    private func part(_ bytes: [UInt8]) -> HTTPServerResponsePart {
      .body(.byteBuffer(ByteBuffer(bytes: bytes)))
    }

    private func flush(_ write: (any Channel, EventLoopPromise<Void>) -> Void) async throws {
      let channel = channel
      let deadline = channel.eventLoop.scheduleTask(in: .milliseconds(Int64(seconds * 1000))) {
        channel.close(promise: nil)
      }
      defer { deadline.cancel() }
      let promise = channel.eventLoop.makePromise(of: Void.self)
      write(channel, promise)
      do {
        try await promise.futureResult.get()
      } catch {
        throw ClientLeft()
      }
    }
  }

  /// The time as HTTP writes it.
  enum HTTPDate {
    static var now: String { text(secondsSince1970: Int(Date().timeIntervalSince1970)) }

    /// For instance "Sun, 06 Nov 1994 08:49:37 GMT".
    static func text(secondsSince1970 seconds: Int) -> String {
      var calendar = Calendar(identifier: .gregorian)
      calendar.timeZone = .gmt
      let parts = calendar.dateComponents(
        [.weekday, .day, .month, .year, .hour, .minute, .second],
        from: Date(timeIntervalSince1970: Double(seconds)))
      let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
      let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
      func two(_ value: Int?) -> String { (value ?? 0) < 10 ? "0\(value ?? 0)" : "\(value ?? 0)" }
      let day = "\(days[(parts.weekday ?? 1) - 1]), \(two(parts.day)) \(months[(parts.month ?? 1) - 1])"
      return "\(day) \(parts.year ?? 1970) \(two(parts.hour)):\(two(parts.minute)):\(two(parts.second)) GMT"
    }
  }
#endif
