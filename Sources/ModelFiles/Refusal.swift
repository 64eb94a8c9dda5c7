/// Why something is refused or fails: where, what is found, what is expected, and what to do. The error types of
/// the package's libraries are this one with kinds of their own.
public struct Refusal<Family: Sendable & Equatable>: Error, Sendable, Equatable, CustomStringConvertible {
  /// The family of a failure, for programs that react to it.
  public typealias Kind = Family

  /// The family of the failure.
  public let kind: Kind
  /// What it is about: the path of a file or directory, an address, a name, a setting; may be empty.
  public let file: String
  /// Where in the file: a byte offset, a tensor's name, a key, a line; empty for the file as a whole.
  public let place: String
  /// What stands there.
  public let found: String
  /// What should stand there.
  public let expected: String
  /// What the reader of the message can do; may be empty.
  public let advice: String

  /// Makes an error; texts are fragments without capital letter and full stop, the advice is a sentence.
  public init(
    _ kind: Kind, file: String = "", place: String = "", found: String, expected: String, advice: String = ""
  ) {
    self.kind = kind
    self.file = file
    self.place = place
    self.found = found
    self.expected = expected
    self.advice = advice
  }

  /// One line without the advice: `file: place: found …; expected …`.
  public var statement: String {
    [printable(file, limit: 4096), place].filter { !$0.isEmpty }.map { $0 + ": " }.joined()
      + "found " + found + "; expected " + expected
  }

  /// One line: `file: place: found …; expected …. advice`.
  public var description: String { statement + (advice.isEmpty ? "" : ". " + advice) }

  /// The same as an error of another type or kind, with other advice if given.
  package func restated<Other>(_ kind: Other, advice: String? = nil) -> Refusal<Other> {
    Refusal<Other>(
      kind, file: file, place: place, found: found, expected: expected, advice: advice ?? self.advice)
  }
}
