/// Decides whether two answers are the same.
struct AnswerComparison {
  let options: GradingOptions
  let budget: Budget

  enum Finding {
    case equal(String), different(String), undecided(String)

    var isEqual: Bool { if case .equal = self { true } else { false } }
    var isUndecided: Bool { if case .undecided = self { true } else { false } }
  }

  /// Compares two normalized expressions.
  func compare(_ gold: Expression, _ prediction: Expression) throws -> Finding {
    let (goldKey, predictedKey) = (gold.key, prediction.key)
    try budget.spend(4 + (goldKey.utf8.count + predictedKey.utf8.count) / 8)
    if goldKey == predictedKey { return .equal("both are the same expression") }
    switch (gold, prediction) {
    case (.text(let a), .text(let b)):
      return TextAnswers.areSame(a, b)
        ? .equal("both are the same words") : .different("the words \"\(a)\" and \"\(b)\" differ")
    case (.list(let a), _) where a.count == 1: return try compare(a[0], prediction)
    case (_, .list(let b)) where b.count == 1: return try compare(gold, b[0])
    case (.chain, .chain): return try compareRelations(gold, prediction)
    case (.chain, _): return try compareChain(gold, with: prediction, goldIsChain: true)
    case (_, .chain): return try compareChain(prediction, with: gold, goldIsChain: false)
    case (.matrix(let a), .matrix(let b)):
      guard a.count == b.count, a[0].count == b[0].count else {
        return .different("the matrices have different sizes")
      }
      return try all(a.flatMap(\.self), b.flatMap(\.self), "entry")
    case (.matrix(let rows), .tuple(let items)), (.tuple(let items), .matrix(let rows)):
      guard options.vectorEqualsTuple, rows.count == 1 || rows[0].count == 1 else {
        return .different("a matrix is no tuple")
      }
      let entries = rows.flatMap(\.self)
      guard entries.count == items.count else { return .different("they have different lengths") }
      if case .matrix = gold { return try all(entries, items, "entry") }
      return try all(items, entries, "entry")
    case (.matrix, .function("det", _)), (.function("det", _), .matrix):
      return .different("a determinant is no matrix")
    case (.ratio(let a), .ratio(let b)):
      return a.count == b.count ? try all(a, b, "part") : .different("the ratios have different lengths")
    case (.function("clock", let a), _): return compareClock(a, prediction)
    case (_, .function("clock", let b)): return compareClock(b, gold)
    // {x | condition}: the condition says it all.
    case (.function("where", let a), _) where a.count == 2:
      return try compare(a[1], prediction)
    case (_, .function("where", let b)) where b.count == 2:
      return try compare(gold, b[1])
    default: break
    }
    if gold.isCollection || prediction.isCollection { return try compareCollections(gold, prediction) }
    if gold.isScalar, prediction.isScalar { return try compareScalars(gold, prediction) }
    return .different("they are answers of different kinds")
  }

  /// Compares items in order.
  func all(_ gold: [Expression], _ prediction: [Expression], _ what: String) throws -> Finding {
    guard gold.count == prediction.count else {
      return .different("there are \(gold.count) and \(prediction.count) of them")
    }
    var doubt: Finding?
    for (index, pair) in zip(gold, prediction).enumerated() {
      let finding = try compare(pair.0, pair.1)
      switch finding {
      case .equal: continue
      case .different(let why): return .different("\(what) \(index + 1): \(why)")
      case .undecided: doubt = finding
      }
    }
    return doubt ?? .equal("they agree \(what) by \(what)")
  }

  /// Compares items in any order.
  func anyOrder(_ gold: [Expression], _ prediction: [Expression]) throws -> Finding {
    guard gold.count == prediction.count else {
      return .different("there are \(gold.count) values and \(prediction.count)")
    }
    // Items with the same key are partners; only the others need comparing.
    var counts: [String: Int] = [:]
    for item in prediction { counts[item.key, default: 0] += 1 }
    let unmatched = gold.filter { item in
      guard let count = counts[item.key], count > 0 else { return true }
      counts[item.key] = count - 1
      return false
    }
    let rest = prediction.filter { item in
      guard let count = counts[item.key], count > 0 else { return false }
      counts[item.key] = count - 1
      return true
    }
    switch try pair(unmatched, with: rest, compare) {
    case true?: return .equal("both have the same values")
    case false?: return .different("one of the values is missing")
    case nil: return .undecided("some values could not be compared")
    }
  }

  /// Whether each item has an equal partner of its own; nil when that is undecided.
  func pair<Item>(
    _ items: [Item], with others: [Item], _ compare: (Item, Item) throws -> Finding
  ) rethrows -> Bool? {
    var others = others
    var isDoubtful = false
    for item in items {
      var mayHavePartner = false
      let partner = try others.firstIndex { other in
        let finding = try compare(item, other)
        mayHavePartner = mayHavePartner || finding.isUndecided
        return finding.isEqual
      }
      if let partner {
        others.remove(at: partner)
      } else if mayHavePartner {
        isDoubtful = true
      } else {
        return false
      }
    }
    return isDoubtful ? nil : true
  }

  /// Compares a time of day, in minutes, with one that may lack "a.m." or "p.m.", as a unit may be left out.
  private func compareClock(_ time: [Expression], _ other: Expression) -> Finding {
    let different = Finding.different("the times differ")
    if case .function("clock", let second) = other {
      return time == second ? .equal("both are the same time") : different
    }
    guard case .number(let minutes, _) = time[0], let given = Clock.minutes(other) else { return different }
    if given == minutes, case .ratio = other { return .equal("both are the same time") }
    let half = Rational(720)
    guard options.unitIsOptional, given < Rational(780), given >= Rational(60),
      ((given - minutes) / half).isInteger
    else { return different }
    return .equal("both are the same time, \"a.m.\" or \"p.m.\" left out")
  }

  // MARK: Relations against values

  private func compareChain(_ chain: Expression, with other: Expression, goldIsChain: Bool) throws -> Finding
  {
    func ordered(_ a: Expression) throws -> Finding {
      goldIsChain ? try compare(a, other) : try compare(other, a)
    }
    if let assignment = Names.assignment(chain) {
      guard options.leftSideIsOptional else { return .different("one is an equation, the other is not") }
      let finding = try ordered(assignment.value)
      if case .equal(let why) = finding { return .equal("the side that gives the value: \(why)") }
      return finding
    }
    if other.isCollection, let interval = RealSets.interval(chain) {
      let finding = try ordered(interval)
      if case .equal = finding { return .equal("the inequality describes that interval") }
      return finding
    }
    return .different("one is a relation, the other is not")
  }
}

extension Expression {
  var isCollection: Bool {
    switch self {
    case .list, .tuple, .set, .interval, .union, .intersection, .difference: true
    case .symbol(let name): name == "set R"
    default: false
    }
  }
}
