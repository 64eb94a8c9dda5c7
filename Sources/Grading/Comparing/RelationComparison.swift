/// Compares equations and inequalities.
extension AnswerComparison {
  func compareRelations(_ gold: Expression, _ prediction: Expression) throws -> Finding {
    guard case .chain(let a, let r) = gold, case .chain(let b, let s) = prediction else {
      return .different("one is a relation, the other is not")
    }
    if let first = Names.assignment(gold), let second = Names.assignment(prediction) {
      let sameName = first.name?.key == second.name?.key
      let isText = [first.name, second.name].contains { name in
        if case .text = name { true } else if case .function("apply", _) = name { true } else { name == nil }
      }
      if sameName || isText || r.contains(.memberOf) || s.contains(.memberOf) {
        let finding = try compare(first.value, second.value)
        if !first.value.isScalar || !second.value.isScalar || finding.isEqual || isText { return finding }
      }
    }
    // -2 ≤ x ≤ 7 and x ∈ [-2, 7]
    if r == [.memberOf] || s == [.memberOf] {
      let x = r == [.memberOf] ? a[1] : RealSets.interval(gold)
      let y = s == [.memberOf] ? b[1] : RealSets.interval(prediction)
      guard let x, let y else { return .different("the relations differ") }
      return try compare(x, y)
    }
    if r.count == 1, s.count == 1 {
      if r[0] == .equal, s[0] == .equal || s[0] == .notEqual || s[0].isInequality {
        guard s[0] == .equal else { return .different("one is an equation, the other an inequality") }
      }
      return try compareSingle(a, r[0], b, s[0])
    }
    if r.count == s.count {
      if r == s {
        let finding = try all(a, b, "side")
        if finding.isEqual { return finding }
      }
      if r == s.reversed().map(\.flipped) { return try all(a, b.reversed(), "side") }
    }
    if let first = RealSets.interval(gold), let second = RealSets.interval(prediction),
      RealSets.variable(gold) == RealSets.variable(prediction)
    {
      return try compare(first, second)
    }
    // x = 2 + 3 = 5 against x = 5.
    if let first = Names.assignment(gold), let second = Names.assignment(prediction) {
      if first.name?.key == second.name?.key { return try compare(first.value, second.value) }
    }
    return .different("the relations differ")
  }

  private func compareSingle(
    _ a: [Expression], _ r: Expression.Relation, _ b: [Expression], _ s: Expression.Relation
  ) throws -> Finding {
    guard a.allSatisfy(\.isScalar), b.allSatisfy(\.isScalar) else {
      if r == s {
        let finding = try all(a, b, "side")
        if finding.isEqual { return finding }
      }
      return r.flipped == s ? try all(a, b.reversed(), "side") : .different("the relations differ")
    }
    let sameKind = r == s || r.flipped == s
    guard sameKind || (r.isInequality && s.isInequality) else {
      return .different("the relations are of different kinds")
    }
    let strict = { (relation: Expression.Relation) in relation == .less || relation == .greater }
    if r.isInequality, strict(r) != strict(s) { return .different("one of the inequalities is strict") }
    let first: Expression = .difference(of: a[0], a[1])
    let second: Expression = .difference(of: b[0], b[1])
    // Each says that the difference of its sides is zero, or positive. Equal relations are multiples of each other.
    var pointwise = PointwiseComparison(options, budget)
    switch try pointwise.ratio(first, second) {
    case .constant(let isPositive):
      if r.isInequality {
        return (isPositive ? r : r.flipped) == s
          ? .equal("one inequality is a multiple of the other")
          : .different("the inequalities point opposite ways")
      }
      return .equal("one equation is a multiple of the other")
    case .varying: return .different("the relations differ")
    case .unknown: return .different("no way was found to show that the relations are the same")
    }
  }
}
