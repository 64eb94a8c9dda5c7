/// Why a model's file could not be read: which file, where in it, what stands there, what should.
public typealias ModelFilesError = Refusal<ModelFilesFailure>

/// The families of ``ModelFilesError``.
public enum ModelFilesFailure: Sendable, Equatable {
  /// The file or directory does not exist.
  case missing
  /// The system refused to open, map or list it.
  case unreadable
  /// The file ends before its contents do.
  case truncated
  /// The bytes are of another, recognised format (git-LFS pointer, zip archive, GGUF, …).
  case foreignFormat
  /// The text is not JSON, or JSON of another form than the file must have.
  case malformed
  /// A tensor contradicts the file or the format.
  case badTensor
  /// A known setting with an impossible value.
  case badValue
  /// A valid model that is not supported.
  case unsupported
  /// The system refused to create, write or rename it.
  case unwritable
}

/// Text from a file, made safe for a message: control characters are escaped, and long text is cut off.
///
/// - Parameters:
///   - text: any text, even a hostile one.
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
