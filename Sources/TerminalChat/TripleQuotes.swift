/// Messages of several lines between `"""` and `"""`.
package enum TripleQuotes {
  private static let mark = "\"\"\""

  /// Whether a text has begun with the mark and does not end with another one yet.
  package static func isOpen(_ text: String) -> Bool {
    let inner = text.drop { $0.isWhitespace }
    guard inner.hasPrefix(mark) else { return false }
    let rest = inner.dropFirst(3)
    return !trimmingEnd(rest).hasSuffix(mark)
  }

  /// A message without the marks around it, and without blanks around the rest.
  package static func content(of text: String) -> String {
    let inner = trimmingEnd(text.drop { $0.isWhitespace })
    guard inner.hasPrefix(mark), inner.count >= 6, inner.hasSuffix(mark) else { return String(inner) }
    return String(trimmingEnd(inner.dropFirst(3).dropLast(3).drop { $0.isWhitespace }))
  }

  private static func trimmingEnd(_ text: Substring) -> Substring {
    var text = text
    while text.last?.isWhitespace == true { text.removeLast() }
    return text
  }
}
