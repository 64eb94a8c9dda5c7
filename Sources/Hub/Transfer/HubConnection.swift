import CTransfer
import ModelFiles
import Support

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// Sends requests to the hub's servers through libcurl, over a connection that stays open. One thread uses it at a
/// time.
@safe final class HubConnection {
  /// Takes an answer as it arrives.
  struct Consumer {
    /// Called once, with the whole header.
    var head: (HTTPHead) throws(HubError) -> Void = { (_) throws(HubError) in }
    /// Called for each part of the body.
    var body: (borrowing RawSpan) throws(HubError) -> Void
  }

  /// How an exchange failed.
  enum Failure: Sendable {
    case noHost(String)
    case noConnection(String)
    case broken(String)
    case untrusted(String)
    case failed(String)
  }

  static let userAgent = "tina/" + tinaVersion
  /// Bytes of a header at most.
  private static let headerLimit = 64 << 10

  private let connection: OpaquePointer
  private let settings: HubSettings
  private let isStopped: () -> Bool

  /// - Parameter isStopped: asked a few times a second during an exchange.
  init(_ settings: HubSettings, isStopped: @escaping () -> Bool) throws(HubError) {
    guard let connection = unsafe ct_open() else {
      throw HubError(
        .noTransfer, file: "libcurl", found: "no library of that name on this machine",
        expected: "libcurl.so.4",
        advice: "Install it: apt-get install libcurl4.")
    }
    unsafe self.connection = connection
    self.settings = settings
    self.isStopped = isStopped
  }

  deinit { unsafe ct_close(connection) }

  /// The state of one exchange, which the C callbacks reach.
  private final class Exchange {
    var head = HTTPHead()
    var headerBytes = 0
    var headIsTold = false
    var error: HubError?
    let consumer: Consumer
    let url: String
    let isStopped: () -> Bool

    init(_ consumer: Consumer, url: String, isStopped: @escaping () -> Bool) {
      self.consumer = consumer
      self.url = url
      self.isStopped = isStopped
    }

    func stop(_ error: HubError) -> Int32 {
      if self.error == nil { self.error = error }
      return 1
    }

    func takeHeader(_ line: String) -> Int32 {
      headerBytes += line.utf8.count
      guard headerBytes <= HubConnection.headerLimit else {
        return stop(
          HubError(
            .badAnswer, file: url, found: "a header of more than \(HubConnection.headerLimit) bytes",
            expected: "a header"))
      }
      return head.take(line) ? tellHead() : 0
    }

    private func tellHead() -> Int32 {
      headIsTold = true
      do throws(HubError) {
        try consumer.head(head)
        return 0
      } catch {
        return stop(error)
      }
    }

    func takeBody(_ bytes: borrowing RawSpan) -> Int32 {
      do throws(HubError) {
        try consumer.body(bytes)
        return 0
      } catch {
        return stop(error)
      }
    }
  }

  /// Sends a GET.
  ///
  /// - Throws: what the consumer threw, or `cancelled`.
  /// - Returns: the header, or how the exchange broke off; the consumer may have had part of the body then.
  func get(
    _ url: WebAddress, headers: [String], _ consumer: Consumer
  ) throws(HubError) -> (head: HTTPHead, failure: Failure?) {
    let exchange = Exchange(consumer, url: url.text, isStopped: isStopped)
    let outcome = perform(url.text, headers, exchange)
    if let error = exchange.error { throw error }
    let message = unsafe withUnsafeBytes(of: outcome.message) {
      unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
    }
    let text = printable(message)
    switch outcome.code {
    case CT_OK:
      return (exchange.head, exchange.headIsTold ? nil : .broken("no answer"))
    case CT_STOPPED: throw Self.cancelled
    case CT_NO_HOST: return (exchange.head, .noHost(text))
    case CT_NO_CONNECTION: return (exchange.head, .noConnection(text))
    case CT_BROKEN: return (exchange.head, .broken(text))
    case CT_UNTRUSTED: return (exchange.head, .untrusted(text))
    default: return (exchange.head, .failed(text))
    }
  }

  static let cancelled = HubError(.cancelled, file: "hub", found: "a stop", expected: "to go on")

  private func perform(_ url: String, _ headers: [String], _ exchange: Exchange) -> ct_outcome {
    var request = unsafe ct_request()
    unsafe request.connect_seconds = 20
    unsafe request.idle_seconds = settings.idleSeconds
    unsafe request.context = Unmanaged.passUnretained(exchange).toOpaque()
    unsafe request.on_header = { context, bytes, count in
      let line = unsafe UnsafeRawBufferPointer(start: bytes, count: count)
      return unsafe HubConnection.exchange(in: context).takeHeader(String(decoding: line, as: UTF8.self))
    }
    unsafe request.on_body = { context, bytes, count in
      unsafe HubConnection.exchange(in: context).takeBody(RawSpan(_unsafeStart: bytes, byteCount: count))
    }
    unsafe request.is_stopped = { context in unsafe HubConnection.exchange(in: context).isStopped() ? 1 : 0 }
    let texts = headers + ["User-Agent: \(Self.userAgent)", "Accept-Encoding: identity"]
    // The exchange and the texts outlive the call, and the pointers are used only during it.
    let copies = unsafe texts.map { unsafe UnsafePointer(strdup($0)) }
    defer { for i in unsafe copies.indices { unsafe free(UnsafeMutablePointer(mutating: copies[i])) } }
    return withExtendedLifetime(exchange) {
      unsafe url.withCString { url in
        unsafe withCertificates { certificates in
          unsafe copies.withUnsafeBufferPointer { list in
            unsafe request.url = url
            unsafe request.certificates = certificates
            unsafe request.headers = list.baseAddress
            unsafe request.header_count = list.count
            return unsafe ct_perform(connection, &request)
          }
        }
      }
    }
  }

  private func withCertificates(_ body: (UnsafePointer<CChar>?) -> ct_outcome) -> ct_outcome {
    guard let path = settings.certificates else { return body(nil) }
    return unsafe path.withCString { unsafe body($0) }
  }

  private static func exchange(in context: UnsafeMutableRawPointer) -> Exchange {
    unsafe Unmanaged<Exchange>.fromOpaque(context).takeUnretainedValue()
  }
}
