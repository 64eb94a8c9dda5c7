import ModelFiles

/// Why something could not be had from the hub or its cache: what it was about, what was found, what was
/// expected, what to do.
public struct HubError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The family of a failure, for programs that react to it.
  public enum Kind: Sendable, Equatable {
    /// A text that is no name of a repository, file or revision; a setting with a value that cannot be.
    case badName
    /// Not in the cache, and the hub may not be asked.
    case offline
    /// The hub cannot be reached, or the connection broke again and again.
    case unreachable
    /// The hub knows no such repository, revision or file.
    case notFound
    /// The hub wants a token, or another one.
    case forbidden
    /// The hub asks for more patience than there is.
    case rateLimited
    /// The hub failed.
    case serverFailure
    /// An answer that no hub gives: malformed, oversized, contradictory or dangerous.
    case badAnswer
    /// What came is not what the hub lists: another size or digest.
    case damaged
    /// The folder or repository holds nothing of what is wanted, or more than one of it.
    case nothingWanted
    /// The cache could not be written to, or the disk has too little room.
    case unwritable
    /// The program stopped it.
    case cancelled
    /// libcurl is not installed.
    case noTransfer
  }

  /// The family of the failure.
  public let kind: Kind
  /// The repository, file, URL or path that it is about.
  public let place: String
  /// What was found.
  public let found: String
  /// What should have been.
  public let expected: String
  /// What the reader of the message can do; may be empty.
  public let advice: String

  /// Makes an error; texts are fragments without capital letter and full stop, the advice is a sentence.
  public init(_ kind: Kind, _ place: String, found: String, expected: String, advice: String = "") {
    self.kind = kind
    self.place = place
    self.found = found
    self.expected = expected
    self.advice = advice
  }

  /// One line: `place: found …; expected …. advice`.
  public var description: String {
    printable(place, limit: 4096) + ": found " + found + "; expected " + expected
      + (advice.isEmpty ? "" : ". " + advice)
  }
}

/// A number of bytes as people read it: `3.55 GB`.
public func byteText(_ count: Int) -> String {
  var value = Double(count)
  for unit in ["B", "kB", "MB", "GB", "TB"] {
    if value < 999.5 || unit == "TB" {
      if unit == "B" { return "\(count) B" }
      // Three digits, without Foundation's formats.
      let digits = value < 9.995 ? 100.0 : value < 99.95 ? 10.0 : 1.0
      let rounded = (value * digits).rounded() / digits
      return (digits == 1 ? "\(Int(rounded))" : "\(rounded)") + " " + unit
    }
    value /= 1000
  }
  return "\(count) B"
}
