/// Why a training run did not start or did not go on.
public struct TrainerError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The kind of error, for programs that react to it.
  public enum Kind: Sendable, Equatable {
    /// The recipe has an unknown key or a value out of range.
    case recipe
    /// The data set can't be read, or lacks what the recipe needs.
    case data
    /// Memory does not suffice.
    case resources
    /// A number is NaN or infinite.
    case notFinite
    /// The rewards or completions would teach nothing.
    case noSignal
    /// A checkpoint or run folder can't be read or written.
    case checkpoint
  }

  /// The kind of error.
  public let kind: Kind
  /// Where it is: file, line, key or step; may be empty.
  public let place: String
  /// What stands there.
  public let found: String
  /// What should stand there.
  public let expected: String
  /// What to do about it, in whole sentences; may be empty.
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
