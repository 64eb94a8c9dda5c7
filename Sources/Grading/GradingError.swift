/// Why a text could not be read or a comparison not be finished. It never leaves the module: a verdict says it.
enum GradingError: Error, Equatable {
  /// The bound on the work was reached.
  case outOfSteps
  /// The text nests deeper than is read.
  case tooDeep
  /// The text is no mathematics that is known here.
  case malformed(String)
  /// The numbers on the way are too large to be written out.
  case tooLarge
  /// The expression has no value that can be computed here.
  case noValue
  /// The expression has no value at this point, such as 1/0.
  case undefined
}
