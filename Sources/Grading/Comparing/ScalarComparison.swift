/// Compares numbers and expressions in variables.
extension AnswerComparison {
  func compareScalars(_ gold: Expression, _ prediction: Expression) throws -> Finding {
    if let finding = try compareQuantities(gold, prediction) { return finding }
    // 28 % is 0.28, and also 28 where the sign may be left out.
    switch (gold.percentage, prediction.percentage) {
    case (let a?, let b?): return try compareScalars(a, b)
    case (let a?, nil): return try comparePercentage(a, prediction, sameOrder: true)
    case (nil, let b?): return try comparePercentage(b, gold, sameOrder: false)
    default: break
    }
    let (goldHasDegrees, predictionHasDegrees) = (gold.isAngle, prediction.isAngle)
    if goldHasDegrees != predictionHasDegrees {
      if options.degreeSignIsOptional {
        let finding = try comparePlain(gold.withoutDegrees, prediction.withoutDegrees)
        if !isDifferent(finding) { return finding }
      }
      let radians = Expression.product([.constant(.pi), .fraction(1, 180)])
      return goldHasDegrees
        ? try comparePlain(.product([gold.withoutDegrees, radians]), prediction)
        : try comparePlain(gold, .product([prediction.withoutDegrees, radians]))
    }
    if case .function("base", let a) = gold {
      if case .function("base", let b) = prediction {
        return a[0] == b[0] ? .equal("both are the same number") : .different("the numbers differ")
      }
      if options.baseIsOptional, case .symbol(let digits) = a[2] {
        if prediction.key == (digits.drop { $0 == "0" }.isEmpty ? "0" : String(digits.drop { $0 == "0" })) {
          return .equal("the digits are the same, the base is left out")
        }
        if try ExactArithmetic(budget: budget).value(prediction)
          == ExactArithmetic(budget: budget).value(a[0])
        {
          return .different("the number is right, but not in base \(a[1].key)")
        }
      }
      return .different("the numbers differ")
    }
    if case .function("base", let b) = prediction {
      return try comparePlain(gold, b[0])
    }
    if goldHasDegrees { return try comparePlain(gold.withoutDegrees, prediction.withoutDegrees) }
    return try comparePlain(gold, prediction)
  }

  private func isDifferent(_ finding: Finding) -> Bool {
    if case .different = finding { true } else { false }
  }

  private func compareQuantities(_ gold: Expression, _ prediction: Expression) throws -> Finding? {
    switch (gold, prediction) {
    case (.quantity(let a, let u), .quantity(let b, let v)):
      if u.text == v.text { return try compareScalars(a, b) }
      guard let size = Units.ratio(v, u) else {
        return .different("\"\(u.text)\" and \"\(v.text)\" are not known to measure the same")
      }
      return try compareScalars(a, size == .one ? b : .product([b, .number(size, decimals: nil)]))
    case (.quantity(let a, let unit), _):
      guard options.unitIsOptional else { return .different("the unit is missing") }
      guard unit.mayBeLeftOut, !unit.mayBeVariables else {
        return .different("the number says nothing without \"\(unit.text)\"")
      }
      return try compareScalars(a, prediction)
    case (_, .quantity(let b, let unit)):
      guard unit.mayBeLeftOut, !unit.mayBeVariables || gold.symbols.isEmpty else {
        return .different("the gold answer has no \"\(unit.text)\"")
      }
      return try compareScalars(gold, b)
    default: return nil
    }
  }

  private func comparePercentage(_ percent: Expression, _ other: Expression, sameOrder: Bool) throws
    -> Finding
  {
    func ordered(_ a: Expression) throws -> Finding {
      sameOrder ? try comparePlain(a, other) : try comparePlain(other, a)
    }
    if options.percentSignIsOptional {
      let finding = try ordered(percent)
      if !isDifferent(finding) { return finding }
    }
    return try ordered(.product([percent, .fraction(1, 100)]))
  }

  /// Compares what has no unit, percent sign, degree sign or base at the top.
  private func comparePlain(_ gold: Expression, _ prediction: Expression) throws -> Finding {
    if gold.key == prediction.key { return .equal("both are the same expression") }
    if let finding = try compareTruncated(gold, prediction) { return finding }
    if RealSets.isInfinite(gold) || RealSets.isInfinite(prediction) {
      return .different("one is infinite")
    }
    let symbols = gold.symbols.union(prediction.symbols)
    if symbols.isEmpty { return try compareNumbers(gold, prediction) }
    var pointwise = PointwiseComparison(options, budget)
    return try pointwise.compare(gold, prediction)
  }

  /// 3.14159… is every number that begins so. Fewer digits say too little.
  private func compareTruncated(_ gold: Expression, _ prediction: Expression) throws -> Finding? {
    let inner: (Expression) -> Expression? = {
      if case .function("truncated", let items) = $0 { items[0] } else { nil }
    }
    guard inner(gold) != nil || inner(prediction) != nil else { return nil }
    let (a, b) = (inner(gold) ?? gold, inner(prediction) ?? prediction)
    guard case .rounded(let minimum) = options.decimals, a.symbols.isEmpty, b.symbols.isEmpty,
      let written = [inner(gold), inner(prediction)].compactMap({ $0?.decimal }).min(by: {
        $0.places < $1.places
      }),
      written.digits >= minimum
    else { return .different("the digits before the ellipsis are too few") }
    let balls = BallArithmetic(budget)
    return try values(a, b, balls.value) { x, y in
      let difference = x - y
      return difference.isReal && difference.magnitude < Ball(.one / .powerOfTen(written.places))
        ? .equal("the digits before the ellipsis agree") : .different("the digits before the ellipsis differ")
    }
  }

  private func compareNumbers(_ gold: Expression, _ prediction: Expression) throws -> Finding {
    let exact = ExactArithmetic(budget: budget)
    return try values(gold, prediction, exact.value) { a, b in
      if let a, let b {
        if a == b { return .equal("both are \(Self.shown(a))") }
        if let finding = approximation(gold, prediction, { $0.magnitude <= $1 }, a - b) { return finding }
        return .different("\(Self.shown(b)) is not \(Self.shown(a))")
      }
      var findings: [Finding] = []
      for natural in [true, false] {
        let finding = try compareNumerically(gold, prediction, logIsNatural: natural)
        if finding.isEqual { return finding }
        findings.append(finding)
        guard gold.hasLog || prediction.hasLog else { break }
      }
      return findings.first { $0.isUndecided } ?? findings[0]
    }
  }

  private func compareNumerically(
    _ gold: Expression, _ prediction: Expression, logIsNatural: Bool
  ) throws -> Finding {
    let balls = BallArithmetic(budget)
    balls.logIsNatural = logIsNatural
    return try values(gold, prediction, balls.value) { a, b in
      let difference = a - b
      switch difference.vanishes {
      case true?: return .equal("their values agree to 60 digits")
      case nil: return .undecided("the numbers are too large or their values too near to tell apart")
      case false?:
        let finding = approximation(
          gold, prediction, { $0.isReal && $0.magnitude < Ball($1) }, difference)
        return finding ?? .different("\(Self.shown(b)) is not \(Self.shown(a))")
      }
    }
  }

  /// Compares the values of both; says why where one has none.
  private func values<Value>(
    _ gold: Expression, _ prediction: Expression, _ value: (Expression) throws -> Value,
    _ compare: (Value, Value) throws -> Finding
  ) throws -> Finding {
    let a: Value
    let b: Value
    do {
      a = try value(gold)
      b = try value(prediction)
    } catch GradingError.undefined {
      return .different("one of them is undefined, such as 1/0")
    } catch GradingError.tooLarge {
      return .undecided("the numbers are too large to compute")
    } catch GradingError.noValue {
      return .different("no way was found to show that they are equal")
    }
    return try compare(a, b)
  }

  // MARK: Decimals for exact values

  /// Equal where a decimal is the other value, rounded to the decimal's last digit: 2.6667 for 8/3.
  private func approximation<T>(
    _ gold: Expression, _ prediction: Expression, _ isWithin: (T, Rational) -> Bool, _ difference: T
  ) -> Finding? {
    guard case .rounded(let minimum) = options.decimals else { return nil }
    let (goldDecimal, predictedDecimal) = (gold.decimal, prediction.decimal)
    let used: (decimal: Expression.Decimal, isGold: Bool)
    switch (goldDecimal, predictedDecimal) {
    case (nil, let decimal?): used = (decimal, false)
    case (let decimal?, nil): used = (decimal, true)
    // A prediction may have more digits than the rounded gold answer, but not fewer.
    case (let gold?, let predicted?) where predicted.places > gold.places: used = (gold, true)
    default: return nil
    }
    guard used.decimal.digits >= minimum, used.decimal.places > 0, used.decimal.places < 400,
      let power = try? Rational(10).power(-used.decimal.places, budget),
      isWithin(difference, power / Rational(2))
    else { return nil }
    return .equal(
      used.isGold
        ? "the prediction rounds to the gold answer's \(used.decimal.places) decimals"
        : "the gold answer rounds to the prediction's \(used.decimal.places) decimals")
  }

  // MARK: Sentences

  static func shown(_ value: Rational) -> String {
    value.bits > 256 ? "a number of \(value.numerator.bits) bits" : value.text
  }
  private static func shown(_ value: Ball) -> String {
    func text(_ x: Double) -> String { x.isFinite ? "\(x)" : "a huge number" }
    return value.isReal
      ? text(value.double) : "\(text(value.double)) + \(text(value.imaginaryPart.double))i"
  }
}

extension Expression {
  /// A decimal as it is written.
  struct Decimal {
    /// Digits behind the point.
    var places: Int
    /// Significant digits.
    var digits: Int
  }

  /// The decimal that this is; nil without a point, because integers are exact.
  var decimal: Decimal? {
    switch self {
    case .number(let value, let places?):
      guard places < 400, let scale = try? Rational(10).power(places, Budget(10_000)) else { return nil }
      let integer = (value * scale).magnitude
      // Long numbers need no exact count.
      let bits = integer.numerator.bits
      let digits = integer.isZero ? 0 : bits > 200 ? bits * 3 / 10 : integer.numerator.text.utf8.count
      return Decimal(places: places, digits: digits)
    case .product(let items) where items.count == 2:
      // 4.5 · 10^3
      if case .power(.integer(10), .number(let power, nil)) = items[1], let exponent = power.int,
        abs(exponent) < 400, let inner = items[0].decimal
      {
        return Decimal(places: inner.places - exponent, digits: inner.digits)
      }
      return nil
    default: return nil
    }
  }

  /// The number before the percent sign, if one stands at the end.
  var percentage: Expression? {
    switch self {
    case .percent(let inner): return inner
    case .product(let items):
      guard case .percent(let inner) = items.last else { return nil }
      return .product(items.dropLast() + [inner])
    default: return nil
    }
  }

  /// Whether this is an angle in degrees; the sine of one is not.
  var isAngle: Bool {
    switch self {
    case .degrees: true
    case .sum(let items), .product(let items): items.contains(where: \.isAngle)
    case .power(let base, _): base.isAngle
    default: false
    }
  }

  var withoutDegrees: Expression {
    switch self {
    case .degrees(let inner): inner
    case .sum, .product, .power: mapChildren(\.withoutDegrees)
    default: self
    }
  }

  var hasLog: Bool { contains { if case .function("log", _) = $0 { true } else { false } } }
}
