import Foundation
package import ModelFiles
import Support

/// A client of a server that speaks OpenAI's protocol, over several connections. It tries again after failures that
/// may pass.
package final class ServerClient: Sendable {
  /// How often a request is tried again, and how long the client waits.
  package struct Pacing: Sendable {
    /// How often a request is tried.
    package var attempts = 8
    /// Seconds before the second try; twice as many before each further one.
    package var firstDelay = 1.0
    /// The longest wait between tries that is the client's own idea.
    package var longestDelay = 32.0
    /// The longest wait in seconds that a server may ask for.
    package var longestWait = 300.0
    /// For how many seconds a server may say that it is busy and when to come again.
    package var longestBusy = 3600.0

    /// The defaults.
    package init() {}
  }

  /// An answer with its whole body.
  package struct Reply: Sendable {
    /// Status and header.
    package let head: HTTPHead
    /// The body.
    package let body: [UInt8]
    /// The status.
    package var status: Int { head.status }
  }

  /// The most bytes of an answer.
  private static let replyLimit = 256 << 20

  /// The server, without `/v1`.
  package let address: WebAddress
  /// How many requests are under way at once.
  package let connections: Int
  private let key: String?
  private let pacing: Pacing
  private let certificates: String?
  private let lanes: LanePool
  private let onWait: @Sendable (String) -> Void

  /// A client that has not asked anything yet.
  ///
  /// - Parameters:
  ///   - text: the server's address, with or without `/v1`.
  ///   - key: what the server wants as a bearer's token; it goes nowhere else and into no message.
  ///   - connections: how many requests are under way at once.
  ///   - onWait: gets a sentence before a long wait.
  /// - Throws: ``TransferError`` for a text that is no address, or a key that can't be one.
  package init(
    _ text: String, key: String? = nil, connections: Int = 1, pacing: Pacing = Pacing(),
    onWait: @escaping @Sendable (String) -> Void = { _ in }
  ) throws(TransferError) {
    guard let url = WebAddress(text), !url.path.contains("?") else {
      throw TransferError(
        .badAddress, file: printable(text, limit: 256), found: "no address of a server",
        expected: "one such as http://127.0.0.1:8000")
    }
    if let key {
      // A line end would begin another header.
      guard (1...4096).contains(key.utf8.count), key.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
        throw TransferError(
          .badAddress, file: url.text, found: "a key with blanks or characters beyond ASCII",
          expected: "a key as the server was given it", advice: "Copy it again.")
      }
    }
    var root = url
    for ending in ["/v1/", "/v1"] where url.path.hasSuffix(ending) {
      root = WebAddress(url.origin + url.path.dropLast(ending.count)) ?? url
      break
    }
    address = root
    self.key = key
    self.connections = connections
    self.pacing = pacing
    self.onWait = onWait
    let environment = ProcessInfo.processInfo.environment
    certificates =
      ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"].lazy
      .compactMap { environment[$0].flatMap { $0.isEmpty ? nil : $0 } }.first
    lanes = LanePool(connections)
  }

  /// Sends a request, and tries again where that may help: after a broken connection, and after 408, 429, 500, 502, 503
  /// and 504, as late as `Retry-After` says.
  ///
  /// - Parameters:
  ///   - path: the parts of the path behind the server's address.
  ///   - idleSeconds: seconds without a byte after which a connection counts as broken; 0 waits for an answer that is
  ///     being computed.
  /// - Returns: the answer, whatever its status.
  /// - Throws: ``TransferError`` when no answer came; `CancellationError`.
  package func send(
    _ method: String, _ path: [String], _ body: WebBody? = nil, type: String = "application/json",
    idleSeconds: Int = 0
  ) async throws -> Reply {
    var request = WebRequest(address.appending(path), idleSeconds: idleSeconds)
    request.method = method
    request.body = body
    request.certificates = certificates
    // libcurl would wait a second for a word that many servers never say.
    request.headers = WebConnection.ownHeaders + ["Accept: application/json", "Expect:"]
    if body != nil { request.headers.append("Content-Type: " + type) }
    if let key { request.headers.append("Authorization: Bearer " + key) }
    var tries = 0
    let began = ContinuousClock.now
    while true {
      tries += 1
      let outcome = await lanes.send(request, limit: Self.replyLimit)
      try Task.checkCancellation()
      let error: TransferError
      var asked: Double?
      switch outcome {
      case .reply(let reply):
        guard [408, 429, 500, 502, 503, 504].contains(reply.status) else { return reply }
        asked = reply.head.retryAfter
        if let asked, asked > pacing.longestWait { return reply }
        if asked != nil, [429, 503].contains(reply.status),
          (ContinuousClock.now - began).inSeconds < pacing.longestBusy
        {
          // Being busy is no failure.
          tries -= 1
        } else if tries >= pacing.attempts {
          return reply
        }
        error = refusal(reply)
      case .failed(let failure):
        error = TransferError(
          .unreachable, file: address.text, found: failure.text, expected: "an answer",
          advice: "Check that the server runs and can be reached from here.")
        switch failure {
        case .noHost, .untrusted, .failed: throw error
        case .noConnection, .broken: if tries >= pacing.attempts { throw error }
        }
      case .tooLong:
        throw TransferError(
          .badAnswer, file: address.text, found: "an answer of more than \(Self.replyLimit) bytes",
          expected: "fewer")
      case .noLibrary:
        throw TransferError(
          .noTransfer, file: "libcurl", found: "no library of that name on this machine",
          expected: "libcurl.so.4", advice: "Install it: apt-get install libcurl4.")
      }
      let backOff = min(pacing.firstDelay * Double(1 << min(max(tries - 1, 0), 20)), pacing.longestDelay)
      let delay = max(asked ?? backOff, pacing.firstDelay)
      if delay >= 2 {
        onWait("\(error.file): \(error.found); trying again in \(Int(delay.rounded(.up))) s")
      }
      try await Task.sleep(for: .seconds(delay))
    }
  }

  /// The JSON of an answer with status 200.
  ///
  /// - Throws: ``TransferError`` for another status, or a text that is no JSON.
  package func json(_ reply: Reply) throws(TransferError) -> JSONValue {
    guard reply.status == 200 else { throw refusal(reply) }
    do throws(ModelFilesError) {
      return try JSON.parse(reply.body, file: address.text)
    } catch {
      throw badAnswer("no JSON: " + error.found, expected: "a JSON object")
    }
  }

  /// An answer that is not what it must be.
  package func badAnswer(_ found: String, expected: String) -> TransferError {
    TransferError(
      .badAnswer, file: address.text, found: found, expected: expected,
      advice: "Check that the address is that of a server with OpenAI's protocol.")
  }

  /// What a refusal says, without the key.
  package func refusal(_ reply: Reply) -> TransferError {
    let said = Self.message(reply.body).map { ": " + printable($0, limit: 600) } ?? ""
    let found = "status \(reply.status)\(said)"
    switch reply.status {
    case 401, 403:
      // A tina serve turns names away that it does not know, whatever the key is.
      let isName = reply.status == 403 && said.contains("--allow-host")
      return TransferError(
        .forbidden, file: address.text, found: found, expected: "to be let in",
        advice: isName
          ? "Start the server with --allow-host and the name by which it is called here."
          : "Give the server's key with --api-key-file, or in the environment variable TINA_API_KEY.")
    default:
      return TransferError(.refused(reply.status), file: address.text, found: found, expected: "an answer")
    }
  }

  /// The text of an error as servers write it: OpenAI's, a plain text under `error`, `message` or `detail`.
  private static func message(_ body: [UInt8]) -> String? {
    guard let object = (try? JSON.parse(Array(body.prefix(64 << 10)), file: "error"))?.object else {
      return nil
    }
    return object["error"]?.object?["message"]?.string ?? object["error"]?.string
      ?? object["message"]?.string ?? object["detail"]?.string
  }

  /// The field that a refusal names as the one at fault.
  package static func parameter(_ reply: Reply) -> String? {
    (try? JSON.parse(reply.body, file: "error"))?.object?["error"]?.object?["param"]?.string
  }
}
