/// Reads decimals, mixed numbers and numbers in a base.
extension Parser {
  /// A whole number, or else the argument of a command: in \log_12 the base is 12, but \frac12 is 1/2.
  mutating func numberOrArgument() throws -> Expression {
    guard case .number(let literal) = kind else { return try argument() }
    index += 1
    return try numberValue(literal)
  }

  func numberValue(_ literal: NumberLiteral) throws -> Expression {
    let count = literal.integer.utf8.count + (literal.fraction?.utf8.count ?? 0)
    // The budget pays for reading digits as if it were quadratic.
    guard count <= 3000 else { throw GradingError.outOfSteps }
    try budget.spend(count / 16 + count * count / 2048)
    guard var value = Rational(literal.integer + (literal.fraction ?? "")) else {
      throw GradingError.malformed("the number \(literal.integer)")
    }
    let places = literal.fraction?.utf8.count ?? 0
    let scale = Rational.powerOfTen(places)
    value = value / scale
    if let repeating = literal.repeating {
      guard repeating.utf8.count < 1000, let cycle = Rational(repeating) else {
        throw GradingError.outOfSteps
      }
      value = value + cycle / ((.powerOfTen(repeating.utf8.count) - .one) * scale)
      return .number(value, decimals: nil)
    }
    if literal.isTruncated { return .function("truncated", [.number(value, decimals: places)]) }
    var decimals: Int? = literal.fraction == nil ? nil : places
    if literal.exponent != 0 {
      guard abs(literal.exponent) <= 4000 else {
        return .product([.number(value, decimals: nil), .power(.integer(10), .integer(literal.exponent))])
      }
      let scale = try Rational(10).power(literal.exponent, budget)
      value = value * scale
      decimals = max(0, places - literal.exponent)
      if decimals == 0 { decimals = nil }
    }
    return .number(value, decimals: decimals)
  }

  mutating func number(_ literal: NumberLiteral) throws -> Expression {
    unitMayFollow = true
    // 204_5, 1A_{16}
    if literal.fraction == nil, literal.exponent == 0 {
      if kind == .sign("_") { return try inBase(literal.integer) }
      if case .word(let word) = kind, kind(at: 1) == .sign("_"), !lexemes[index].isSpaced,
        word.utf8.allSatisfy({ $0 >= 0x41 && $0 <= 0x46 })
      {
        var digits = literal.integer + word
        let start = index
        index += 1
        while case .number(let more) = kind, kind(at: 1) == .sign("_") {
          digits += more.integer
          index += 1
        }
        if let value = try? inBase(digits) { return value }
        index = start
      }
    }
    let value = try numberValue(literal)
    return try mixed(value, literal) ?? value
  }

  /// 1\frac{4}{5} and "1 4/5".
  private mutating func mixed(_ whole: Expression, _ literal: NumberLiteral) throws -> Expression? {
    guard literal.fraction == nil, literal.exponent == 0 else { return nil }
    let start = index
    if case .command(let name) = kind, ["frac", "dfrac", "tfrac", "cfrac"].contains(name) {
      let (saved, units) = (lexemes, unitMayFollow)
      index += 1
      if let top = try? argument(), let bottom = try? argument(), case .number(let n, nil) = top,
        case .number(let d, nil) = bottom, n.isInteger, d.isInteger, !d.isZero, !n.isNegative, n < d
      {
        if case .number(let w, _) = whole {
          return .sum([.number(w, decimals: nil), .number(n / d, decimals: nil)])
        }
      }
      lexemes = saved
      index = start
      unitMayFollow = units
    } else if case .number(let top) = kind, lexemes[index].isSpaced, top.fraction == nil, top.exponent == 0,
      kind(at: 1) == .sign("/"), case .number(let bottom) = kind(at: 2), bottom.fraction == nil
    {
      let n = try numberValue(top)
      let d = try numberValue(bottom)
      if case .number(let n, _) = n, case .number(let d, _) = d, !d.isZero, n < d,
        case .number(let w, _) = whole
      {
        index += 3
        return .sum([.number(w, decimals: nil), .number(n / d, decimals: nil)])
      }
    }
    return nil
  }

  private mutating func inBase(_ digits: String) throws -> Expression {
    try expect(.sign("_"))
    let base: Expression
    if case .text(let word) = kind {
      index += 1
      base = .number(NumberWords.value([word]) ?? .zero, decimals: nil)
    } else if kind == .sign("{"), case .text(let word) = kind(at: 1), kind(at: 2) == .sign("}") {
      index += 3
      base = .number(NumberWords.value([word]) ?? .zero, decimals: nil)
    } else {
      base = try numberOrArgument()
    }
    try budget.spend(digits.utf8.count * digits.utf8.count / 1024 + 1)
    guard case .number(let value, _) = base, let radix = value.int, (2...36).contains(radix),
      let number = Rational(digits, radix: radix)
    else { throw GradingError.malformed("a subscript that is no base") }
    return .function("base", [.number(number, decimals: nil), .integer(radix), .symbol(digits)])
  }
}
