/// Quantities in two units: 3 hours 20 minutes, 5 feet 6 inches, 30°15'.
enum Compounds {
  /// The one quantity that two are; nil where they are two.
  static func joined(_ first: Expression, _ second: Expression) -> Expression? {
    guard case .quantity(let a, let u) = first, case .quantity(let b, let v) = second,
      let (unit, size) = Units.continues(u, v), a.hasNumericValue, b.hasNumericValue
    else { return nil }
    var whole = unit
    whole.mayBeLeftOut = false
    // -3 hours 20 minutes: the sign is that of both.
    let isNegative = a.isWrittenNegative
    let rest: Expression = .product([b, .number(isNegative ? -size : size, decimals: nil)])
    return .quantity(.sum([a, rest]), unit: whole)
  }

  /// A list with "3 hours, 20 minutes" in one.
  static func joined(_ items: [Expression]) -> [Expression] {
    guard items.count > 1 else { return items }
    var result: [Expression] = []
    for item in items {
      // Where 90 minutes follow 2 hours, they are two answers.
      if let last = result.last, case .quantity(_, let u) = last,
        case .quantity(.number(let amount, _), let v) = item,
        let (_, size) = Units.continues(u, v), !amount.isNegative, amount * size < .one,
        let whole = joined(last, item)
      {
        result[result.count - 1] = whole
      } else {
        result.append(item)
      }
    }
    return result
  }
}

extension Parser {
  /// What follows a quantity without a sign: the rest of a quantity in two units, or something beside it, which has
  /// no value together with it.
  mutating func behindQuantity(_ factors: inout [Expression]) throws -> Bool {
    guard case .quantity(_, let unit) = factors[0] else { return false }
    guard case .number(let literal) = kind else {
      if let more = try continuedUnit(unit.text) {
        guard case .quantity(let value, _) = factors[0] else { return false }
        factors = [.quantity(value, unit: Unit(more))]
        return true
      }
      // 1.5 million dollars, and 50 cents
      return false
    }
    index += 1
    var next = [try number(literal)]
    if let multiplier = takeMultiplier() { next.append(multiplier) }
    unitMayFollow = true
    if let unit = try self.unit(after: next) {
      let rest: Expression = .quantity(.product(of: next), unit: unit)
      if let whole = Compounds.joined(factors[0], rest) {
        factors = [whole]
        return true
      }
      next = [rest]
    }
    // "3只鸟和4只鹳鸟" is a sentence.
    if unit.text.utf8.contains(where: { $0 >= 0x80 }) { hasProse = true }
    factors = [.function("beside", factors + next)]
    return true
  }

  /// 5'6" and 5'6''
  mutating func feetAndInches() throws -> Expression? {
    guard case .number(let feet) = kind, kind(at: 1) == .sign("'"), case .number(let inches) = kind(at: 2),
      kind(at: 3) == .sign("'"), kind(at: 4) == .sign("'"), feet.fraction == nil
    else { return nil }
    index += 5
    var unit = Unit("foot")
    unit.mayBeLeftOut = false
    return .quantity(
      .sum([try numberValue(feet), .product([try numberValue(inches), .fraction(1, 12)])]), unit: unit)
  }

  /// 30°15' and 30°15'20''
  mutating func minutesOfArc(_ factors: [Expression]) throws -> Expression? {
    guard factors.count == 1, case .degrees(let whole) = factors[0], case .number(let minutes) = kind,
      let marks = marks(at: 1), marks.count == 1
    else { return nil }
    index += 1 + marks.length
    var parts = [whole, .product([try numberValue(minutes), .fraction(1, 60)])]
    if case .number(let seconds) = kind, let marks = self.marks(at: 1), marks.count == 2 {
      index += 1 + marks.length
      parts.append(.product([try numberValue(seconds), .fraction(1, 3600)]))
    }
    return .degrees(.sum(parts))
  }

  /// The primes that stand at `offset`: ', '', \prime, ^\prime, ^{\prime\prime}
  private func marks(at offset: Int) -> (count: Int, length: Int)? {
    var count = 0
    var place = offset
    let isBraced = kind(at: place) == .sign("^") && kind(at: place + 1) == .sign("{")
    if isBraced { place += 2 } else if kind(at: place) == .sign("^") { place += 1 }
    while kind(at: place) == .sign("'") || kind(at: place) == .command("prime") {
      count += 1
      place += 1
    }
    if isBraced { place += 1 }
    return count > 0 ? (count, place - offset) : nil
  }
}

extension Expression {
  /// Whether it is a number as it is written, perhaps mixed or negative.
  var hasNumericValue: Bool {
    switch self {
    case .number: true
    case .sum(let items), .product(let items): items.allSatisfy(\.hasNumericValue)
    case .power(let base, .minusOne): base.hasNumericValue
    default: false
    }
  }

  var isWrittenNegative: Bool {
    switch self {
    case .number(let value, _): value.isNegative
    case .product(let items): items.first == .minusOne
    default: false
    }
  }
}
