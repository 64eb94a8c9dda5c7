import BigInt

/// Values with 96 decimal digits, real or complex.
final class Numerics {
  let budget: Budget
  var values: [String: Complex] = [:]
  /// Those of them that are rational, for functions of integers.
  var exactValues: [String: Rational] = [:]
  /// What \log means without a base: the answer's author may mean either.
  var logIsNatural = true
  /// Whether something on the way was not real although everything it came from was.
  private(set) var leftReals = false
  /// The largest magnitude on the way, as a power of two: errors are relative to it.
  private(set) var scale = 0

  init(_ budget: Budget) { self.budget = budget }

  func reset(_ values: [String: Complex]) {
    self.values = values
    leftReals = false
    scale = 0
  }

  func value(_ e: Expression) throws -> Complex {
    try budget.spend(2)
    let result = try compute(e)
    scale = max(scale, result.scale)
    return result
  }

  private func compute(_ e: Expression) throws -> Complex {
    switch e {
    case .number(let value, _): return Complex(BigFloat(value))
    case .symbol(let name):
      guard let value = values[name] else { throw GradingError.noValue }
      return value
    case .constant(let constant):
      switch constant {
      case .pi: return Complex(.pi)
      case .e: return Complex(try .exp(.one))
      case .i: return .i
      case .infinity: throw GradingError.noValue
      }
    case .sum(let items):
      var sum = Complex.zero
      for item in items { sum = sum + (try value(item)) }
      return sum
    case .product(let items):
      var product = Complex.one
      for item in items { product = product * (try value(item)) }
      return product
    case .power(let base, let exponent): return try power(base, exponent)
    case .percent(let inner): return try value(inner) / Complex(BigFloat(100))
    case .degrees(let inner): return try value(inner)
    case .quantity(let inner, _): return try value(inner)
    case .function(let name, let arguments): return try function(name, arguments)
    default: throw GradingError.noValue
    }
  }

  /// The value of an angle: degrees become radians here, and only here.
  private func angle(_ e: Expression) throws -> Complex {
    if e.contains({ if case .degrees = $0 { true } else { false } }) {
      return try value(e) * Complex(.pi) / Complex(BigFloat(180))
    }
    return try value(e)
  }

  private func power(_ base: Expression, _ exponent: Expression) throws -> Complex {
    let exact = ExactArithmetic(budget: budget)
    if let fraction = try exact.value(exponent) {
      let x = try value(base)
      if let power = fraction.int, abs(power) < 1 << 40 {
        try budget.spend(power.magnitude.bitWidth)
        return try x.power(power)
      }
      if x.isZero {
        if fraction.isNegative { throw GradingError.undefined }
        return .zero
      }
      if fraction.denominator == 2, let power = Rational(fraction.numerator).int {
        if x.isReal, x.re.isNegative { leftReals = true }
        try budget.spend(8)
        return try Complex.squareRoot(x).power(power)
      }
      // The real root of a negative number, as taught in school.
      let isOdd = fraction.denominator.words.first.map { $0 & 1 == 1 } ?? false
      if x.isReal, x.re.isNegative, isOdd, exponent.symbols.isEmpty {
        try budget.spend(60)
        let size = try Complex.exp(Complex.log(-x) * Complex(BigFloat(fraction)))
        return fraction.numerator.words.first.map { $0 & 1 == 1 } ?? false ? -size : size
      }
      if x.isReal, x.re.isNegative { leftReals = true }
      try budget.spend(60)
      return try Complex.exp(Complex.log(x) * Complex(BigFloat(fraction)))
    }
    let y = try value(exponent)
    if case .constant(.e) = base {
      try budget.spend(30)
      return try Complex.exp(y)
    }
    let x = try value(base)
    if y.isReal, y.scale < 40, let (integer, rest) = y.re.floor, rest.isZero {
      try budget.spend(20)
      return try x.power(Int(integer))
    }
    if x.isZero {
      if y.isReal, !y.re.isNegative, !y.isZero { return .zero }
      throw GradingError.undefined
    }
    if x.isReal, x.re.isNegative { leftReals = true }
    try budget.spend(60)
    return try Complex.exp(Complex.log(x) * y)
  }

  private func function(_ name: String, _ arguments: [Expression]) throws -> Complex {
    guard let first = arguments.first else { throw GradingError.noValue }
    if name == "apply" { return try unknown(arguments) }
    if name == "base" { return try value(first) }
    if let exact = try exactValue(name, arguments) {
      return Complex(BigFloat(exact))
    }
    switch (name, arguments.count) {
    case ("sin", 1), ("cos", 1), ("tan", 1), ("cot", 1), ("sec", 1), ("csc", 1):
      try budget.spend(40)
      let (s, c) = try Complex.sinAndCos(angle(first))
      return switch name {
      case "sin": s
      case "cos": c
      case "tan": try s / c
      case "cot": try c / s
      case "sec": try .one / c
      default: try .one / s
      }
    case ("asin", 1), ("acos", 1), ("atan", 1), ("acot", 1): return try inverse(name, value(first))
    case ("sinh", 1), ("cosh", 1), ("tanh", 1), ("coth", 1):
      try budget.spend(30)
      let up = try Complex.exp(value(first))
      let down = try .one / up
      let half = Complex(.half)
      return switch name {
      case "sinh": (up - down) * half
      case "cosh": (up + down) * half
      case "tanh": try (up - down) / (up + down)
      default: try (up + down) / (up - down)
      }
    case ("ln", 1): return try logarithm(value(first))
    case ("log", 1):
      let log = try logarithm(value(first))
      return logIsNatural ? log : try log / Complex(.log(BigFloat(10)))
    case ("logBase", 2): return try logarithm(value(first)) / logarithm(value(arguments[1]))
    case ("abs", 1):
      let x = try value(first)
      if x.isReal { return Complex(x.re.magnitude) }
      return Complex((x.re * x.re + x.im * x.im).squareRoot)
    case ("Re", 1): return Complex(try value(first).re)
    case ("Im", 1): return Complex(try value(first).im)
    case ("floor", 1), ("ceil", 1):
      let x = try value(first)
      guard x.isReal, let (floor, rest) = x.re.floor else { throw GradingError.noValue }
      // Too near to an integer to know on which side.
      if !rest.isZero, rest.scale < -90 || (BigFloat.one - rest).scale < -90 { throw GradingError.noValue }
      return Complex(BigFloat(name == "floor" || rest.isZero ? floor : floor + 1))
    case ("max", _), ("min", _):
      var result = try value(first)
      for other in arguments.dropFirst() {
        let x = try value(other)
        guard x.isReal, result.isReal else { throw GradingError.noValue }
        if (x.re < result.re) == (name == "min") { result = x }
      }
      return result
    default: throw GradingError.noValue
    }
  }

  private func exactValue(_ name: String, _ arguments: [Expression]) throws -> Rational? {
    guard
      ["abs", "floor", "ceil", "factorial", "binom", "mod", "gcd", "lcm", "max", "min", "sgn"].contains(name)
    else {
      return nil
    }
    var exact = ExactArithmetic(budget: budget)
    exact.values = exactValues
    return try exact.value(.function(name, arguments))
  }

  private func logarithm(_ x: Complex) throws -> Complex {
    try budget.spend(30)
    if x.isReal, x.re.isNegative { leftReals = true }
    return try Complex.log(x)
  }

  private func inverse(_ name: String, _ x: Complex) throws -> Complex {
    try budget.spend(120)
    let half = Complex(.pi) * Complex(.half)
    switch name {
    case "atan": return try Complex.atan(x)
    case "acot": return half - (try Complex.atan(x))
    default:
      let sine = try Complex.asin(x)
      if x.isReal, !sine.isReal { leftReals = true }
      return name == "asin" ? sine : half - sine
    }
  }

  /// A function that is only named, as f(x): some smooth function that no identity fits, the same for each name.
  private func unknown(_ arguments: [Expression]) throws -> Complex {
    guard case .symbol(let name) = arguments[0] else { throw GradingError.noValue }
    var generator = RandomNumbers(seed: name.utf8.reduce(0x9E37_79B9) { ($0 &* 31) &+ UInt64($1) })
    var result = Complex(BigFloat(generator.fraction()))
    for argument in arguments.dropFirst() {
      let x = try value(argument)
      try budget.spend(40)
      let (s, c) = try Complex.sinAndCos(x * Complex(BigFloat(generator.fraction())))
      result =
        result * Complex(BigFloat(generator.fraction())) + s * Complex(BigFloat(generator.fraction()))
        + c * x + x * Complex(BigFloat(generator.fraction()))
    }
    return result
  }
}

/// Random numbers from a seed (SplitMix64), the same on every machine.
struct RandomNumbers {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func int(_ range: ClosedRange<Int>) -> Int {
    range.lowerBound + Int(next() % UInt64(range.count))
  }

  /// A fraction between 1/3 and 3 that no formula expects.
  mutating func fraction() -> Rational {
    Rational(int(40_000...120_000)) / Rational(int(40_009...119_993) | 1)
  }
}
