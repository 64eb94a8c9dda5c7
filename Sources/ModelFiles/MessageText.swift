/// Text from a file made fit for a message: control characters escaped, long text cut in the middle.
///
/// - Parameters:
///   - text: any text, hostile ones too.
///   - limit: at most this many Unicode scalars are shown.
public func printable(_ text: String, limit: Int = 120) -> String {
  var out = ""
  var count = 0
  for scalar in text.unicodeScalars {
    if count == limit { return out + "…" }
    count += 1
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse:
      out += "\\u{" + String(scalar.value, radix: 16) + "}"
    default: out.unicodeScalars.append(scalar)
    }
  }
  return out
}

/// `printable` in double quotes, for names of tensors, keys and values.
public func quoted(_ text: String) -> String { "\"" + printable(text) + "\"" }
