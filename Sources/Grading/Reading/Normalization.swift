/// Brings answers into the forms that are compared.
enum Normalization {
  /// Resolves ±, nested lists, arithmetic of matrices, and what chains of relations say.
  static func normalize(_ e: Expression, _ budget: Budget) throws -> Expression {
    let inner = try withSigns(e, budget)
    // All the signs of one expression go together, so they are resolved at its top, once.
    return inner.contains({ if case .plusMinus = $0 { true } else { false } }) ? signs(inner) : inner
  }

  private static func withSigns(_ e: Expression, _ budget: Budget) throws -> Expression {
    try budget.spend()
    switch e {
    case .list(let items): return try .list(items.flatMap { try spread($0, budget) }).distributed.single
    case .set(let items): return .set(unique(try items.flatMap { try spread($0, budget) }))
    case .chain(let sides, let relations): return try chain(sides, relations, budget)
    default:
      let inner = try e.mapChildren { try withSigns($0, budget) }
      return try Matrices.fold(inner, budget) ?? inner
    }
  }

  /// The items that one item of a list stands for.
  private static func spread(_ e: Expression, _ budget: Budget) throws -> [Expression] {
    let e = try normalize(e, budget)
    if case .list(let items) = e { return items }
    return [e]
  }

  private static func unique(_ items: [Expression]) -> [Expression] {
    var seen = Set<String>()
    return items.filter { seen.insert($0.key).inserted }
  }

  /// The two values of an expression with ±; all its signs go together.
  private static func signs(_ e: Expression) -> Expression {
    let upper = choose(e, plus: true)
    let lower = choose(e, plus: false)
    return upper.key == lower.key ? upper : .list([upper, lower])
  }

  private static func choose(_ e: Expression, plus: Bool) -> Expression {
    if case .plusMinus(let a, let b, let isMinusPlus) = e {
      let (a, b) = (choose(a, plus: plus), choose(b, plus: plus))
      let right: Expression = plus != isMinusPlus ? b : .negative(b)
      return a == .zero ? right : .sum([a, right])
    }
    return e.mapChildren { choose($0, plus: plus) }
  }

  private static func chain(_ sides: [Expression], _ relations: [Expression.Relation], _ budget: Budget)
    throws
    -> Expression
  {
    var sides = sides
    var relations = relations
    // What follows from something is the answer.
    if let arrow = relations.lastIndex(of: .implies) {
      sides = Array(sides[(arrow + 1)...])
      relations = Array(relations[(arrow + 1)...])
    }
    // x = 1/3 ≈ 0.33: the exact value counts; x ≈ 0.33: the only one does.
    if let first = relations.firstIndex(of: .approximately) {
      if first == 0, Names.isName(sides[0]) {
        relations[0] = .equal
        if let next = relations.firstIndex(of: .approximately) {
          sides = Array(sides[...next])
          relations = Array(relations[..<next])
        }
      } else {
        sides = Array(sides[...first])
        relations = Array(relations[..<first])
      }
    }
    sides = try sides.map { try normalize($0, budget) }
    if relations.isEmpty { return sides[0] }
    return .chain(sides, relations.map { $0 == .congruent ? .equal : $0 })
  }
}

extension Expression {
  /// A list of one item is that item.
  var single: Expression {
    if case .list(let items) = self, items.count == 1 { return items[0] }
    return self
  }

  /// "x = 1, 2, 3" says that x is one of three.
  var distributed: Expression {
    guard case .list(let items) = self, items.count > 1, case .chain(let sides, let relations) = items[0],
      relations.allSatisfy({ $0 == .equal }), Names.isName(sides[0]), let last = sides.last
    else { return self }
    for item in items.dropFirst() { if case .chain = item { return self } }
    return .list([last] + items.dropFirst())
  }
}

/// What may stand on the left of an equation that only names its right side.
enum Names {
  static func isName(_ e: Expression) -> Bool {
    switch e {
    case .symbol, .text: true
    case .constant(let constant): constant != .infinity
    case .function(let name, let items):
      switch name {
      case "apply": true
      case "abs", "det": items.allSatisfy(isName)
      case "max", "min", "gcd", "lcm", "cos", "sin", "tan", "Re", "Im", "arg", "subscript":
        items.allSatisfy { $0.isScalar && !$0.symbols.isEmpty }
      default: false
      }
    case .product(let items):
      items.allSatisfy {
        if case .power(let base, .minusOne) = $0 { return isName(base) }
        return isName($0)
      }
    case .tuple(let items), .ratio(let items): items.allSatisfy(isName)
    case .quantity(let inner, _): isName(inner)
    default: false
    }
  }

  /// What a chain of equations says the value is, and of what.
  static func assignment(_ e: Expression) -> (name: Expression?, value: Expression)? {
    guard case .chain(let sides, let relations) = e, let last = sides.last, sides.count > 1,
      relations.allSatisfy({ $0 == .equal || $0 == .memberOf })
    else { return nil }
    let before = sides[sides.count - 2]
    let named = isName(sides[0]) ? sides[0] : isName(before) ? before : nil
    if let named {
      // 5 = x
      if isName(last), last.isScalar, case .constant = last {
      } else if isName(last), sides.count == 2,
        before.isScalar, before.symbols.isEmpty
      {
        return (last, before)
      }
      // x = 2x + 1 gives no value.
      if case .symbol(let name) = named, last.symbols.contains(name) { return nil }
      return (named, last)
    }
    if sides.dropLast().allSatisfy({ $0.isScalar && $0.symbols.isEmpty }) {
      if isName(last), sides.count == 2, !last.symbols.isEmpty { return (last, sides[0]) }
      if last.symbols.isEmpty { return (nil, last) }
    }
    return nil
  }
}
