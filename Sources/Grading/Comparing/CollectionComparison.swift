/// Compares lists, tuples, sets and intervals.
extension AnswerComparison {
  func compareCollections(_ gold: Expression, _ prediction: Expression) throws -> Finding {
    switch (gold, prediction) {
    case (.tuple(let a), .tuple(let b)):
      return try all(a, b, "component")
    case (.set(let a), .set(let b)):
      return try anyOrder(a, b)
    case (.set(let a), .list(let b)), (.list(let a), .set(let b)):
      return try anyOrder(a.withoutRepetitions, b.withoutRepetitions)
    case (.list(let a), .list(let b)):
      if isRelations(a), isRelations(b) {
        let finding = try anyOrder(a, b)
        if finding.isEqual { return finding }
        if let x = RealSets.union(a), let y = RealSets.union(b) { return try compare(x, y) }
        return finding
      }
      if options.orderMattersInLists { return try all(a, b, "item") }
      let finding = try anyOrder(a, b)
      if !finding.isEqual {
        // Naming a value twice changes nothing.
        let (x, y) = (a.withoutRepetitions, b.withoutRepetitions)
        if x.count > 1, y.count > 1, x.count < a.count || y.count < b.count { return try anyOrder(x, y) }
      }
      return finding
    case (.tuple(let a), .list(let b)), (.list(let a), .tuple(let b)):
      return try all(a, b, "component")
    case (.set(let a), _) where a.count == 1 && prediction.isScalar: return try compare(a[0], prediction)
    case (_, .set(let b)) where b.count == 1 && gold.isScalar: return try compare(gold, b[0])
    case (.list(let a), _):
      if isRelations(a), let x = RealSets.union(a) { return try compareRealSets(x, prediction) }
      return .different("several values against one")
    case (_, .list(let b)):
      if isRelations(b), let y = RealSets.union(b) { return try compareRealSets(gold, y) }
      return .different("one value against several")
    case (.tuple(let a), .set), (.set, .tuple(let a)):
      return .different("a tuple of \(a.count) is no set")
    case (.tuple, _) where prediction.isScalar, (_, .tuple) where gold.isScalar:
      return .different("a tuple is no single value")
    default: return try compareRealSets(gold, prediction)
    }
  }

  private func isRelations(_ items: [Expression]) -> Bool {
    items.contains { if case .chain = $0 { true } else { false } }
  }

  private func compareRealSets(_ gold: Expression, _ prediction: Expression) throws -> Finding {
    guard let a = RealSets.pieces(gold), let b = RealSets.pieces(prediction) else {
      if case .difference(let x, let y) = gold, case .difference(let z, let w) = prediction {
        return try all([x, y], [z, w], "part")
      }
      if case .intersection(let x) = gold, case .intersection(let y) = prediction {
        return try anyOrder(x, y)
      }
      return .different("they are answers of different kinds")
    }
    let first = try RealSets.merged(a, self)
    let second = try RealSets.merged(b, self)
    guard first.count == second.count else { return .different("the sets have different parts") }
    switch try pair(first, with: second, compare) {
    case true?: return .equal("both are the same set")
    case false?: return .different("the sets have different parts")
    case nil: return .undecided("the ends of the intervals could not be compared")
    }
  }

  private func compare(_ a: RealSets.Piece, _ b: RealSets.Piece) throws -> Finding {
    guard a.isLeftClosed == b.isLeftClosed, a.isRightClosed == b.isRightClosed else {
      return .different("an end belongs to one interval but not to the other")
    }
    return try all([a.left, a.right], [b.left, b.right], "end")
  }
}
