/// A whole request as it came over the wire.
package struct ServerRequest: Sendable {
  package var method: String
  /// The path, without the query.
  package var path: String
  /// In their order; names may come in any case.
  package var headers: [(name: String, value: String)]
  package var body: [UInt8]

  package init(
    method: String, target: String, headers: [(name: String, value: String)] = [], body: [UInt8] = []
  ) {
    self.method = method
    path = String(target.prefix { $0 != "?" })
    self.headers = headers
    self.body = body
  }

  /// The values of a header, names compared without regard to case.
  package func values(_ name: String) -> [String] {
    headers.filter { $0.name.lowercased() == name }.map(\.value)
  }

  /// The value of a header that may come once; nil if it is missing or comes twice.
  func value(_ name: String) -> String? {
    let all = values(name)
    return all.count == 1 ? all[0] : nil
  }
}
