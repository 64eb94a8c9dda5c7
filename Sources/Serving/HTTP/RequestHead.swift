import ModelFiles

/// What a request's head may hold. It is checked before anything looks at the texts, and before the body comes.
package enum RequestHead {
  /// The most bytes of the target.
  package static let targetBytes = 8 << 10
  /// The most bytes of a header's name or value.
  package static let fieldBytes = 8 << 10
  /// The most bytes of target and headers together.
  package static let totalBytes = 32 << 10
  /// The most headers.
  package static let fieldCount = 100

  /// - Throws: `ServingError` with status 413, 414, 415, 417, 431 or 501.
  package static func check(
    target: String, headers: [(name: String, value: String)], maxBodyBytes: Int, option: String = "--max-body"
  ) throws(ServingError) {
    guard target.utf8.count <= targetBytes else { throw targetTooLong }
    let sizes = headers.map { max($0.name.utf8.count, $0.value.utf8.count) }
    let total = headers.reduce(target.utf8.count) { $0 + $1.name.utf8.count + $1.value.utf8.count }
    guard headers.count <= fieldCount, total <= totalBytes, sizes.allSatisfy({ $0 <= fieldBytes }) else {
      throw headersTooLarge
    }
    for header in headers { try check(header.name, header.value, maxBodyBytes, option) }
  }

  private static func check(
    _ name: String, _ value: String, _ maxBodyBytes: Int, _ option: String
  ) throws(ServingError) {
    if name.isSameIgnoringCase("content-length") {
      // A number that does not fit is larger than any limit.
      let isNumber = !value.isEmpty && value.utf8.allSatisfy { (0x30...0x39).contains($0) }
      if isNumber, Int(value).map({ $0 > maxBodyBytes }) ?? true {
        throw bodyTooLarge(maxBodyBytes, option: option)
      }
    } else if name.isSameIgnoringCase("content-encoding") {
      guard value.isEmpty || value.isSameIgnoringCase("identity") else {
        throw ServingError(
          415, "invalid_request_error", code: "unsupported_encoding",
          "Content-Encoding: found \(quoted(value)), expected none. Send the body as it is.")
      }
    } else if name.isSameIgnoringCase("transfer-encoding") {
      guard value.withoutBlanks.isSameIgnoringCase("chunked") else {
        throw ServingError(
          501, "invalid_request_error", code: "unsupported_encoding",
          "Transfer-Encoding: found \(quoted(value)), expected chunked. Send the body as it is.")
      }
    } else if name.isSameIgnoringCase("expect") {
      guard value.isEmpty || value.isSameIgnoringCase("100-continue") else {
        throw ServingError(
          417, "invalid_request_error", code: "unknown_expectation",
          "Expect: found \(quoted(value)), expected 100-continue.")
      }
    }
  }

  package static let targetTooLong = ServingError(
    414, "invalid_request_error", code: "target_too_long",
    "the address is longer than \(targetBytes) bytes, the most that this server reads.")

  package static let headersTooLarge = ServingError(
    431, "invalid_request_error", code: "headers_too_large",
    "the headers are too large: expected at most \(fieldCount) of them, \(fieldBytes) bytes in each and"
      + " \(totalBytes) in all.")

  package static func bodyTooLarge(_ limit: Int, option: String = "--max-body") -> ServingError {
    ServingError(
      413, "invalid_request_error", code: "request_too_large",
      "the body is larger than \(limit) bytes, the most that this server takes (\(option)).")
  }
}
