/// The result of grading one prediction.
public struct Verdict: Sendable, Hashable {
  /// Whether prediction and gold are the same answer.
  public enum Outcome: Sendable, Hashable {
    /// They are the same.
    case equal
    /// They are not the same, or the prediction has no answer.
    case different
    /// The bound on the work was reached first. Never count this as wrong.
    case undecided
  }

  /// Whether they are the same.
  public let outcome: Outcome
  /// The answer as it stands in the prediction; nil when there is none.
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
