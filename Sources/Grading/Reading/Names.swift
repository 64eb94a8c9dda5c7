/// What may stand on the left of an equation that only names its right side: x, f(x), |AB|.
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

  /// The value that a chain of equations gives, and the name of what has it.
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
