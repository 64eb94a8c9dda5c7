/// A whole request as it came over the wire.
package struct ServerRequest: Sendable {
  package var method: String
  /// The path, without the query.
  package var path: String
  /// In their order; names may come in any case.
  package var headers: [(name: String, value: String)]
  package var body: [UInt8]

  /// - Parameter target: a path, or a whole address as proxies send it, whose host then counts.
  package init(
    method: String, target: String, headers: [(name: String, value: String)] = [], body: [UInt8] = []
  ) {
    let target = RequestTarget(target)
    self.method = method
    path = target.path
    self.headers = headers
    self.body = body
    guard let authority = target.authority else { return }
    self.headers.removeAll { $0.name.isSameIgnoringCase("host") }
    self.headers.append(("Host", authority))
  }

  /// The values of a header, names compared without regard to case.
  package func values(_ name: String) -> [String] {
    headers.filter { $0.name.isSameIgnoringCase(name) }.map(\.value)
  }

  /// The value of a header that may come once; nil if it is missing or comes twice.
  func value(_ name: String) -> String? {
    let all = values(name)
    return all.count == 1 ? all[0] : nil
  }
}

/// The target in a request's first line.
struct RequestTarget {
  /// The path, without query and fragment.
  let path: String
  /// The host and port of a whole address; nil for a path alone.
  let authority: String?

  init(_ text: String) {
    var rest = Array(text.utf8)[...]
    var authority: String?
    if let scheme = ["http://", "https://"].first(where: { text.beginsIgnoringCase($0) }) {
      rest = rest.dropFirst(scheme.utf8.count)
      let host = rest.prefix { !"/?#".utf8.contains($0) }
      authority = String(decoding: host, as: UTF8.self)
      rest = rest.dropFirst(host.count)
      if rest.first != UInt8(ascii: "/") { rest = Array("/".utf8) + rest }
    }
    self.authority = authority
    path = String(decoding: rest.prefix { !"?#".utf8.contains($0) }, as: UTF8.self)
  }
}
