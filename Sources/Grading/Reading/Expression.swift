/// A mathematical answer as it is written: notation is resolved, nothing is computed.
indirect enum Expression: Equatable, Sendable {
  /// `decimals` counts the digits behind the point of a written decimal; nil for integers.
  case number(Rational, decimals: Int?)
  case symbol(String)
  case constant(Constant)
  case sum([Expression])
  case product([Expression])
  case power(Expression, Expression)
  case function(String, [Expression])
  /// a ± b, or a ∓ b.
  case plusMinus(Expression, Expression, isMinusPlus: Bool)
  case percent(Expression)
  case degrees(Expression)
  case quantity(Expression, unit: Unit)
  case text(String)

  /// Items separated by commas, semicolons, "and" or "or", without brackets.
  case list([Expression])
  /// In parentheses; with two items it may also be an open interval.
  case tuple([Expression])
  case set([Expression])
  case interval(Expression, Expression, isLeftClosed: Bool, isRightClosed: Bool)
  case union([Expression])
  case intersection([Expression])
  case difference(Expression, Expression)
  case matrix([[Expression]])
  /// a : b : c
  case ratio([Expression])
  /// A chain such as a < b ≤ c, with one relation fewer than sides.
  case chain([Expression], [Relation])

  enum Constant: Hashable, Sendable { case pi, e, i, infinity }

  enum Relation: Hashable, Sendable {
    case equal, approximately, notEqual, less, lessOrEqual, greater, greaterOrEqual, memberOf, implies,
      congruent

    var flipped: Relation {
      switch self {
      case .less: .greater
      case .greater: .less
      case .lessOrEqual: .greaterOrEqual
      case .greaterOrEqual: .lessOrEqual
      default: self
      }
    }
    var isInequality: Bool {
      switch self {
      case .less, .lessOrEqual, .greater, .greaterOrEqual: true
      default: false
      }
    }
  }

  static func integer(_ value: Int) -> Expression { .number(Rational(value), decimals: nil) }
  static func fraction(_ top: Int, _ bottom: Int) -> Expression {
    .number(Rational(top) / Rational(bottom), decimals: nil)
  }
  static let zero = integer(0)
  static let one = integer(1)
  static let minusOne = integer(-1)

  static func negative(_ a: Expression) -> Expression {
    switch a {
    case .number(let value, let decimals): .number(-value, decimals: decimals)
    case .product(let factors): .product([minusOne] + factors)
    default: .product([minusOne, a])
    }
  }
  static func product(of factors: [Expression]) -> Expression {
    factors.count == 1 ? factors[0] : .product(factors)
  }
  static func quotient(_ a: Expression, _ b: Expression) -> Expression { .product([a, .power(b, minusOne)]) }
  static func difference(of a: Expression, _ b: Expression) -> Expression { .sum([a, negative(b)]) }
  static func squareRoot(_ a: Expression) -> Expression {
    .power(a, .fraction(1, 2))
  }

  /// The parts directly below.
  var children: [Expression] {
    switch self {
    case .number, .symbol, .constant, .text: []
    case .sum(let items), .product(let items), .function(_, let items), .list(let items), .tuple(let items),
      .set(let items), .union(let items), .intersection(let items), .ratio(let items), .chain(let items, _):
      items
    case .power(let a, let b), .plusMinus(let a, let b, _), .interval(let a, let b, _, _),
      .difference(let a, let b):
      [a, b]
    case .percent(let a), .degrees(let a), .quantity(let a, _): [a]
    case .matrix(let rows): rows.flatMap(\.self)
    }
  }

  /// The same expression with changed parts directly below.
  func mapChildren(_ change: (Expression) throws -> Expression) rethrows -> Expression {
    switch self {
    case .number, .symbol, .constant, .text: self
    case .sum(let items): .sum(try items.map(change))
    case .product(let items): .product(try items.map(change))
    case .function(let name, let items): .function(name, try items.map(change))
    case .list(let items): .list(try items.map(change))
    case .tuple(let items): .tuple(try items.map(change))
    case .set(let items): .set(try items.map(change))
    case .union(let items): .union(try items.map(change))
    case .intersection(let items): .intersection(try items.map(change))
    case .ratio(let items): .ratio(try items.map(change))
    case .chain(let items, let relations): .chain(try items.map(change), relations)
    case .power(let a, let b): .power(try change(a), try change(b))
    case .plusMinus(let a, let b, let minus): .plusMinus(try change(a), try change(b), isMinusPlus: minus)
    case .interval(let a, let b, let left, let right):
      .interval(try change(a), try change(b), isLeftClosed: left, isRightClosed: right)
    case .difference(let a, let b): .difference(try change(a), try change(b))
    case .percent(let a): .percent(try change(a))
    case .degrees(let a): .degrees(try change(a))
    case .quantity(let a, let unit): .quantity(try change(a), unit: unit)
    case .matrix(let rows): .matrix(try rows.map { try $0.map(change) })
    }
  }

  /// Whether `test` is true here or anywhere below.
  func contains(_ test: (Expression) -> Bool) -> Bool {
    test(self) || children.contains { $0.contains(test) }
  }

  var symbols: Set<String> {
    var found = Set<String>()
    collectSymbols(&found)
    return found
  }
  private func collectSymbols(_ found: inout Set<String>) {
    if case .symbol(let name) = self { found.insert(name) }
    for child in children { child.collectSymbols(&found) }
  }

  /// Whether its value is a number: no set, list, relation or text.
  var isScalar: Bool {
    switch self {
    case .number, .symbol, .constant: true
    case .sum(let items), .product(let items), .function(_, let items): items.allSatisfy(\.isScalar)
    case .power(let a, let b): a.isScalar && b.isScalar
    case .degrees(let a), .percent(let a), .quantity(let a, _): a.isScalar
    default: false
    }
  }
}
