import ModelFiles
import Support

/// Checks by a request's headers who may ask.
///
/// Every page in the user's browser can reach a server on loopback. Three checks keep foreign pages out. A request must
/// name a host that this server is known by, because a page can point its own name at 127.0.0.1. It must come from this
/// server's own page or an allowed one. Its content type must be JSON, which a page can't send to another origin
/// without the browser asking first.
public struct Gate: Sendable {
  /// The key that clients must show; none when nil.
  public var apiKey: String?
  /// Names in the `Host` header that are allowed besides loopback's names and plain addresses; `*` allows any.
  public var allowedHosts: [String] = []
  /// Origins of other pages that may ask, as `https://host[:port]`; `*` allows any.
  public var allowedOrigins: [String] = []

  /// The most bytes of a host or origin.
  private static let nameBytes = 512

  /// A gate that is open to every local program, without a key.
  public init() {}

  /// Whether a browser could name `text` as a page's origin: `scheme://host[:port]` and no more, or `*`.
  public static func isOrigin(_ text: String) -> Bool {
    if text.isSame(as: "*") { return true }
    guard let rest = hostPart(ofOrigin: text) else { return false }
    return !rest.isEmpty && rest.utf8.allSatisfy(isHostByte)
  }

  /// Whether `text` can be the name in a `Host` header, without a port, or `*`.
  public static func isHost(_ text: String) -> Bool {
    text.isSame(as: "*")
      || hostName(text).map { $0.isSameIgnoringCase(text) } ?? false && text.utf8.allSatisfy(isHostByte)
  }

  private static func isHostByte(_ byte: UInt8) -> Bool {
    byte > 0x20 && byte != 0x7F && !"/?#@\\".utf8.contains(byte)
  }

  /// What stands behind `scheme://`; nil where there is no scheme.
  private static func hostPart(ofOrigin origin: String) -> String? {
    let bytes = Array(origin.utf8)
    guard bytes.count <= nameBytes, let colon = bytes.firstIndex(of: UInt8(ascii: ":")), colon > 0,
      bytes[colon...].starts(with: "://".utf8)
    else { return nil }
    return String(decoding: bytes[(colon + 3)...], as: UTF8.self)
  }

  /// - Throws: `ServingError` with status 401, 403 or 415.
  func check(_ request: ServerRequest, needsKey: Bool) throws(ServingError) {
    try checkHost(request)
    try checkOrigin(request)
    if needsKey, let apiKey { try checkKey(request, apiKey) }
    if request.method.isSame(as: "POST") { try checkContentType(request) }
  }

  /// The headers that let the page at the request's origin read the answer.
  func crossOriginHeaders(_ request: ServerRequest) -> [(String, String)] {
    guard let origin = request.value("origin"), isAllowed(origin) else { return [] }
    return [
      ("Access-Control-Allow-Origin", origin), ("Access-Control-Expose-Headers", "X-Request-Id, Retry-After"),
      ("Vary", "Origin"),
    ]
  }

  /// The answer to a browser that asks whether a page may send a request. An allowed page may send any header: clients
  /// add their own (`x-stainless-*`).
  func preflight(_ request: ServerRequest) -> [(String, String)] {
    let headers = crossOriginHeaders(request)
    if headers.isEmpty { return [] }
    var names = ["Authorization", "Content-Type"]
    for name in Self.fieldNames(request.values("access-control-request-headers"))
    where !names.contains(where: { $0.isSameIgnoringCase(name) }) {
      names.append(name)
    }
    var answer =
      headers + [
        ("Access-Control-Allow-Methods", "GET, POST"),
        ("Access-Control-Allow-Headers", names.joined(separator: ", ")), ("Access-Control-Max-Age", "600"),
        ("Vary", "Access-Control-Request-Headers"),
      ]
    if request.value("access-control-request-private-network")?.isSameIgnoringCase("true") == true {
      answer.append(("Access-Control-Allow-Private-Network", "true"))
    }
    return answer
  }

  /// The well-formed names of headers in comma-separated lists.
  private static func fieldNames(_ lists: [String]) -> [String] {
    lists.flatMap { $0.parts(between: UInt8(ascii: ",")) }.map(\.withoutBlanks).filter { name in
      (1...128).contains(name.utf8.count)
        && name.utf8.allSatisfy { byte in
          switch byte {
          case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
          default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
          }
        }
    }
  }

  // MARK: The checks

  private func checkHost(_ request: ServerRequest) throws(ServingError) {
    if allowedHosts.contains(where: { $0.isSame(as: "*") }) { return }
    guard let host = request.value("host").flatMap(Self.hostName), isKnown(host) else {
      throw ServingError(
        403, "permission_error", code: "host_not_allowed",
        "Host: found \(quoted(request.values("host").joined(separator: ", "))), expected localhost, an address,"
          + " or a name given with --allow-host.")
    }
  }

  /// The name in `name[:port]` or `[address]:port`, in lower case.
  static func hostName(_ value: String) -> String? {
    guard value.utf8.count <= nameBytes else { return nil }
    let bytes = Array(value.inLowerCase.utf8)
    if bytes.first == UInt8(ascii: "[") {
      guard let end = bytes.firstIndex(of: UInt8(ascii: "]")) else { return nil }
      return String(decoding: bytes[...end], as: UTF8.self)
    }
    let name = bytes.prefix { $0 != UInt8(ascii: ":") }
    return name.isEmpty ? nil : String(decoding: name, as: UTF8.self)
  }

  /// Plain addresses are safe: a browser names an address only where the page itself lies at it.
  private func isKnown(_ host: String) -> Bool {
    let isLocal = host.isSame(as: "localhost") || host.utf8.suffix(10).elementsEqual(".localhost".utf8)
    if isLocal || host.utf8.first == UInt8(ascii: "[") || Self.isAddress(host) { return true }
    return allowedHosts.contains { $0.isSameIgnoringCase(host) }
  }

  /// Whether it is four numbers up to 255 with dots between them.
  private static func isAddress(_ host: String) -> Bool {
    let parts = host.parts(between: UInt8(ascii: "."))
    return parts.count == 4
      && parts.allSatisfy { part in
        part.utf8.allSatisfy { (0x30...0x39).contains($0) } && UInt8(part) != nil
      }
  }

  private func checkOrigin(_ request: ServerRequest) throws(ServingError) {
    let origins = request.values("origin")
    guard let origin = origins.first else { return }
    if origins.count == 1, isAllowed(origin) || isOwn(origin, request) { return }
    throw ServingError(
      403, "permission_error", code: "origin_not_allowed",
      "Origin: found \(quoted(origin)), expected this server's own page, or one given with --allow-origin.")
  }

  private func isAllowed(_ origin: String) -> Bool {
    guard origin.utf8.count <= Self.nameBytes else { return false }
    return allowedOrigins.contains { $0.isSame(as: "*") || $0.isSameIgnoringCase(origin) }
  }

  /// A proxy may speak TLS where this server does not, so the scheme is not compared.
  private func isOwn(_ origin: String, _ request: ServerRequest) -> Bool {
    guard let host = request.value("host"), let named = Self.hostPart(ofOrigin: origin) else { return false }
    return named.isSameIgnoringCase(host)
  }

  private func checkKey(_ request: ServerRequest, _ key: String) throws(ServingError) {
    if let value = request.value("authorization"), value.beginsIgnoringCase("bearer "),
      Self.equal(Array(value.utf8.dropFirst(7)), Array(key.utf8))
    {
      return
    }
    throw ServingError(
      401, "authentication_error", code: "invalid_api_key",
      "Authorization: found no valid key, expected \"Bearer KEY\" with the key that the server was given.")
  }

  /// Compares digests, so that the time it takes tells nothing about the key.
  private static func equal(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    let digests = [Digest.sha256(a), Digest.sha256(b)]
    return zip(digests[0], digests[1]).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
  }

  private func checkContentType(_ request: ServerRequest) throws(ServingError) {
    let type = request.value("content-type")?.parts(between: UInt8(ascii: ";")).first?.withoutBlanks
    guard type?.isSameIgnoringCase("application/json") == true else {
      throw ServingError(
        415, "invalid_request_error", code: "unsupported_media_type",
        "Content-Type: found \(quoted(request.values("content-type").joined(separator: ", "))),"
          + " expected application/json.")
    }
  }
}
