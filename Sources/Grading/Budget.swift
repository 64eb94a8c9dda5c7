/// Counts the work of one grading in steps, each about one small multiplication. Unlike a clock, steps give the same
/// verdict on every machine.
final class Budget {
  private(set) var spent = 0
  let limit: Int

  init(_ limit: Int) { self.limit = limit }

  func spend(_ steps: Int = 1) throws {
    spent += steps
    if spent > limit { throw GradingError.outOfSteps }
  }

  /// Pays for adding or multiplying two fractions of these sizes. Reducing them to lowest terms is quadratic.
  func spendFraction(bits a: Int, _ b: Int) throws {
    let bits = a + b
    try spend(1 + (bits > 128 ? bits * bits / 16_384 : 0))
  }

  /// Pays for multiplying two integers of these sizes.
  func spendProduct(bits a: Int, _ b: Int) throws {
    try spend(1 + ((a >> 6) + 1) * ((b >> 6) + 1) / 16)
  }
}
