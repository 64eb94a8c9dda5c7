/// Reads powers, names and brackets.
extension Parser {
  /// An atom and what follows it: powers, factorials, primes, percent and degree signs.
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
            base = parser.temperature(base) ?? .degrees(base)
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
        case .sign("_"):
          // v^2_0 is the square of v_0.
          guard case .power(let inner, let exponent) = base, let name = inner.plainName else { return base }
          base = .power(.symbol(name + (try parser.subscripted())), exponent)
        case .command("degree"), .command("circ"):
          parser.index += 1
          base = parser.temperature(base) ?? .degrees(base)
        case .sign("!"):
          parser.index += 1
          base = .function("factorial", [base])
        case .sign("'"), .command("prime"):
          parser.index += 1
          base = Parser.primed(base)
        case .sign("%"), .command("percent"):
          parser.index += 1
          base = .percent(base)
        case .word("per") where parser.kind(at: 1) == .word("cent"):
          parser.index += 2
          base = .percent(base)
        case .word(let word), .text(let word):
          guard word.utf8.count <= 12 else { return base }
          if Units.percentWords.contains(word.lowercased()) {
            base = .percent(base)
          } else if Units.degreeWords.contains(word.lowercased()) {
            base = .degrees(base)
          } else {
            return base
          }
          parser.index += 1
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

  /// °C and °F.
  private mutating func temperature(_ base: Expression) -> Expression? {
    let scale: String
    switch kind {
    case .text("C"), .text("c"), .word("C"): scale = "celsius"
    case .text("F"), .word("F"): scale = "fahrenheit"
    default: return nil
    }
    index += 1
    return .quantity(base, unit: Unit(scale))
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
      case .number(let literal) where parser.kind(at: 1) == .sign("_"):
        // The subscript in v^2_0 is that of v, and no base.
        parser.index += 1
        return try parser.numberValue(literal)
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
    if case .number(let literal) = kind, literal.fraction == nil, literal.exponent == 0 {
      // The 2 of ½½ begins no mixed number.
      index += 1
      return try numberValue(literal)
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
        if let number = try parser.numberInWords() { return number }
        parser.index += 1
        return try parser.word(word)
      case .text(let text):
        if let number = try parser.numberInText(text) { return number }
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
