/// Values of expressions as balls: real or complex numbers with proven bounds on their error.
final class BallArithmetic {
  let budget: Budget
  var values: [String: Ball] = [:]
  /// Those of them that are rational, for functions of integers.
  var exactValues: [String: Rational] = [:]
  /// What \log means without a base: the answer's author may mean either.
  var logIsNatural = true
  /// Whether something on the way was not real although everything it came from was.
  private(set) var leftReals = false

  init(_ budget: Budget) { self.budget = budget }

  func reset(_ values: [String: Ball]) {
    self.values = values
    leftReals = false
  }

  func value(_ e: Expression) throws -> Ball {
    try budget.spend(2)
    let result = try compute(e)
    guard result.isFinite else { throw GradingError.undefined }
    // Exponents stay far from being numbers of many words themselves.
    guard result.isWithin(exponent: 1 << 50) else { throw GradingError.tooLarge }
    return result
  }

  private func compute(_ e: Expression) throws -> Ball {
    switch e {
    case .number(let value, _): return Ball(value)
    case .symbol(let name):
      guard let value = values[name] else { throw GradingError.noValue }
      return value
    case .constant(let constant):
      switch constant {
      case .pi: return .pi
      case .e: return Ball.one.exp
      case .i: return .i
      case .infinity: throw GradingError.noValue
      }
    case .sum(let items): return try items.reduce(.zero) { $0 + (try value($1)) }
    case .product(let items): return try items.reduce(.one) { $0 * (try value($1)) }
    case .power(let base, let exponent): return try power(base, exponent)
    case .percent(let inner): return try value(inner) / Ball(100)
    case .degrees(let inner), .quantity(let inner, _): return try value(inner)
    case .function(let name, let arguments): return try function(name, arguments)
    default: throw GradingError.noValue
    }
  }

  /// The value of an angle: degrees become radians here, and only here.
  private func angle(_ e: Expression) throws -> Ball {
    if e.contains({ if case .degrees = $0 { true } else { false } }) {
      return try value(e) * .pi / Ball(180)
    }
    return try value(e)
  }

  /// An argument at which a function may end: exact where it can be, for arcsin of 7/7 has a value and of 1.0…01 none.
  private func argument(_ e: Expression) throws -> Ball {
    try ExactArithmetic(budget: budget, values: exactValues).value(e).map { Ball($0) } ?? value(e)
  }

  private func power(_ base: Expression, _ exponent: Expression) throws -> Ball {
    guard let fraction = try ExactArithmetic(budget: budget).value(exponent) else {
      let y = try value(exponent)
      if case .constant(.e) = base { return try exponential(y) }
      let x = try argument(base)
      if x.vanishes == true { return try powerOfZero(isDefined: y.isReal && y.isPositive) }
      if x.isReal, x.isNegative, !y.isInteger { leftReals = true }
      return try power(x, y)
    }
    let x = try argument(base)
    if let power = fraction.int, abs(power) < 1 << 40 {
      try budget.spend(power.magnitude.bitWidth)
      return x.power(power)
    }
    if x.vanishes == true { return try powerOfZero(isDefined: !fraction.isNegative) }
    if x.isReal, x.isNegative {
      // The real root of a negative number, as taught in school.
      if fraction.denominator.isOdd, exponent.symbols.isEmpty {
        let size = try power(-x, Ball(fraction))
        return fraction.numerator.isOdd ? -size : size
      }
      leftReals = true
    }
    if fraction.denominator == Rational(2), let power = fraction.numerator.int, abs(power) < 1 << 40 {
      try budget.spend(8)
      return x.squareRoot.power(power)
    }
    return try power(x, Ball(fraction))
  }

  private func power(_ x: Ball, _ y: Ball) throws -> Ball {
    try budget.spend(30)
    return try exponential(x.log * y)
  }

  private func powerOfZero(isDefined: Bool) throws -> Ball {
    guard isDefined else { throw GradingError.undefined }
    return .zero
  }

  private func exponential(_ x: Ball) throws -> Ball {
    try budget.spend(30)
    return try bounded(x, 40, \.exp)
  }

  /// The value of a function that grows with its argument, or whose work does.
  private func bounded(_ x: Ball, _ exponent: Int, _ function: (Ball) -> Ball) throws -> Ball {
    guard x.isWithin(exponent: exponent) else { throw GradingError.tooLarge }
    return function(x)
  }

  private func function(_ name: String, _ arguments: [Expression]) throws -> Ball {
    guard let first = arguments.first else { throw GradingError.noValue }
    if name == "apply" { return try unknown(arguments) }
    if name == "base" { return try value(first) }
    if let exact = try exactValue(name, arguments) { return Ball(exact) }
    switch (name, arguments.count) {
    case ("sin", 1): return try circular(first, \.sin)
    case ("cos", 1): return try circular(first, \.cos)
    case ("tan", 1): return try circular(first, \.tan)
    case ("cot", 1): return try circular(first, \.cot)
    case ("sec", 1): return try circular(first, \.sec)
    case ("csc", 1): return try circular(first, \.csc)
    case ("asin", 1): return try inverse(first, \.asin)
    case ("acos", 1): return try inverse(first, \.acos)
    case ("atan", 1): return try inverse(first, \.atan)
    case ("acot", 1): return .pi / Ball(2) - (try inverse(first, \.atan))
    case ("sinh", 1): return try hyperbolic(first, \.sinh)
    case ("cosh", 1): return try hyperbolic(first, \.cosh)
    case ("tanh", 1): return try hyperbolic(first, \.tanh)
    case ("coth", 1): return try hyperbolic(first, \.coth)
    case ("ln", 1): return try logarithm(first)
    case ("log", 1): return logIsNatural ? try logarithm(first) : try logarithm(first) / Ball(10).log
    case ("logBase", 2): return try logarithm(first) / logarithm(arguments[1])
    case ("abs", 1): return try value(first).magnitude
    case ("Re", 1): return try value(first).realPart
    case ("Im", 1): return try value(first).imaginaryPart
    case ("floor", 1), ("ceil", 1):
      let x = try value(first)
      guard x.isReal, let floor = (name == "floor" ? x : -x).floor else { throw GradingError.noValue }
      return name == "floor" ? floor : -floor
    case ("max", _), ("min", _):
      var result = try value(first)
      for other in arguments.dropFirst() {
        let x = try value(other)
        guard x.isReal, result.isReal else { throw GradingError.noValue }
        if (x < result) == (name == "min") { result = x }
      }
      return result
    default: throw GradingError.noValue
    }
  }

  private func exactValue(_ name: String, _ arguments: [Expression]) throws -> Rational? {
    guard
      ["abs", "floor", "ceil", "factorial", "binom", "mod", "gcd", "lcm", "max", "min", "sgn"].contains(name)
    else { return nil }
    return try ExactArithmetic(budget: budget, values: exactValues).value(.function(name, arguments))
  }

  private func circular(_ argument: Expression, _ function: (Ball) -> Ball) throws -> Ball {
    try budget.spend(40)
    let x = try angle(argument)
    // A complex sine grows as fast as the exponential function.
    return try bounded(x, x.isReal ? 50 : 40, function)
  }

  private func hyperbolic(_ argument: Expression, _ function: (Ball) -> Ball) throws -> Ball {
    try budget.spend(30)
    return try bounded(try value(argument), 40, function)
  }

  private func logarithm(_ argument: Expression) throws -> Ball {
    let x = try value(argument)
    try budget.spend(30)
    if x.isReal, x.isNegative { leftReals = true }
    return x.log
  }

  private func inverse(_ e: Expression, _ function: (Ball) -> Ball) throws -> Ball {
    let x = try argument(e)
    try budget.spend(120)
    let result = function(x)
    if x.isReal, !result.isReal { leftReals = true }
    return result
  }

  /// A function that is only named, as f(x): some smooth function that no identity fits, the same for each name.
  private func unknown(_ arguments: [Expression]) throws -> Ball {
    guard case .symbol(let name) = arguments[0] else { throw GradingError.noValue }
    var generator = RandomNumbers(seed: name.utf8.reduce(0x9E37_79B9) { ($0 &* 31) &+ UInt64($1) })
    func fraction() -> Ball { Ball(generator.fraction()) }
    var result = fraction()
    for argument in arguments.dropFirst() {
      let x = try value(argument)
      try budget.spend(40)
      let angle = x * fraction()
      let (s, c) = (try bounded(angle, 40, \.sin), try bounded(angle, 40, \.cos))
      result = result * fraction() + s * fraction() + c * x + x * fraction()
    }
    return result
  }
}
