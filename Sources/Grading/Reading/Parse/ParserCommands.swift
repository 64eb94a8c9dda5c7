/// Reads LaTeX commands, words and functions.
extension Parser {
  mutating func command(_ name: String) throws -> Expression {
    switch name {
    case "frac", "dfrac", "tfrac", "cfrac":
      let top = try argument()
      let bottom = try argument()
      unitMayFollow = true
      return .quotient(top, bottom)
    case "sqrt": return try root()
    case "binom", "dbinom", "tbinom":
      let top = try argument()
      return .function("binom", [top, try argument()])
    case "pi": return .constant(.pi)
    case "infty": return .constant(.infinity)
    case "emptyset", "varnothing": return .set([])
    case "lfloor", "lceil":
      let content = try nested { parser in try parser.sum() }
      try expect(.command(name == "lfloor" ? "rfloor" : "rceil"))
      return .function(name == "lfloor" ? "floor" : "ceil", [content])
    case "langle":
      let items = try nested { parser in try parser.items() }
      try expect(.command("rangle"))
      return .tuple(items)
    case "overline", "bar", "hat", "widehat", "vec", "overrightarrow", "dot", "ddot", "tilde", "underline":
      return try named("\(name)(\(try argument().key))")
    case "angle", "measuredangle", "triangle":
      return .symbol("\(name)(\(try factor().key))")
    case "mathbb", "mathds":
      return .symbol("set \(try argument().key)")
    case "ldots", "cdots", "dots", "dotsc", "dotsb", "dotsm", "vdots", "ddots": return .symbol("…")
    case "sum", "prod", "int", "iint", "oint", "lim": return try operatorWithBounds(name)
    case "cents", "pounds", "euro": return .text(name)
    case "imath": return .constant(.i)
    default:
      if name.hasPrefix("begin ") { return try environment(String(name.dropFirst(6))) }
      if name.hasPrefix("end ") { throw unexpected() }
      if let function = Commands.functions[name] { return try self.function(function) }
      if Commands.endsTermName(name) { throw unexpected() }
      return try named(name == "varepsilon" ? "epsilon" : name == "varphi" ? "phi" : name)
    }
  }

  private mutating func root() throws -> Expression {
    var degree: Expression = .integer(2)
    if take(.sign("[")) {
      degree = try sum()
      try expect(.sign("]"))
    }
    let inside = kind == .sign("(") ? try atom() : try numberOrArgument()
    return .power(inside, .power(degree, .minusOne))
  }

  // MARK: Functions

  private mutating func function(_ name: String) throws -> Expression {
    var name = name
    var power: Expression?
    var base: Expression?
    while true {
      if kind == .sign("^"), kind(at: 1) != .command("circ") {
        index += 1
        power = try argument()
      } else if kind == .sign("_") {
        index += 1
        base = try numberOrArgument()
      } else {
        break
      }
    }
    if power == .minusOne, ["sin", "cos", "tan", "cot", "sinh", "cosh", "tanh"].contains(name) {
      name = "a" + name
      power = nil
    }
    var arguments: [Expression]
    // A name in a subscript: m_{\max}.
    if kind == nil || kind == .sign("}") || kind == .sign("=") { return .symbol(name) }
    if kind == .sign("(") || kind == .sign("{") || kind == .sign("[") {
      let inside = try atom()
      switch inside {
      case .tuple(let items), .list(let items): arguments = items
      default: arguments = [inside]
      }
      // sin(x)^2 is the square of the sine.
      if kind == .sign("^"), kind(at: 1) != .command("circ"), power == nil, name != "sqrt" {
        index += 1
        power = try argument()
      }
    } else {
      arguments = [try bareArgument()]
    }
    var result = try Self.apply(name, arguments, base: base)
    if let power { result = .power(result, power) }
    unitMayFollow = true
    return result
  }

  private static func apply(_ name: String, _ arguments: [Expression], base: Expression?) throws -> Expression
  {
    switch (name, arguments.count) {
    case ("sqrt", 1): return .squareRoot(arguments[0])
    case ("cbrt", 1): return .power(arguments[0], .fraction(1, 3))
    case ("exp", 1): return .power(.constant(.e), arguments[0])
    case ("cis", 1):
      return .sum([.function("cos", arguments), .product([.constant(.i), .function("sin", arguments)])])
    case ("lg", 1): return .function("logBase", [arguments[0], base ?? .integer(10)])
    case ("log", 1), ("ln", 1):
      if let base { return .function("logBase", [arguments[0], base]) }
    case ("log", 2): return .function("logBase", arguments)
    default: break
    }
    if let base { return .function(name, arguments + [.function("subscript", [base])]) }
    return .function(name, arguments)
  }

  /// The argument of a function without brackets, as in sin 2x. A sign or the next function ends it.
  private mutating func bareArgument() throws -> Expression {
    var isNegative = false
    if take(.sign("-")) { isNegative = true }
    var factors = [try factor()]
    while true {
      try budget.spend()
      switch kind {
      case .number, .sign("{"):
        factors.append(try factor())
      case .word(let word)
      where !Self.isConnective(word) && Commands.functions[word] == nil && word.utf8.count <= 2:
        factors.append(try factor())
      case .command(let name)
      where Commands.greek.contains(name) || ["pi", "frac", "dfrac", "tfrac", "sqrt"].contains(name):
        factors.append(try factor())
      case .command("cdot"):
        // sin 2·x, but not sin x · cos x.
        if case .command(let next) = kind(at: 1), Commands.functions[next] != nil { fallthrough }
        index += 1
        factors.append(try factor())
      default:
        let product = Expression.product(of: factors)
        return isNegative ? .negative(product) : product
      }
    }
  }

  private mutating func operatorWithBounds(_ name: String) throws -> Expression {
    var bounds: [Expression] = []
    while kind == .sign("_") || kind == .sign("^") {
      let isLower = kind == .sign("_")
      index += 1
      bounds.append(.function(isLower ? "from" : "to", [try argument()]))
    }
    let body = try product()
    return .function(name, [body] + bounds)
  }

  // MARK: Words

  mutating func word(_ word: String) throws -> Expression {
    if let function = Commands.functions[word], word.utf8.count > 1 {
      if word == "max" || word == "min" || word == "arg" || word == "det", kind != .sign("(") {
        return .symbol(word)
      }
      return try self.function(function)
    }
    // A Chinese character is a word, a Greek letter a name.
    if word.unicodeScalars.count == 1, word.unicodeScalars.first!.value < 0x400 { return try named(word) }
    switch word {
    case "pi", "Pi", "PI": return .constant(.pi)
    case "infinity", "inf", "infty", "oo", "Infinity": return .constant(.infinity)
    default: break
    }
    if Commands.greek.contains(word) { return try named(word) }
    for prefix in ["sin", "cos", "tan", "cot", "log", "ln", "sqrt", "pi"]
    where word.hasPrefix(prefix) && word.utf8.count - prefix.utf8.count <= 2 {
      // "sinx"
      index -= 1
      lexemes[index].kind = .word(String(word.dropFirst(prefix.utf8.count)))
      lexemes.insert(Lexeme(kind: .word(prefix), isSpaced: false), at: index)
      index += 1
      return try self.word(prefix)
    }
    if word.utf8.count <= 4, word.utf8.allSatisfy(\.isLetter), !Self.isCommonWord(word) {
      // Letters side by side are factors; the last one takes what follows.
      index -= 1
      lexemes.replaceSubrange(
        index..<(index + 1),
        with: word.enumerated().map {
          Lexeme(kind: .word(String($0.element)), isSpaced: $0.offset == 0 && lexemes[index].isSpaced)
        })
      index += 1
      return try named(String(word.prefix(1)))
    }
    hasProse = true
    unitMayFollow = false
    return .text(word)
  }

  static func isCommonWord(_ word: String) -> Bool {
    if word.utf8.count > 8 { return false }
    // In capitals, NO is the line from N to O.
    if word.utf8.allSatisfy({ $0 & 0x20 == 0 }) { return false }
    return [
      "the", "is", "are", "if", "of", "for", "with", "that", "than", "then", "when", "to", "so", "we", "it",
      "be",
      "has", "have", "from", "by", "at", "as", "an", "not", "no", "yes", "true", "odd", "even", "none", "all",
      "any", "east", "west", "only", "les", "des", "est", "une", "donc", "where", "each", "this", "thus",
      "his",
      "her", "can", "was", "on",
    ].contains(word.lowercased())
  }

  mutating func text(_ text: String) throws -> Expression {
    // A letter in another type face is that letter: \mathrm{e}, \mathbf{A}.
    if text.unicodeScalars.count == 1 { return try named(text) }
    if let function = Commands.functions[text] { return try self.function(function) }
    if Commands.greek.contains(text) { return .symbol(text) }
    if text == "Re" || text == "Im" { return .symbol(text) }
    var text = text
    // Texts side by side are one.
    while case .text(let more) = kind, text.utf8.count < 400 {
      index += 1
      text += " " + more
    }
    if kind == .sign("_") {
      index += 1
      text += "_" + (try argument()).key
    }
    return .text(text)
  }

  /// The subscript that stands here, as a part of a name.
  mutating func subscripted() throws -> String {
    try expect(.sign("_"))
    guard case .number(let literal) = kind else { return "_" + (try argument()).key }
    index += 1
    return "_" + literal.integer
  }

  /// A symbol with its subscript, or the application of a function.
  mutating func named(_ name: String) throws -> Expression {
    var name = name
    var isPlain = true
    while kind == .sign("_") {
      isPlain = false
      name += try subscripted()
    }
    while take(.sign("'")) {
      name += "'"
      isPlain = false
    }
    if isPlain {
      if name == "e" { return .constant(.e) }
      if name == "i" { return .constant(.i) }
    }
    unitMayFollow = false
    if kind == .sign("("), index < lexemes.count, isApplication(name) {
      let inside = try atom()
      switch inside {
      case .tuple(let items), .list(let items): return .function("apply", [.symbol(name)] + items)
      default: return .function("apply", [.symbol(name), inside])
      }
    }
    return .symbol(name)
  }

  /// Whether a name before brackets is a function and not a factor: f(x), I(0), u(t), but not n(n+1).
  private func isApplication(_ name: String) -> Bool {
    let letter = name.prefix { $0 != "_" && $0 != "'" }
    if ["f", "g", "h", "F", "G", "H"].contains(letter) { return true }
    guard kind(at: 2) == .sign(")") else { return false }
    switch kind(at: 1) {
    case .number: return name.first?.isUppercase == true || ["p", "q", "y", "u"].contains(letter)
    case .word(let word): return word.utf8.count == 1 && word != name
    case .command(let command): return Commands.greek.contains(command)
    default: return false
    }
  }

  // MARK: Environments

  private mutating func environment(_ name: String) throws -> Expression {
    var rows: [[Expression]] = []
    var row: [Expression] = []
    while true {
      try budget.spend(2)
      if kind == .command("end \(name)") { break }
      if kind == nil { throw unexpected() }
      if take(.rowBreak) {
        if !row.isEmpty { rows.append(row) }
        row = []
        continue
      }
      if take(.sign("&")) { continue }
      if take(.sign(",")) || take(.sign(";")) { continue }
      row.append(try list())
    }
    index += 1
    if !row.isEmpty { rows.append(row) }
    switch name {
    case "pmatrix", "bmatrix", "matrix", "smallmatrix", "array", "Bmatrix", "psmallmatrix", "bsmallmatrix":
      guard let width = rows.first?.count, rows.allSatisfy({ $0.count == width }) else {
        throw GradingError.malformed("a matrix whose rows differ in length")
      }
      return .matrix(rows)
    case "vmatrix", "Vmatrix": return .function("det", [.matrix(rows)])
    default: return .list(rows.flatMap(\.self))
    }
  }
}

extension Expression {
  /// The letter that a symbol is, without a subscript.
  var plainName: String? {
    switch self {
    case .symbol(let name): name.utf8.contains(UInt8(ascii: "_")) ? nil : name
    case .constant(.e): "e"
    case .constant(.i): "i"
    default: nil
    }
  }
}

extension Commands {
  static func endsTermName(_ name: String) -> Bool {
    [
      "rfloor", "rceil", "rvert", "rVert", "rangle", "rbrace", "rbrack", "choose", "circ", "degree", "prime",
      "over",
    ]
    .contains(name) || relations[name] != nil
  }
}
