/// Why reading or comparing stopped. It never leaves the module: verdicts tell it in a sentence.
enum GradingError: Error, Equatable {
  /// The bound on the work was reached.
  case outOfSteps
  /// The text nests too deeply.
  case tooDeep
  /// The text is no mathematics that the parser knows.
  case malformed(String)
  /// An intermediate number is too large to write out.
  case tooLarge
  /// The grader cannot compute a value of this expression.
  case noValue
  /// The expression has no value at this point, such as 1/0.
  case undefined

  /// Whether more work, or larger numbers, might have given an answer.
  var isTooMuchWork: Bool { self == .outOfSteps || self == .tooDeep || self == .tooLarge }
}
