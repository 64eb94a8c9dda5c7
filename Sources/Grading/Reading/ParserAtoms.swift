/// Powers, numbers, names, brackets.
extension Parser {
  /// An atom with what is written behind it: powers, factorials, primes, percent and degree signs.
  mutating func factor() throws -> Expression {
    try nested { parser in
      var base = try parser.atom()
      var levels = 0
      while true {
        try parser.budget.spend()
        levels += 1
        if levels > 32 { throw GradingError.tooDeep }
        switch parser.kind {
        case .sign("^"):
          if parser.takesDegreeSign() {
            base = .degrees(base)
            continue
          }
          parser.index += 1
          if case .command("prime") = parser.kind {
            parser.index += 1
            base = Parser.primed(base)
            continue
          }
          if parser.kind == .sign("{"), parser.kind(at: 1) == .command("prime") {
            parser.index += 1
            while parser.take(.command("prime")) { base = Parser.primed(base) }
            try parser.expect(.sign("}"))
            continue
          }
          base = .power(base, try parser.exponent())
        case .command("degree"), .command("circ"):
          parser.index += 1
          base = .degrees(base)
        case .sign("!"):
          parser.index += 1
          base = .function("factorial", [base])
        case .sign("'"), .command("prime"):
          parser.index += 1
          base = Parser.primed(base)
        case .sign("%"), .command("percent"):
          parser.index += 1
          base = .percent(base)
        case .word(let word) where Units.percentWords.contains(word.lowercased()):
          parser.index += 1
          base = .percent(base)
        case .text(let word) where Units.percentWords.contains(word.lowercased()):
          parser.index += 1
          base = .percent(base)
        case .word(let word) where Units.degreeWords.contains(word.lowercased()):
          parser.index += 1
          base = .degrees(base)
        case .text(let word) where Units.degreeWords.contains(word.lowercased()):
          parser.index += 1
          base = .degrees(base)
        default: return base
        }
      }
    }
  }

  private static func primed(_ base: Expression) -> Expression {
    if case .symbol(let name) = base { return .symbol(name + "'") }
    return .function("prime", [base])
  }

  /// ^\circ or ^{\circ}, also ^o.
  private mutating func takesDegreeSign() -> Bool {
    for name in ["circ", "degree"] {
      if kind(at: 1) == .command(name) {
        index += 2
        return true
      }
      if kind(at: 1) == .sign("{"), kind(at: 2) == .command(name), kind(at: 3) == .sign("}") {
        index += 4
        return true
      }
    }
    return false
  }

  private mutating func exponent() throws -> Expression {
    try nested { parser in
      switch parser.kind {
      case .sign("{"): return try parser.group()
      case .sign("-"):
        parser.index += 1
        return .negative(try parser.exponent())
      case .sign("+"):
        parser.index += 1
        return try parser.exponent()
      default:
        let base = try parser.atom()
        // Powers of powers are read from the right: 2^3^2.
        if parser.kind == .sign("^"), parser.kind(at: 1) != .command("circ") {
          parser.index += 1
          return .power(base, try parser.exponent())
        }
        return base
      }
    }
  }

  /// { … }
  mutating func group() throws -> Expression {
    try expect(.sign("{"))
    if take(.sign("}")) { throw GradingError.malformed("empty braces") }
    let bars = openBars
    openBars = 0
    let content = try list()
    openBars = bars
    if case .command("choose") = kind {
      index += 1
      let below = try list()
      try expect(.sign("}"))
      return .function("binom", [content, below])
    }
    if case .command("over") = kind {
      index += 1
      let below = try list()
      try expect(.sign("}"))
      return .quotient(content, below)
    }
    try expect(.sign("}"))
    return content
  }

  /// The argument of a command: braces, or the next digit or letter.
  mutating func argument() throws -> Expression {
    if kind == .sign("{") { return try group() }
    if case .number(var literal) = kind, literal.fraction == nil, literal.exponent == 0,
      literal.integer.utf8.count > 1
    {
      // \frac12 is \frac{1}{2}.
      let first = String(literal.integer.removeFirst())
      lexemes[index].kind = .number(literal)
      lexemes[index].isSpaced = false
      return try numberValue(NumberLiteral(integer: first))
    }
    if case .word(let word) = kind, word.utf8.count > 1 {
      lexemes[index].kind = .word(String(word.dropFirst()))
      return .symbol(String(word.prefix(1)))
    }
    if kind == .sign("-") {
      index += 1
      return .negative(try argument())
    }
    return try atom()
  }

  // MARK: Atoms

  mutating func atom() throws -> Expression {
    try nested { parser in
      guard let kind = parser.kind else { throw parser.unexpected() }
      switch kind {
      case .number(let literal):
        parser.index += 1
        return try parser.number(literal)
      case .word(let word):
        parser.index += 1
        return try parser.word(word)
      case .text(let text):
        parser.index += 1
        return try parser.text(text)
      case .sign("("), .sign("["): return try parser.bracketed()
      case .sign("{"): return try parser.group()
      case .setOpen, .command("lbrace"):
        parser.index += 1
        return try parser.set()
      case .sign("|"), .command("lvert"), .command("vert"), .command("Vert"), .command("lVert"):
        return try parser.absolute(kind)
      case .command(let name):
        parser.index += 1
        return try parser.command(name)
      case .sign("+"), .sign("-"): return try parser.sum()
      default: throw parser.unexpected()
      }
    }
  }

  func numberValue(_ literal: NumberLiteral) throws -> Expression {
    let count = literal.integer.utf8.count + (literal.fraction?.utf8.count ?? 0)
    // Reading digits is quadratic.
    guard count <= 3000 else { throw GradingError.outOfSteps }
    try budget.spend(count / 16 + count * count / 2048)
    guard var value = Rational(literal.integer + (literal.fraction ?? "")) else {
      throw GradingError.malformed("the number \(literal.integer)")
    }
    let places = literal.fraction?.utf8.count ?? 0
    let scale = Rational.powerOfTen(places)
    value = value / scale
    if let repeating = literal.repeating, repeating.utf8.count < 1000, let cycle = Rational(repeating) {
      value = value + cycle / ((.powerOfTen(repeating.utf8.count) - .one) * scale)
      return .number(value, decimals: nil)
    }
    var decimals: Int? = literal.fraction == nil ? nil : places
    if literal.exponent != 0 {
      guard abs(literal.exponent) <= 4000 else {
        return .product([.number(value, decimals: nil), .power(.integer(10), .integer(literal.exponent))])
      }
      let scale = try Rational(10).power(literal.exponent, budget)
      value = value * scale
      decimals = max(0, places - literal.exponent)
      if decimals == 0 { decimals = nil }
    }
    return .number(value, decimals: decimals)
  }

  private mutating func number(_ literal: NumberLiteral) throws -> Expression {
    unitMayFollow = true
    // 204_5, 1A_{16}
    if literal.fraction == nil, literal.exponent == 0 {
      if kind == .sign("_") { return try inBase(literal.integer) }
      if case .word(let word) = kind, kind(at: 1) == .sign("_"), !lexemes[index].isSpaced,
        word.utf8.allSatisfy({ $0 >= 0x41 && $0 <= 0x46 })
      {
        var digits = literal.integer + word
        let start = index
        index += 1
        while case .number(let more) = kind, kind(at: 1) == .sign("_") {
          digits += more.integer
          index += 1
        }
        if let value = try? inBase(digits) { return value }
        index = start
      }
    }
    let value = try numberValue(literal)
    return try mixed(value, literal) ?? value
  }

  /// 1\frac{4}{5} and "1 4/5".
  private mutating func mixed(_ whole: Expression, _ literal: NumberLiteral) throws -> Expression? {
    guard literal.fraction == nil, literal.exponent == 0 else { return nil }
    let start = index
    if case .command(let name) = kind, ["frac", "dfrac", "tfrac", "cfrac"].contains(name) {
      let saved = lexemes
      index += 1
      if let top = try? argument(), let bottom = try? argument(), case .number(let n, nil) = top,
        case .number(let d, nil) = bottom, n.isInteger, d.isInteger, !d.isZero, !n.isNegative, n < d
      {
        if case .number(let w, _) = whole {
          return .sum([.number(w, decimals: nil), .number(n / d, decimals: nil)])
        }
      }
      lexemes = saved
      index = start
    } else if case .number(let top) = kind, lexemes[index].isSpaced, top.fraction == nil, top.exponent == 0,
      kind(at: 1) == .sign("/"), case .number(let bottom) = kind(at: 2), bottom.fraction == nil
    {
      let n = try numberValue(top)
      let d = try numberValue(bottom)
      if case .number(let n, _) = n, case .number(let d, _) = d, !d.isZero, n < d,
        case .number(let w, _) = whole
      {
        index += 3
        return .sum([.number(w, decimals: nil), .number(n / d, decimals: nil)])
      }
    }
    return nil
  }

  private mutating func inBase(_ digits: String) throws -> Expression {
    try expect(.sign("_"))
    let base: Expression
    if case .text(let word) = kind {
      index += 1
      base = .integer(Units.numberWords[word.lowercased()] ?? 0)
    } else if kind == .sign("{"), case .text(let word) = kind(at: 1), kind(at: 2) == .sign("}") {
      index += 3
      base = .integer(Units.numberWords[word.lowercased()] ?? 0)
    } else if case .number(let literal) = kind {
      index += 1
      base = try numberValue(literal)
    } else {
      base = try argument()
    }
    try budget.spend(digits.utf8.count * digits.utf8.count / 1024 + 1)
    guard case .number(let value, _) = base, let radix = value.int, (2...36).contains(radix),
      let number = Rational(digits, radix: radix)
    else { throw GradingError.malformed("a subscript that is no base") }
    return .function("base", [.number(number, decimals: nil), .integer(radix), .symbol(digits)])
  }

  // MARK: Brackets

  private mutating func bracketed() throws -> Expression {
    let opensClosed = kind == .sign("[")
    index += 1
    let bars = openBars
    openBars = 0
    if take(.sign(")")) { return .tuple([]) }
    let items = try nested { parser in try parser.items() }
    openBars = bars
    let closesClosed: Bool
    if take(.sign(")")) {
      closesClosed = false
    } else if take(.sign("]")) {
      closesClosed = true
    } else {
      throw unexpected()
    }
    if items.count == 1 {
      if case .list(let inner) = items[0] { return .tuple(inner) }
      return items[0]
    }
    if items.count == 2, opensClosed || closesClosed {
      return .interval(items[0], items[1], isLeftClosed: opensClosed, isRightClosed: closesClosed)
    }
    return .tuple(items)
  }

  private mutating func set() throws -> Expression {
    if take(.setClose) { return .set([]) }
    let bars = openBars
    openBars = 1  // so that | separates
    defer { openBars = bars }
    let items = try nested { parser in try parser.items() }
    if kind == .command("mid") || kind == .sign("|") || kind == .sign(":") || kind == .command("colon")
      || kind == .command("vert")
    {
      // {x | condition}: the condition says it all.
      index += 1
      openBars = 0
      let condition = try list()
      try closeSet()
      return .function("where", items + [condition])
    }
    if items.count == 1, case .ratio(let parts) = items[0], parts.count == 2 {
      try closeSet()
      return .function("where", parts)
    }
    if items.count == 1, case .chain(let sides, let relations) = items[0], case .ratio(let parts) = sides[0],
      parts.count == 2
    {
      try closeSet()
      return .function("where", [parts[0], .chain([parts[1]] + sides.dropFirst(), relations)])
    }
    try closeSet()
    if items.count == 1, case .list(let inner) = items[0] { return .set(inner) }
    return .set(items)
  }

  private mutating func closeSet() throws {
    if !take(.setClose), !take(.command("rbrace")) { throw unexpected() }
  }

  private mutating func absolute(_ opener: Lexeme.Kind) throws -> Expression {
    index += 1
    let bars = openBars
    openBars = 1
    defer { openBars = bars }
    let content = try nested { parser in try parser.sum() }
    switch kind {
    case .sign("|"), .command("rvert"), .command("vert"), .command("Vert"), .command("rVert"): index += 1
    default: throw unexpected()
    }
    return .function("abs", [content])
  }
}
