/// `key` is the same text for expressions that differ only in order and grouping.
extension Expression {
  var key: String {
    switch self {
    case .number(let value, _): return value.text
    case .symbol(let name): return name
    case .constant(let constant): return "\(constant)!"
    case .text(let text): return "\"\(text)\""
    case .sum(let items):
      return "(+ " + Self.flatten(items, sum: true).map(\.key).sorted().joined(separator: " ") + ")"
    case .product(let items):
      return "(* " + Self.flatten(items, sum: false).map(\.key).sorted().joined(separator: " ") + ")"
    case .power(let a, let b): return "(^ \(a.key) \(b.key))"
    case .function(let name, let items): return "(\(name) " + items.map(\.key).joined(separator: " ") + ")"
    case .plusMinus(let a, let b, let minus): return "(\(minus ? "∓" : "±") \(a.key) \(b.key))"
    case .percent(let a): return "(% \(a.key))"
    case .degrees(let a): return "(° \(a.key))"
    case .quantity(let a, let unit): return "(unit \(a.key) \(unit.text)\(unit.mayBeLeftOut ? "" : "!"))"
    case .list(let items): return "(list " + items.map(\.key).joined(separator: " ") + ")"
    case .tuple(let items): return "(tuple " + items.map(\.key).joined(separator: " ") + ")"
    case .set(let items): return "(set " + items.map(\.key).sorted().joined(separator: " ") + ")"
    case .interval(let a, let b, let left, let right):
      return "(interval \(left ? "[" : "(") \(a.key) \(b.key) \(right ? "]" : ")"))"
    case .union(let items): return "(union " + items.map(\.key).sorted().joined(separator: " ") + ")"
    case .intersection(let items): return "(meet " + items.map(\.key).sorted().joined(separator: " ") + ")"
    case .difference(let a, let b): return "(without \(a.key) \(b.key))"
    case .matrix(let rows):
      return "(matrix " + rows.map { $0.map(\.key).joined(separator: " ") }.joined(separator: "; ") + ")"
    case .ratio(let items): return "(ratio " + items.map(\.key).joined(separator: " ") + ")"
    case .chain(let sides, let relations):
      return "(chain \(relations) " + sides.map(\.key).joined(separator: " ") + ")"
    }
  }

  private static func flatten(_ items: [Expression], sum: Bool) -> [Expression] {
    items.flatMap { item -> [Expression] in
      switch item {
      case .sum(let inner) where sum: flatten(inner, sum: true)
      case .product(let inner) where !sum: flatten(inner, sum: false)
      default: [item]
      }
    }
  }
}

extension [Expression] {
  /// The first of all items with the same key.
  var withoutRepetitions: [Expression] {
    var seen = Set<String>()
    return filter { seen.insert($0.key).inserted }
  }
}
