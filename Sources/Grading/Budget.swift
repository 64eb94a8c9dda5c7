/// Counts the work of one grading in steps. A step is about the cost of one small multiplication, so that the
/// bound holds on every machine alike and a verdict never depends on how busy it was.
final class Budget {
  private(set) var spent = 0
  let limit: Int

  init(_ limit: Int) { self.limit = limit }

  func spend(_ steps: Int = 1) throws {
    spent += steps
    if spent > limit { throw GradingError.outOfSteps }
  }

  /// What adding or multiplying two fractions of these sizes costs: bringing them to lowest terms is quadratic.
  func spendFraction(bits a: Int, _ b: Int) throws {
    let bits = a + b
    try spend(1 + (bits > 128 ? bits * bits / 16_384 : 0))
  }

  /// What multiplying two integers of these sizes costs.
  func spendProduct(bits a: Int, _ b: Int) throws {
    try spend(1 + ((a >> 6) + 1) * ((b >> 6) + 1) / 16)
  }
}
