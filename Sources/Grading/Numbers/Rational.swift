import BigInt

/// An exact fraction in lowest terms, with a positive denominator.
struct Rational: Hashable, Comparable, Sendable {
  let numerator: BigInt
  let denominator: BigInt

  static let zero = Rational(0)
  static let one = Rational(1)

  init(_ value: Int) { self.init(BigInt(value)) }

  init(_ value: BigInt) {
    numerator = value
    denominator = 1
  }

  /// - Precondition: `denominator` is not zero.
  init(_ numerator: BigInt, _ denominator: BigInt) {
    if denominator == 1 {
      self.numerator = numerator
      self.denominator = 1
      return
    }
    let divisor = Self.divisor(numerator, denominator)
    let sign: BigInt = denominator < 0 ? -1 : 1
    self.numerator = divisor == 1 ? numerator * sign : numerator / divisor * sign
    self.denominator = divisor == 1 ? denominator * sign : denominator / divisor * sign
  }

  private static func divisor(_ a: BigInt, _ b: BigInt) -> BigInt {
    guard a.bitWidth <= 62, b.bitWidth <= 62 else { return a.greatestCommonDivisor(with: b) }
    var (x, y) = (Int(a).magnitude, Int(b).magnitude)
    while y != 0 { (x, y) = (y, x % y) }
    return BigInt(x)
  }

  var isInteger: Bool { denominator == 1 }
  var isZero: Bool { numerator.isZero }
  var isNegative: Bool { numerator < 0 }
  var bits: Int { numerator.bitWidth + denominator.bitWidth }
  /// The value when it is an integer that fits.
  var int: Int? { isInteger && numerator.bitWidth <= 62 ? Int(numerator) : nil }
  var magnitude: Rational { isNegative ? -self : self }
  var floor: BigInt {
    let (quotient, remainder) = numerator.quotientAndRemainder(dividingBy: denominator)
    return remainder < 0 ? quotient - 1 : quotient
  }

  static prefix func - (a: Rational) -> Rational { Rational(unchecked: -a.numerator, a.denominator) }
  static func + (a: Rational, b: Rational) -> Rational {
    if a.isInteger, b.isInteger { return Rational(a.numerator + b.numerator) }
    return Rational(a.numerator * b.denominator + b.numerator * a.denominator, a.denominator * b.denominator)
  }
  static func - (a: Rational, b: Rational) -> Rational { a + -b }
  static func * (a: Rational, b: Rational) -> Rational {
    Rational(a.numerator * b.numerator, a.denominator * b.denominator)
  }
  /// - Precondition: `b` is not zero.
  static func / (a: Rational, b: Rational) -> Rational {
    Rational(a.numerator * b.denominator, a.denominator * b.numerator)
  }
  static func < (a: Rational, b: Rational) -> Bool {
    a.numerator * b.denominator < b.numerator * a.denominator
  }

  private init(unchecked numerator: BigInt, _ denominator: BigInt) {
    self.numerator = numerator
    self.denominator = denominator
  }

  /// `self` to an integer power.
  func power(_ exponent: Int, _ budget: Budget) throws -> Rational {
    if exponent == 0 { return .one }
    if isZero {
      if exponent < 0 { throw GradingError.undefined }
      return .zero
    }
    let count = exponent.magnitude
    // Beyond this, numbers are not written out: 10^10^10 has ten billion digits.
    guard count <= 100_000, bits * Int(count) <= 60_000 || (denominator == 1 && numerator.magnitude == 1)
    else {
      throw GradingError.noValue
    }
    if denominator == 1, numerator.magnitude == 1 {
      return numerator == 1 || count % 2 == 0 ? .one : Rational(-1)
    }
    try budget.spendProduct(bits: bits * Int(count), bits * Int(count))
    let top = numerator.power(Int(count))
    let bottom = denominator.power(Int(count))
    return exponent > 0 ? Rational(unchecked: top, bottom) : Rational(bottom, top)
  }

  /// The exact root, if there is one; for odd `degree` also of negative numbers.
  func root(_ degree: Int, _ budget: Budget) throws -> Rational? {
    guard degree >= 1 else { return nil }
    if degree == 1 || self == .one || isZero { return self }
    if isNegative {
      guard degree % 2 == 1 else { return nil }
      return try magnitude.root(degree, budget).map { -$0 }
    }
    guard degree <= 64, bits <= 20_000 else { return nil }
    guard let top = try Self.root(numerator, degree, budget),
      let bottom = try Self.root(denominator, degree, budget)
    else { return nil }
    return Rational(unchecked: top, bottom)
  }

  private static func root(_ value: BigInt, _ degree: Int, _ budget: Budget) throws -> BigInt? {
    if value == 1 { return value }
    try budget.spend(20)
    try budget.spendProduct(bits: value.bitWidth, value.bitWidth)
    if degree == 2, value.bitWidth <= 50 {
      let small = Int(value)
      let root = Int(Double(small).squareRoot())
      return root * root == small ? BigInt(root) : nil
    }
    if degree == 2 {
      let root = value.squareRoot()
      return root * root == value ? root : nil
    }
    // Newton's iteration from above.
    var root = BigInt(1) << (value.bitWidth / degree + 1)
    while true {
      try budget.spendProduct(bits: value.bitWidth, value.bitWidth)
      let lower = root.power(degree - 1)
      let sum: BigInt = root * BigInt(degree - 1) + value / lower
      let next = sum / BigInt(degree)
      if next >= root { break }
      root = next
    }
    return root.power(degree) == value ? root : nil
  }
}
