import ModelFiles
import Transfer

/// Sends requests to the hub's servers, over a connection that stays open. One thread uses it at a time.
final class HubConnection {
  /// Takes an answer as it arrives.
  struct Consumer {
    /// Called once, with the whole header.
    var head: (HTTPHead) throws(HubError) -> Void = { (_) throws(HubError) in }
    /// Called for each part of the body.
    var body: (borrowing RawSpan) throws(HubError) -> Void
  }

  /// How an exchange failed.
  typealias Failure = WebConnection.Failure

  private let connection: WebConnection
  private let settings: HubSettings
  private let isStopped: () -> Bool

  /// - Parameter isStopped: asked a few times a second during an exchange.
  init(_ settings: HubSettings, isStopped: @escaping () -> Bool) throws(HubError) {
    guard let connection = WebConnection() else {
      throw HubError(
        .noTransfer, file: "libcurl", found: "no library of that name on this machine",
        expected: "libcurl.so.4",
        advice: "Install it: apt-get install libcurl4.")
    }
    self.connection = connection
    self.settings = settings
    self.isStopped = isStopped
  }

  /// Sends a GET.
  ///
  /// - Throws: what the consumer threw, or `cancelled`.
  /// - Returns: the header, or how the exchange broke off; the consumer may have had part of the body then.
  func get(
    _ url: WebAddress, headers: [String], _ consumer: Consumer
  ) throws(HubError) -> (head: HTTPHead, failure: Failure?) {
    var request = WebRequest(url, idleSeconds: settings.idleSeconds)
    request.headers = headers + WebConnection.ownHeaders
    request.certificates = settings.certificates
    var error: HubError?
    let outcome = connection.send(
      request,
      WebConnection.Consumer(
        head: { head in
          do throws(HubError) {
            try consumer.head(head)
            return true
          } catch let thrown {
            error = thrown
            return false
          }
        },
        body: { bytes in
          do throws(HubError) {
            try consumer.body(bytes)
            return true
          } catch let thrown {
            error = thrown
            return false
          }
        }), isStopped: isStopped)
    if let error { throw error }
    switch outcome {
    case .answered(let head): return (head, nil)
    case .failed(let failure, let head): return (head, failure)
    case .stopped: throw Self.cancelled
    case .headerTooLong:
      throw HubError(
        .badAnswer, file: url.text, found: "a header of more than \(WebConnection.headerLimit) bytes",
        expected: "a header")
    }
  }

  static let cancelled = HubError(.cancelled, file: "hub", found: "a stop", expected: "to go on")
}
