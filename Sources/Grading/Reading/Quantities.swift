/// Brings units to the top of what they belong to.
enum Quantities {
  /// Sums and products of quantities, and times of day; nil where there is nothing to do.
  static func fold(_ e: Expression) -> Expression? {
    switch e {
    case .product(let items): product(items)
    case .sum(let items): sum(items)
    // 5 ± 2 cm
    case .plusMinus(let a, .quantity(let b, let unit), let minus):
      if case .quantity(let a, let first) = a {
        first == unit ? .quantity(.plusMinus(a, b, isMinusPlus: minus), unit: unit) : nil
      } else {
        .quantity(.plusMinus(a, b, isMinusPlus: minus), unit: unit)
      }
    case .ratio, .quantity: Clock.time(e)
    default: nil
    }
  }

  /// 5 m · 3 m is 15 m·m, and -5 cm the quantity of -5.
  private static func product(_ items: [Expression]) -> Expression? {
    var values: [Expression] = []
    var (above, below): ([Unit], [Unit]) = ([], [])
    for item in items {
      switch item {
      case .quantity(let value, let unit):
        values.append(value)
        above.append(unit)
      case .power(.quantity(let value, let unit), .minusOne):
        values.append(.power(value, .minusOne))
        below.append(unit)
      default: values.append(item)
      }
    }
    guard above.count + below.count > 0, values.allSatisfy(\.isScalar) else { return nil }
    if below.isEmpty, above.count == 1 { return .quantity(.product(of: values), unit: above[0]) }
    var text = above.map(\.text).joined(separator: " ")
    if !below.isEmpty { text += " per " + below.map(\.text).joined(separator: " ") }
    var unit = Unit(text)
    unit.mayBeLeftOut = unit.mayBeLeftOut && (above + below).allSatisfy(\.mayBeLeftOut)
    unit.mayBeVariables = (above + below).contains(where: \.mayBeVariables)
    return .quantity(.product(of: values), unit: unit)
  }

  /// In 2 + √3 cm the unit is that of the sum. Quantities that measure different things have none.
  private static func sum(_ all: [Expression]) -> Expression? {
    let items = all.filter { $0 != .zero }
    let count = items.count { if case .quantity = $0 { true } else { false } }
    guard count > 0 else { return nil }
    guard case .quantity(let last, let unit) = items[items.count - 1] else {
      return .function("beside", items)
    }
    if items.count == 1 { return items[0] }
    if count == 1 {
      return items.allSatisfy(\.isScalar) ? .quantity(.sum(items.dropLast() + [last]), unit: unit) : nil
    }
    var values: [Expression] = []
    for item in items {
      guard case .quantity(let value, let other) = item, let size = Units.ratio(other, unit) else {
        return .function("beside", items)
      }
      values.append(size == .one ? value : .product([value, .number(size, decimals: nil)]))
    }
    return .quantity(.sum(values), unit: unit)
  }
}

/// Times of day.
enum Clock {
  /// 6:00 p.m. and 6 p.m. as minutes since midnight.
  static func time(_ e: Expression) -> Expression? {
    var parts: [Expression]
    let half: String
    switch e {
    case .ratio(let items):
      guard case .quantity(let last, let unit) = items[items.count - 1] else { return nil }
      parts = items.dropLast() + [last]
      half = unit.text
    case .quantity(let hour, let unit):
      parts = [hour]
      half = unit.text
    default: return nil
    }
    guard half == "am" || half == "pm", let minutes = minutes(parts), minutes >= Rational(60),
      minutes < Rational(780)
    else { return nil }
    let base = minutes >= Rational(720) ? minutes - Rational(720) : minutes
    return .function("clock", [.number(half == "pm" ? base + Rational(720) : base, decimals: nil)])
  }

  /// Minutes since midnight; nil for what is no time, such as 1:75.
  static func minutes(_ e: Expression) -> Rational? {
    switch e {
    case .ratio(let parts): minutes(parts)
    case .number: minutes([e])
    default: nil
    }
  }

  private static func minutes(_ parts: [Expression]) -> Rational? {
    guard (1...3).contains(parts.count) else { return nil }
    var result = Rational.zero
    for (index, part) in parts.enumerated() {
      guard case .number(let value, nil) = part, value.isInteger, !value.isNegative, value < Rational(60)
      else { return nil }
      result = result + value * [Rational(60), .one, .one / Rational(60)][index]
    }
    return result < Rational(1440) ? result : nil
  }
}
