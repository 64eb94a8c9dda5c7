/// Reads lexemes into an expression. This file has lists, relations, sums and products.
struct Parser {
  var lexemes: [Lexeme]
  var index = 0
  let budget: Budget
  private var depth = 0
  /// The number of open bars of |x|: the next bar closes one.
  var openBars = 0
  /// Whether words outside \text{} are neither functions nor units, as in prose.
  var hasProse = false
  /// Whether the number before may carry a unit.
  var unitMayFollow = false
  let notation: Notation

  static let maxDepth = 96
  /// The number of signs that nest without brackets: 5!!!, a ± b ± c.
  private var wraps = 0

  /// Counts a sign that nests without brackets.
  mutating func wrap() throws {
    wraps += 1
    if wraps > Self.maxDepth { throw GradingError.tooDeep }
  }

  init(_ lexemes: [Lexeme], _ budget: Budget, _ notation: Notation) {
    self.lexemes = lexemes
    self.budget = budget
    self.notation = notation
  }

  /// Reads a whole text.
  static func parse(_ bytes: [UInt8], _ budget: Budget, _ notation: Notation = Notation()) throws
    -> (expression: Expression, hasProse: Bool)
  {
    var lexemes = try Lexer.lexemes(of: bytes, budget, notation)
    while let last = lexemes.last?.kind,
      last == .sign(",") || last == .sign(";") || last == .sign(":") || last == .rowBreak
    {
      lexemes.removeLast()
    }
    while let first = lexemes.first?.kind, first == .sign(":") || first == .sign("&") || first == .sign(",") {
      lexemes.removeFirst()
    }
    if lexemes.isEmpty { throw GradingError.malformed("nothing") }
    var parser = Parser(lexemes, budget, notation)
    let expression = try parser.list()
    guard parser.index == parser.lexemes.count else { throw parser.unexpected() }
    return (expression, parser.hasProse)
  }

  // MARK: Lexemes

  var kind: Lexeme.Kind? { index < lexemes.count ? lexemes[index].kind : nil }
  func kind(at offset: Int) -> Lexeme.Kind? {
    index + offset < lexemes.count && index + offset >= 0 ? lexemes[index + offset].kind : nil
  }

  mutating func take(_ wanted: Lexeme.Kind) -> Bool {
    guard kind == wanted else { return false }
    index += 1
    return true
  }

  mutating func expect(_ wanted: Lexeme.Kind) throws {
    if !take(wanted) { throw unexpected() }
  }

  func unexpected() -> GradingError {
    guard let kind else { return .malformed("the end") }
    return .malformed("\(kind)")
  }

  /// Runs `body` one level deeper.
  mutating func nested<T>(_ body: (inout Parser) throws -> T) throws -> T {
    depth += 1
    defer { depth -= 1 }
    if depth > Self.maxDepth { throw GradingError.tooDeep }
    try budget.spend(2)
    return try body(&self)
  }

  // MARK: Lists

  /// The number of lexemes of the separator that stands here; nil when there is none.
  private var separatorLength: Int? {
    switch kind {
    case .sign(","), .sign(";"): return 1
    case .command("land"), .command("lor"), .command("wedge"), .command("vee"): return 1
    case .word(let word) where Self.isConnective(word): return 1
    case .text(let text):
      let words = text.split { " ,".contains($0) }
      return !words.isEmpty && words.allSatisfy { Self.isConnective(String($0)) } ? 1 : nil
    default: return nil
    }
  }

  static func isConnective(_ word: String) -> Bool {
    word.utf8.count <= 10 && connectives.contains(word.lowercased())
  }

  private static let connectives: Set<String> = [
    "and", "or", "et", "und", "ou", "oder", "или", "和", "或", "与", "以及", "و", "أو", "और", "या",
  ]

  mutating func list() throws -> Expression {
    let items = try nested { parser in try parser.items() }
    return items.count == 1 ? items[0] : .list(items)
  }

  mutating func items() throws -> [Expression] {
    var items = [try relation()]
    // Semicolons make groups; these are their beginnings.
    var groups = [0]
    var hasCommas = false
    while let length = separatorLength {
      if kind == .sign(";") { groups.append(items.count) } else { hasCommas = true }
      index += length
      while let more = separatorLength { index += more }
      if kind == nil || isCloser { break }
      items.append(try relation())
    }
    // "p = 5, q = 2; p = 7, q = 2" is two pairs.
    guard hasCommas, groups.count > 1 else { return Compounds.joined(items) }
    return groups.indices.map { group in
      let part = Array(items[groups[group]..<(group + 1 < groups.count ? groups[group + 1] : items.count)])
      return part.count == 1 ? part[0] : .tuple(part)
    }
  }

  private var isCloser: Bool {
    switch kind {
    case .sign(")"), .sign("]"), .sign("}"), .setClose, .rowBreak, .sign("&"): true
    case .command(let name): name == "rbrace" || name == "rangle" || name.hasPrefix("end ")
    default: false
    }
  }

  // MARK: Relations

  private func relation(at kind: Lexeme.Kind?) -> Expression.Relation? {
    switch kind {
    case .sign("="): .equal
    case .sign("<"): .less
    case .sign(">"): .greater
    case .command(let name): Commands.relations[name]
    case .word("in"): .memberOf
    default: nil
    }
  }

  mutating func relation() throws -> Expression {
    while take(.sign("&")) {}
    // "\approx 3" and "= 3" continue an equation whose left side stands elsewhere.
    while let relation = relation(at: kind), !relation.isInequality, relation != .notEqual { index += 1 }
    if case .command("therefore") = kind { index += 1 }
    var sides = [try sets()]
    var relations: [Expression.Relation] = []
    while true {
      while kind == .sign("&"), relation(at: kind(at: 1)) != nil { index += 1 }
      if case .command("not") = kind, relation(at: kind(at: 1)) == .equal {
        index += 2
        relations.append(.notEqual)
        sides.append(try sets())
        continue
      }
      if kind == .sign(":") || kind == .command("colon"), relations.isEmpty {
        index += 1
        if take(.sign("=")) {
          relations.append(.equal)
          sides.append(try sets())
          continue
        }
        return try ratio(sides[0])
      }
      guard let relation = relation(at: kind) else { break }
      index += 1
      while take(.sign("&")) {}
      if relation == .congruent, kind == nil { break }
      relations.append(relation)
      sides.append(try sets())
    }
    // "(mod 11)" behind an answer is ignored.
    if case .command("pmod") = kind { try skipModulus() }
    return relations.isEmpty ? sides[0] : .chain(sides, relations)
  }

  private mutating func skipModulus() throws {
    index += 1
    _ = try atom()
  }

  private mutating func ratio(_ first: Expression) throws -> Expression {
    var items = [first]
    repeat { items.append(try sets()) } while take(.sign(":")) || take(.command("colon"))
    if let relation = relation(at: kind) {
      index += 1
      return .chain([.ratio(items), try self.relation()], [relation])
    }
    return .ratio(items)
  }

  private mutating func sets() throws -> Expression {
    var result = try sum()
    while case .command(let name) = kind {
      switch name {
      case "cup", "bigcup":
        var items = [result]
        if case .union(let first) = result { items = first }
        while kind == .command("cup") || kind == .command("bigcup") {
          index += 1
          items.append(try sum())
        }
        result = .union(items)
      case "cap", "bigcap":
        index += 1
        try wrap()
        result = .intersection([result, try sum()])
      case "setminus", "backslash":
        index += 1
        try wrap()
        result = .difference(result, try sum())
      default: return result
      }
    }
    if case .word("U") = kind, isSet(result) {
      index += 1
      result = .union([result, try sets()])
      if case .union(let items) = result, case .union(let inner) = items[1] {
        result = .union([items[0]] + inner)
      }
    }
    return result
  }

  private func isSet(_ e: Expression) -> Bool {
    switch e {
    case .interval, .set: true
    case .tuple(let items): items.count == 2
    default: false
    }
  }

  // MARK: Sums and products

  mutating func sum() throws -> Expression {
    try nested { parser in
      var terms: [Expression] = []
      func joined() -> Expression { terms.count == 1 ? terms[0] : .sum(terms) }
      while true {
        try parser.budget.spend()
        switch parser.kind {
        case .sign("+"):
          parser.index += 1
          if parser.kind == .sign("-") || parser.kind == .sign("+") { continue }
          terms.append(try parser.product())
        case .sign("-"):
          parser.index += 1
          terms.append(.negative(try parser.signed { try $0.product() }))
        case .command("pm"), .command("mp"):
          try parser.wrap()
          let minus = parser.kind == .command("mp")
          parser.index += 1
          let right = try parser.product()
          let left = terms.isEmpty ? Expression.zero : joined()
          terms = [.plusMinus(left, right, isMinusPlus: minus)]
        default:
          guard terms.isEmpty else { return joined() }
          terms.append(try parser.product())
        }
      }
    }
  }

  /// What `read` reads, behind any number of signs: --3, 2 · -3.
  private mutating func signed(_ read: (inout Parser) throws -> Expression) throws -> Expression {
    var isNegative = false
    while true {
      if take(.sign("-")) { isNegative.toggle() } else if !take(.sign("+")) { break }
    }
    let value = try read(&self)
    return isNegative ? .negative(value) : value
  }

  mutating func product() throws -> Expression {
    unitMayFollow = false
    var units = 0
    var factors = [try money() ?? feetAndInches() ?? factor()]
    while true {
      try budget.spend()
      switch kind {
      case .sign("*"), .command("cdot"), .command("times"), .command("ast"), .command("bullet"):
        factors.append(try nextFactor())
      case .sign("/"), .command("div"):
        // $15/hour
        if case .quantity(let value, let unit) = factors[0], factors.count == 1,
          let more = try continuedUnit(unit.text)
        {
          factors = [.quantity(value, unit: Unit(more))]
          continue
        }
        factors.append(.power(try nextFactor(), .minusOne))
      case .command("bmod"), .command("mod"):
        try wrap()
        factors = [.function("mod", [.product(of: factors), try nextFactor()])]
      default:
        if case .quantity = factors[0], factors.count == 1 {
          if try behindQuantity(&factors) {
            units += 1
            if units > 8 { throw GradingError.tooDeep }
            continue
          }
        } else if let multiplier = takeMultiplier() {
          factors.append(multiplier)
          unitMayFollow = true
          continue
        } else if let unit = try unit(after: factors) {
          factors = Self.attach(unit, to: factors)
          continue
        } else if let angle = try minutesOfArc(factors) {
          factors = [angle]
          continue
        }
        guard startsAtom else { return .product(of: factors) }
        if case .number = kind, index > 0, case .number = lexemes[index - 1].kind, !isBaseOfNextPower {
          throw unexpected()
        }
        factors.append(try factor())
      }
    }
  }

  /// A unit belongs to all factors before it, or to what follows the last quantity: 5 m · 3 m, 60 mi / 2 h.
  private static func attach(_ unit: Unit, to factors: [Expression]) -> [Expression] {
    let hasQuantity = factors.contains {
      if case .quantity = $0 { true } else if case .power(.quantity, _) = $0 { true } else { false }
    }
    guard hasQuantity, let last = factors.last else { return [.quantity(.product(of: factors), unit: unit)] }
    if case .power(let base, .minusOne) = last {
      return factors.dropLast() + [.power(.quantity(base, unit: unit), .minusOne)]
    }
    return factors.dropLast() + [.quantity(last, unit: unit)]
  }

  /// Whether 3 begins a factor in 2^6 3^5: the number before is an exponent, and a blank follows it.
  private var isBaseOfNextPower: Bool { kind(at: -2) == .sign("^") && lexemes[index].isSpaced }

  /// The factor behind a sign of multiplication or division.
  private mutating func nextFactor() throws -> Expression {
    index += 1
    unitMayFollow = false
    return try signed { try $0.factor() }
  }

  /// Whether a factor can begin here without a sign for "times".
  private var startsAtom: Bool {
    switch kind {
    case .number, .setOpen: true
    case .word(let word): !Self.isConnective(word) && word != "in"
    case .text(let text): separatorLength == nil && !text.isEmpty
    case .sign("("), .sign("["), .sign("{"): true
    case .sign("|"): openBars == 0
    case .command(let name):
      !(Commands.relations[name] != nil || name.hasPrefix("end ") || Self.endsTerm.contains(name))
    default: false
    }
  }

  private static let endsTerm: Set<String> = [
    "cup", "cap", "bigcup", "bigcap", "setminus", "backslash", "pm", "mp", "rfloor", "rceil", "rvert",
    "rVert", "rangle", "rbrace", "rbrack", "vert", "Vert", "mid", "pmod", "land", "lor", "wedge", "vee",
    "circ", "degree", "prime", "cdot", "times", "div", "ast", "bullet", "choose", "bmod", "mod", "percent",
    "not", "colon", "over", "because", "therefore", "parallel", "perp",
  ]
}
