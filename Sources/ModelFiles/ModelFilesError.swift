/// Why a model's file could not be read: which file, where in it, what stands there, what should.
public struct ModelFilesError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The family of a failure, for programs that react to it.
  public enum Kind: Sendable, Equatable {
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
    /// A known setting with a value that cannot be.
    case badValue
    /// A model that is valid but not one that can be run.
    case unsupported
    /// The system refused to create, write or rename it.
    case unwritable
  }

  /// The family of the failure.
  public let kind: Kind
  /// Path of the file or directory.
  public let file: String
  /// Where in the file: a byte offset, a tensor's name or a JSON key; empty for the file as a whole.
  public let place: String
  /// What stands there.
  public let found: String
  /// What should stand there.
  public let expected: String
  /// What the reader of the message can do; empty if nothing helps but another file.
  public let advice: String

  /// Makes an error; texts are fragments without capital letter and full stop.
  public init(
    _ kind: Kind, file: String, place: String = "", found: String, expected: String, advice: String = ""
  ) {
    self.kind = kind
    self.file = file
    self.place = place
    self.found = found
    self.expected = expected
    self.advice = advice
  }

  /// One line: `file: place: found …; expected …: advice`.
  public var description: String {
    var text = printable(file, limit: 4096)
    if !place.isEmpty { text += ": " + place }
    text += ": found " + found + "; expected " + expected
    if !advice.isEmpty { text += ". " + advice }
    return text
  }
}

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
