/// Why something is refused: in which file, where in it, what stands there, what should, and what to do.
///
/// `Code` is the family of the failure, for programs that react to it.
public struct Refusal<Code: Sendable & Equatable>: Error, Sendable, Equatable, CustomStringConvertible {
  /// The family of a failure.
  public typealias Kind = Code

  /// The family of the failure.
  public let kind: Kind
  /// Path of the file or directory.
  public let file: String
  /// Where in it: a byte offset, a tensor, a module or a key; empty for the file as a whole.
  public let place: String
  /// What stands there.
  public let found: String
  /// What should stand there.
  public let expected: String
  /// What the reader of the message can do; empty if nothing helps but another file.
  public let advice: String

  /// Makes a refusal. Texts are fragments without capital letter and full stop, the advice is a sentence.
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

  /// `file: place: found …; expected …`, without the advice.
  public var line: String {
    printable(file, limit: 4096) + (place.isEmpty ? "" : ": " + place) + ": found " + found + "; expected "
      + expected
  }

  /// One line that ends in the advice.
  public var description: String { line + (advice.isEmpty ? "" : ". " + advice) }
}
