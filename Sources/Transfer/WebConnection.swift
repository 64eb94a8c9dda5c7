import CTransfer
package import ModelFiles
import Support

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// One request over HTTP.
package struct WebRequest: Sendable {
  /// GET, POST, PUT or DELETE.
  package var method = "GET"
  /// Where it goes.
  package var url: WebAddress
  /// "Name: value".
  package var headers: [String] = []
  /// What is sent; nothing when nil.
  package var body: WebBody?
  /// Seconds without a byte after which the connection counts as broken. With 0 an answer may take as long as it takes.
  package var idleSeconds: Int
  /// A file of trusted certificates instead of the system's.
  package var certificates: String?

  /// A GET.
  package init(_ url: WebAddress, idleSeconds: Int) {
    self.url = url
    self.idleSeconds = idleSeconds
  }
}

/// The body of a request.
package enum WebBody: Sendable {
  /// Bytes in memory.
  case bytes([UInt8])
  /// A file's bytes, which are sent from where they are mapped.
  case file(MappedFile)
}

/// Sends requests through libcurl, over a connection that stays open. One thread uses it at a time.
@safe package final class WebConnection {
  /// Takes an answer as it arrives; false ends the exchange.
  package struct Consumer {
    /// Called once, with the whole header.
    package var head: (HTTPHead) -> Bool
    /// Called for each part of the body.
    package var body: (borrowing RawSpan) -> Bool

    /// A consumer of both.
    package init(head: @escaping (HTTPHead) -> Bool, body: @escaping (borrowing RawSpan) -> Bool) {
      self.head = head
      self.body = body
    }
  }

  /// How an exchange failed.
  package enum Failure: Sendable {
    /// The host's name is unknown, or there is no network.
    case noHost(String)
    /// The server did not take the connection.
    case noConnection(String)
    /// The connection broke, or nothing came for too long.
    case broken(String)
    /// The certificate is not trusted, or the encryption failed.
    case untrusted(String)
    /// Anything else.
    case failed(String)

    /// What happened, as a fragment of a sentence.
    package var text: String {
      switch self {
      case .noHost(let text): "no way to the server (\(text))"
      case .noConnection(let text): "no connection (\(text))"
      case .broken(let text): "a broken connection (\(text))"
      case .untrusted(let text): "no trusted connection (\(text))"
      case .failed(let text): text
      }
    }
  }

  /// How an exchange ended. The consumer may have had part of the body whatever it was.
  package enum Outcome: Sendable {
    /// The whole answer came.
    case answered(HTTPHead)
    /// It broke off.
    case failed(Failure, HTTPHead)
    /// The consumer or the caller ended it.
    case stopped
    /// The header has more than ``headerLimit`` bytes.
    case headerTooLong
  }

  /// What every request says.
  package static let ownHeaders = ["User-Agent: tina/" + tinaVersion, "Accept-Encoding: identity"]
  /// Bytes of a header at most.
  package static let headerLimit = 64 << 10

  private let connection: OpaquePointer

  /// A connection to nowhere yet; nil without libcurl.
  package init?() {
    guard let connection = unsafe ct_open() else { return nil }
    unsafe self.connection = connection
  }

  deinit { unsafe ct_close(connection) }

  /// The state of one exchange, which the C callbacks reach.
  private final class Exchange {
    var head = HTTPHead()
    var headerBytes = 0
    var headIsTold = false
    var isTooLong = false
    let consumer: Consumer
    let isStopped: () -> Bool

    init(_ consumer: Consumer, isStopped: @escaping () -> Bool) {
      self.consumer = consumer
      self.isStopped = isStopped
    }

    func takeHeader(_ line: String) -> Int32 {
      headerBytes += line.utf8.count
      guard headerBytes <= WebConnection.headerLimit else {
        isTooLong = true
        return 1
      }
      guard head.take(line) else { return 0 }
      headIsTold = true
      return consumer.head(head) ? 0 : 1
    }
  }

  /// Sends a request and takes the answer; follows no redirect.
  ///
  /// - Parameter isStopped: asked a few times a second during the exchange.
  package func send(
    _ request: WebRequest, _ consumer: Consumer, isStopped: @escaping () -> Bool
  ) -> Outcome {
    let exchange = Exchange(consumer, isStopped: isStopped)
    let outcome = perform(request, exchange)
    if exchange.isTooLong { return .headerTooLong }
    let message = unsafe withUnsafeBytes(of: outcome.message) {
      unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
    }
    let text = printable(message)
    switch outcome.code {
    case CT_OK:
      return exchange.headIsTold
        ? .answered(exchange.head) : .failed(.broken("no answer"), exchange.head)
    case CT_STOPPED: return .stopped
    case CT_NO_HOST: return .failed(.noHost(text), exchange.head)
    case CT_NO_CONNECTION: return .failed(.noConnection(text), exchange.head)
    case CT_BROKEN: return .failed(.broken(text), exchange.head)
    case CT_UNTRUSTED: return .failed(.untrusted(text), exchange.head)
    default: return .failed(.failed(text), exchange.head)
    }
  }

  private func perform(_ wanted: WebRequest, _ exchange: Exchange) -> ct_outcome {
    var request = unsafe ct_request()
    unsafe request.connect_seconds = 20
    unsafe request.idle_seconds = wanted.idleSeconds
    unsafe request.context = Unmanaged.passUnretained(exchange).toOpaque()
    unsafe request.on_header = { context, bytes, count in
      let line = unsafe UnsafeRawBufferPointer(start: bytes, count: count)
      return unsafe WebConnection.exchange(in: context).takeHeader(String(decoding: line, as: UTF8.self))
    }
    unsafe request.on_body = { context, bytes, count in
      let part = unsafe RawSpan(_unsafeStart: bytes, byteCount: count)
      return unsafe WebConnection.exchange(in: context).consumer.body(part) ? 0 : 1
    }
    unsafe request.is_stopped = { context in unsafe WebConnection.exchange(in: context).isStopped() ? 1 : 0 }
    // The exchange and the texts outlive the call, and the pointers are used only during it.
    let copies = unsafe wanted.headers.map { unsafe UnsafePointer(strdup($0)) }
    defer { for i in unsafe copies.indices { unsafe free(UnsafeMutablePointer(mutating: copies[i])) } }
    return withExtendedLifetime(exchange) {
      unsafe Self.with(wanted.body) { body in
        unsafe request.body = body?.baseAddress.map { unsafe UnsafeRawPointer($0) }
        unsafe request.body_count = body?.count ?? 0
        return unsafe wanted.url.text.withCString { url in
          unsafe wanted.method.withCString { method in
            unsafe Self.withText(wanted.certificates) { certificates in
              unsafe copies.withUnsafeBufferPointer { list in
                unsafe request.url = url
                // libcurl has its own way of saying GET.
                unsafe request.method = wanted.method == "GET" ? nil : method
                unsafe request.certificates = certificates
                unsafe request.headers = list.baseAddress
                unsafe request.header_count = list.count
                return unsafe ct_perform(connection, &request)
              }
            }
          }
        }
      }
    }
  }

  private static func withText(
    _ text: String?, _ body: (UnsafePointer<CChar>?) -> ct_outcome
  ) -> ct_outcome {
    guard let text else { return body(nil) }
    return unsafe text.withCString { unsafe body($0) }
  }

  private static func with(
    _ content: WebBody?, _ body: (UnsafeRawBufferPointer?) -> ct_outcome
  ) -> ct_outcome {
    switch content {
    case nil: body(nil)
    case .bytes(let bytes): unsafe bytes.withUnsafeBytes { unsafe body($0) }
    case .file(let file): unsafe file.bytes.withUnsafeBytes { unsafe body($0) }
    }
  }

  private static func exchange(in context: UnsafeMutableRawPointer) -> Exchange {
    unsafe Unmanaged<Exchange>.fromOpaque(context).takeUnretainedValue()
  }
}
