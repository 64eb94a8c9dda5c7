/// Brings answers into the forms that are compared.
enum Normalization {
  /// Resolves ±, nested lists, arithmetic of matrices, and chains of relations.
  static func normalize(_ e: Expression, _ budget: Budget) throws -> Expression {
    let inner = try withSigns(e, budget)
    // All signs of one expression go together, so its top resolves them once.
    return inner.contains({ if case .plusMinus = $0 { true } else { false } }) ? signs(inner) : inner
  }

  private static func withSigns(_ e: Expression, _ budget: Budget) throws -> Expression {
    try budget.spend()
    switch e {
    case .list(let items): return try .list(items.flatMap { try spread($0, budget) }).distributed.single
    case .set(let items): return .set(try items.flatMap { try spread($0, budget) }.withoutRepetitions)
    case .chain(let sides, let relations): return try chain(sides, relations, budget)
    default:
      let inner = try e.mapChildren { try withSigns($0, budget) }
      return try Matrices.fold(inner, budget) ?? Quantities.fold(inner) ?? inner
    }
  }

  /// The items that one item of a list stands for.
  private static func spread(_ e: Expression, _ budget: Budget) throws -> [Expression] {
    let e = try normalize(e, budget)
    if case .list(let items) = e { return items }
    return [e]
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
    // The end of a chain of implications is the answer.
    if let arrow = relations.lastIndex(of: .implies) {
      sides = Array(sides[(arrow + 1)...])
      relations = Array(relations[(arrow + 1)...])
    }
    // In x = 1/3 ≈ 0.33 the exact value counts, in x ≈ 0.33 the only one.
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

  /// "x = 1, 2, 3" gives three values of x.
  var distributed: Expression {
    guard case .list(let items) = self, items.count > 1, case .chain(let sides, let relations) = items[0],
      relations.allSatisfy({ $0 == .equal }), Names.isName(sides[0]), let last = sides.last
    else { return self }
    for item in items.dropFirst() { if case .chain = item { return self } }
    return .list([last] + items.dropFirst())
  }
}
