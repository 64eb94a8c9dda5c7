/// Compares expressions in variables by their values at random points. Rational values are exact, others are balls.
struct PointwiseComparison {
  private let options: GradingOptions
  private let budget: Budget
  private var random: RandomNumbers

  /// Which points are taken. Quotients of polynomials get large integers (`rational`): different ones practically never
  /// agree there, and arithmetic is fastest.
  private enum Kind { case rational, real, integer, complex }

  init(_ options: GradingOptions, _ budget: Budget) {
    self.options = options
    self.budget = budget
    random = RandomNumbers(seed: options.seed)
  }

  /// How many points must agree.
  private static let needed = 4

  /// Compares two expressions.
  mutating func compare(_ a: Expression, _ b: Expression) throws -> AnswerComparison.Finding {
    let symbols = a.symbols.union(b.symbols).sorted()
    guard symbols.count <= 40 else { return .undecided("there are too many variables") }
    let discrete = [a, b].contains { $0.contains(Self.isDiscrete) }
    let isRational = Self.isRational(a) && Self.isRational(b)
    let kinds: [Kind] =
      isRational ? [.rational] : discrete ? [.integer, .real, .complex] : [.real, .integer, .complex]
    for kind in kinds {
      var agreed = 0
      let needed = kind == .integer ? 10 : Self.needed
      var ignored = 0
      for attempt in 0..<(needed * 3) {
        switch try agree(a, b, point(symbols, kind, attempt), kind, discrete) {
        case .some(true): agreed += 1
        case .some(false): return .different("they differ in value at a random point")
        case .none: ignored += 1
        }
        if agreed == needed { break }
        if ignored > needed, agreed == 0 { break }
      }
      if agreed >= max(3, needed / 2) {
        // Integers alone decide only for names that mean integers.
        if kind == .integer, !symbols.allSatisfy(Self.meansInteger) { continue }
        return .equal("their values agree at \(agreed) random points")
      }
    }
    return .different("no way was found to show that they are equal")
  }

  enum Ratio { case constant(isPositive: Bool), varying, unknown }

  /// Whether `a` is a constant, non-zero multiple of `b`.
  mutating func ratio(_ a: Expression, _ b: Expression) throws -> Ratio {
    let symbols = a.symbols.union(b.symbols).sorted()
    guard symbols.count <= 40 else { return .unknown }
    var exactRatio: Rational?
    var ratio: Ball?
    var agreed = 0
    let isRational = Self.isRational(a) && Self.isRational(b)
    for attempt in 0..<(Self.needed * 3) {
      let point = point(symbols, isRational ? .rational : .real, attempt)
      let exact = ExactArithmetic(budget: budget, values: point.values)
      do {
        if isRational, let x = try exact.value(a), let y = try exact.value(b) {
          if x.isZero && y.isZero { continue }
          if x.isZero || y.isZero { return .varying }
          let next = x / y
          if let exactRatio, exactRatio != next { return .varying }
          exactRatio = next
          ratio = Ball(next)
          agreed += 1
        } else {
          let balls = BallArithmetic(budget)
          balls.values = point.values.mapValues { Ball($0) }
          balls.exactValues = point.values
          let x = try balls.value(a)
          let y = try balls.value(b)
          if balls.leftReals { continue }
          let (xVanishes, yVanishes) = (x.vanishes, y.vanishes)
          guard xVanishes == false, yVanishes == false else {
            if xVanishes != yVanishes, xVanishes != nil, yVanishes != nil { return .varying }
            continue
          }
          let next = x / y
          if let ratio, (ratio - next).vanishes == false { return .varying }
          ratio = next
          agreed += 1
        }
      } catch GradingError.undefined {
        continue
      } catch GradingError.noValue {
        return .unknown
      } catch GradingError.tooLarge {
        return .unknown
      }
      if agreed == Self.needed { break }
    }
    guard agreed >= 3, let ratio, ratio.imaginaryPart.vanishes == true else { return .unknown }
    return .constant(isPositive: !ratio.isNegative)
  }

  // MARK: Points

  private struct Point {
    var values: [String: Rational]
    var imaginary: [String: Rational]
  }

  private mutating func point(_ symbols: [String], _ kind: Kind, _ attempt: Int) -> Point {
    var point = Point(values: [:], imaginary: [:])
    for symbol in symbols {
      switch kind {
      case .rational:
        let value = random.int(1_000_003...9_999_991)
        point.values[symbol] = Rational(random.next() & 1 == 1 ? -value : value)
      case .integer:
        point.values[symbol] = Rational(attempt < 6 ? random.int(1...9) : random.int(3...40))
      case .real, .complex:
        let value = random.fraction()
        // Half of the points are negative, so that |x| is not x; the first is positive in all.
        point.values[symbol] = attempt > 0 && random.next() & 1 == 1 ? -value : value
        if kind == .complex { point.imaginary[symbol] = random.fraction() }
      }
    }
    return point
  }

  /// Whether the values agree at a point; nil when the point says nothing.
  private func agree(
    _ a: Expression, _ b: Expression, _ point: Point, _ kind: Kind, _ discrete: Bool
  ) throws -> Bool? {
    do {
      if kind == .rational || kind == .integer || discrete, kind != .complex {
        let exact = ExactArithmetic(budget: budget, values: point.values)
        if let x = try exact.value(a), let y = try exact.value(b) { return x == y }
      }
      var values: [String: Ball] = [:]
      for (name, value) in point.values {
        values[name] = Ball(value, imaginary: point.imaginary[name] ?? .zero)
      }
      let balls = BallArithmetic(budget)
      var isUnknown = false
      for natural in a.hasLog || b.hasLog ? [true, false] : [true] {
        balls.logIsNatural = natural
        balls.reset(values)
        if kind != .complex { balls.exactValues = point.values }
        let difference = try balls.value(a) - balls.value(b)
        // Outside the real domain of one of them: √x for negative x.
        if balls.leftReals, kind != .complex { return nil }
        switch difference.vanishes {
        case true?: return true
        case false?: continue
        case nil: isUnknown = true
        }
      }
      return isUnknown ? nil : false
    } catch GradingError.undefined {
      return nil
    } catch GradingError.noValue {
      return nil
    } catch GradingError.tooLarge {
      return nil
    }
  }

  /// Whether `e` is a quotient of polynomials.
  private static func isRational(_ e: Expression) -> Bool {
    switch e {
    case .number, .symbol: true
    case .sum(let items), .product(let items): items.allSatisfy(isRational)
    case .power(let base, .number(let exponent, _)): exponent.isInteger && isRational(base)
    case .quantity(let inner, _): isRational(inner)
    default: false
    }
  }

  /// Whether `e` is a function that is usually asked of integers only.
  private static func isDiscrete(_ e: Expression) -> Bool {
    switch e {
    case .function(let name, _): ["floor", "ceil", "factorial", "binom", "mod", "gcd", "lcm"].contains(name)
    default: false
    }
  }

  private static func meansInteger(_ name: String) -> Bool {
    ["n", "m", "k", "j", "l", "N", "M", "K", "p", "q", "r", "s", "d", "t", "a", "b", "L"].contains(
      String(name.prefix { $0 != "_" && $0 != "'" }))
  }
}
