import AdapterFormat
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

  /// A gate that is open to every local program, without a key.
  public init() {}

  /// Whether a browser could name `text` as a page's origin: `scheme://host[:port]` and no more, or `*`.
  public static func isOrigin(_ text: String) -> Bool {
    if text == "*" { return true }
    guard let separator = text.firstRange(of: "://"), separator.lowerBound > text.startIndex else {
      return false
    }
    let rest = text[separator.upperBound...]
    return !rest.isEmpty && !rest.contains { "/?#@\\".contains($0) || $0.isWhitespace }
  }

  /// Whether `text` can be the name in a `Host` header, without a port, or `*`.
  public static func isHost(_ text: String) -> Bool {
    text == "*"
      || hostName(text) == text.lowercased() && !text.contains { "/?#@\\".contains($0) || $0.isWhitespace }
  }

  /// - Throws: `ServingError` with status 401, 403 or 415.
  func check(_ request: ServerRequest, needsKey: Bool) throws(ServingError) {
    try checkHost(request)
    try checkOrigin(request)
    if needsKey, let apiKey { try checkKey(request, apiKey) }
    if request.method == "POST" { try checkContentType(request) }
  }

  /// The headers that let the page at the request's origin read the answer.
  func crossOriginHeaders(_ request: ServerRequest) -> [(String, String)] {
    guard let origin = request.value("origin"), isAllowed(origin) else { return [] }
    return [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]
  }

  /// The answer to a browser that asks whether a page may send a request.
  func preflight(_ request: ServerRequest) -> [(String, String)] {
    let headers = crossOriginHeaders(request)
    if headers.isEmpty { return [] }
    return headers + [
      ("Access-Control-Allow-Methods", "GET, POST"),
      ("Access-Control-Allow-Headers", "Authorization, Content-Type"), ("Access-Control-Max-Age", "600"),
    ]
  }

  // MARK: The checks

  private func checkHost(_ request: ServerRequest) throws(ServingError) {
    if allowedHosts.contains("*") { return }
    guard let host = request.value("host").flatMap(Self.hostName), isKnown(host) else {
      throw ServingError(
        403, "permission_error", code: "host_not_allowed",
        "Host: found \(quoted(request.values("host").joined(separator: ", "))), expected localhost, an address,"
          + " or a name given with --allow-host.")
    }
  }

  /// The name in `name[:port]` or `[address]:port`, in lower case.
  static func hostName(_ value: String) -> String? {
    let text = value.lowercased()
    if text.hasPrefix("[") {
      guard let end = text.firstIndex(of: "]") else { return nil }
      return String(text[...end])
    }
    let name = text.prefix { $0 != ":" }
    return name.isEmpty ? nil : String(name)
  }

  /// Plain addresses are safe: a browser names an address only where the page itself lies at it.
  private func isKnown(_ host: String) -> Bool {
    if host == "localhost" || host.hasSuffix(".localhost") || host.hasPrefix("[") { return true }
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    if parts.count == 4, parts.allSatisfy({ UInt8($0) != nil }) { return true }
    return allowedHosts.contains { $0.lowercased() == host }
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
    allowedOrigins.contains("*") || allowedOrigins.contains { $0.lowercased() == origin.lowercased() }
  }

  /// A proxy may speak TLS where this server does not, so the scheme is not compared.
  private func isOwn(_ origin: String, _ request: ServerRequest) -> Bool {
    guard let host = request.value("host"), let start = origin.firstRange(of: "://") else { return false }
    return origin[start.upperBound...].lowercased() == host.lowercased()
  }

  private func checkKey(_ request: ServerRequest, _ key: String) throws(ServingError) {
    if let value = request.value("authorization"), value.lowercased().hasPrefix("bearer "),
      Self.equal(String(value.dropFirst(7)), key)
    {
      return
    }
    throw ServingError(
      401, "authentication_error", code: "invalid_api_key",
      "Authorization: found no valid key, expected \"Bearer KEY\" with the key that the server was given.")
  }

  /// Compares digests, so that the time it takes tells nothing about the key.
  private static func equal(_ a: String, _ b: String) -> Bool {
    let digests = [a, b].map { Digest.sha256(Array($0.utf8)) }
    return zip(digests[0], digests[1]).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
  }

  private func checkContentType(_ request: ServerRequest) throws(ServingError) {
    let type = request.value("content-type")?.prefix { $0 != ";" }.lowercased()
    guard type.map({ $0.filter { $0 != " " } }) == "application/json" else {
      throw ServingError(
        415, "invalid_request_error", code: "unsupported_media_type",
        "Content-Type: found \(quoted(request.values("content-type").joined(separator: ", "))),"
          + " expected application/json.")
    }
  }
}
