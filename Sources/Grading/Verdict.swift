/// What a grading found.
public struct Verdict: Sendable, Hashable {
  /// Whether prediction and gold are the same answer.
  public enum Outcome: Sendable, Hashable {
    /// They are the same.
    case equal
    /// They are not the same, or the prediction has no answer.
    case different
    /// It could not be decided within the bound on the work. Never to be counted as wrong.
    case undecided
  }

  /// Whether they are the same.
  public let outcome: Outcome
  /// The answer that was found in the prediction, as it stands there; nil when there is none.
  public let extracted: String?
  /// The reason, as a sentence.
  public let why: String

  /// True or false; nil when undecided.
  public var isEqual: Bool? {
    switch outcome {
    case .equal: true
    case .different: false
    case .undecided: nil
    }
  }
}
