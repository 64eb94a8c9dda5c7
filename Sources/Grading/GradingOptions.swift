/// The conventions by which two answers count as the same.
public struct GradingOptions: Sendable, Hashable {
  /// Where the answer is searched if the thinking never ends (`<think>` without `</think>`).
  public enum UnfinishedThinking: Sendable, Hashable {
    /// In the whole text. A missing tag proves little: `<think>` may stand in the prompt.
    case search
    /// Only a `\boxed{}` counts.
    case onlyBoxed
    /// There is no answer.
    case noAnswer
  }

  /// How a decimal may stand for an exact value, such as 2.6667 for 8/3.
  public enum DecimalApproximation: Sendable, Hashable {
    /// Decimals are exact: 0.3333 is never 1/3.
    case exact
    /// A decimal with at least this many significant digits equals a value that rounds to it.
    case rounded(minimumDigits: Int)
  }

  /// Whether "1, 2" differs from "2, 1". Tuples are always ordered, sets never.
  public var orderMattersInLists = false
  /// Whether a percentage also equals the number before the percent sign: 28 % and 28.
  public var percentSignIsOptional = true
  /// Whether x degrees also equals the number x.
  public var degreeSignIsOptional = true
  /// Whether a unit may be left out. Where both answers have one, the units must agree.
  public var unitIsOptional = true
  /// Whether x = 5 equals 5.
  public var leftSideIsOptional = true
  /// Whether a column or row of a matrix equals the tuple of its entries.
  public var vectorEqualsTuple = true
  /// Whether a number in base b equals the same digits without their base.
  public var baseIsOptional = true
  /// How a decimal may stand for an exact value.
  public var decimals = DecimalApproximation.rounded(minimumDigits: 5)
  /// Where the answer is searched if the thinking never ends.
  public var unfinishedThinking = UnfinishedThinking.search
  /// The bound on the work of one grading, in steps. Reaching it gives "undecided".
  public var maxSteps = 60_000
  /// Seeds the random points at which expressions in variables are compared.
  public var seed: UInt64 = 0x7134_0CDE

  /// The conventions of the documentation.
  public init() {}
}
