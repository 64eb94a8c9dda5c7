/// Why a training run did not start or did not go on.
public struct TrainerError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The family, for programs that react to it.
  public enum Kind: Sendable, Equatable {
    /// A recipe with a key or value that cannot be.
    case recipe
    /// A data set that cannot be used.
    case data
    /// Memory, threads or disk are too small.
    case resources
    /// Numbers that are not finite.
    case notFinite
    /// The run as it stands would teach nothing.
    case noSignal
    /// A checkpoint or run directory that cannot be read or written.
    case checkpoint
  }

  /// The family of the error.
  public let kind: Kind
  /// File, line, key, step: where it is; may be empty.
  public let place: String
  /// What stands there.
  public let found: String
  /// What should stand there.
  public let expected: String
  /// What can be done about it; a sentence or several.
  public let advice: String

  /// Makes an error; texts are fragments without capital letter and full stop, the advice is a sentence.
  public init(_ kind: Kind, place: String, found: String, expected: String, advice: String = "") {
    self.kind = kind
    self.place = place
    self.found = found
    self.expected = expected
    self.advice = advice
  }

  /// The message for people: place, found, expected, remedy.
  public var description: String {
    (place.isEmpty ? "" : place + ": ") + "found " + found + "; expected " + expected + "."
      + (advice.isEmpty ? "" : " " + advice)
  }
}
