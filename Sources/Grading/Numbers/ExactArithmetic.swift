/// Computes rational values exactly.
struct ExactArithmetic {
  let budget: Budget
  /// The values of the symbols.
  var values: [String: Rational] = [:]

  /// The value of `e`; nil when it is irrational or not known to be rational.
  func value(_ e: Expression) throws -> Rational? {
    try budget.spend()
    switch e {
    case .number(let value, _): return value
    case .symbol(let name): return values[name]
    case .sum(let items):
      var sum = Rational.zero
      for item in items {
        guard let value = try value(item) else { return nil }
        try budget.spendFraction(bits: sum.bits, value.bits)
        sum = sum + value
      }
      return sum
    case .product(let items):
      var product = Rational.one
      for item in items {
        guard let value = try value(item) else { return nil }
        try budget.spendFraction(bits: product.bits, value.bits)
        product = product * value
        if product.bits > 200_000 { throw GradingError.outOfSteps }
      }
      return product
    case .power(let base, let exponent): return try power(base, exponent)
    case .function(let name, let arguments): return try function(name, arguments)
    case .percent(let inner): return try value(inner).map { $0 / Rational(100) }
    case .degrees(let inner), .quantity(let inner, _): return try value(inner)
    default: return nil
    }
  }

  private func power(_ base: Expression, _ exponent: Expression) throws -> Rational? {
    guard let exponent = try value(exponent) else { return nil }
    guard let base = try value(base) else {
      // (√2)² is rational though √2 is not.
      if case .power(let inner, let first) = base, let first = try value(first), let inner = try value(inner),
        !inner.isNegative
      {
        return try power(inner, first * exponent)
      }
      return nil
    }
    return try power(base, exponent)
  }

  private func power(_ base: Rational, _ exponent: Rational) throws -> Rational? {
    if base.isZero, exponent.isNegative { throw GradingError.undefined }
    if let power = exponent.int {
      do { return try base.power(power, budget) } catch GradingError.noValue { return nil }
    }
    guard let degree = exponent.denominator.int, degree < 64, let power = exponent.numerator.int,
      abs(power) < 4096
    else { return base == .one ? .one : nil }
    if base.isZero { return .zero }
    guard let root = try base.root(degree, budget) else { return nil }
    do { return try root.power(power, budget) } catch GradingError.noValue { return nil }
  }

  private func function(_ name: String, _ arguments: [Expression]) throws -> Rational? {
    guard let first = arguments.first, let x = try value(first) else { return nil }
    if name == "base" { return x }
    switch (name, arguments.count) {
    case ("abs", 1): return x.magnitude
    case ("floor", 1): return x.floor
    case ("ceil", 1): return -(-x).floor
    case ("sgn", 1): return Rational(x.isZero ? 0 : x.isNegative ? -1 : 1)
    case ("factorial", 1):
      guard x.isInteger, !x.isNegative else { return nil }
      guard let n = x.int, n <= 1000 else { throw GradingError.tooLarge }
      try budget.spend(n * (1 + n >> 6))
      return .factorial(n)
    case ("binom", 2):
      guard let n = x.int, let k = try value(arguments[1])?.int, k >= 0, n >= 0 else { return nil }
      if k > n { return .zero }
      let count = min(k, n - k)
      guard count <= 1000 else { throw GradingError.tooLarge }
      // The result has at most `count` times the bits of n.
      try budget.spend(count * (1 + (count * (64 - n.leadingZeroBitCount)) >> 8))
      return .binomial(n, count)
    case ("mod", 2):
      guard let m = try value(arguments[1]), !m.isZero else { return nil }
      return x - m * (x / m).floor
    case ("gcd", _), ("lcm", _), ("max", _), ("min", _):
      var result = x
      for other in arguments.dropFirst() {
        guard let y = try value(other) else { return nil }
        switch name {
        case "max": result = max(result, y)
        case "min": result = min(result, y)
        default:
          guard result.isInteger, y.isInteger, !y.isZero, !result.isZero else { return nil }
          let divisor = result.commonDivisor(y)
          result = name == "gcd" ? divisor : result * y / divisor
        }
      }
      return name == "gcd" || name == "lcm" ? result.magnitude : result
    default: return nil
    }
  }
}
