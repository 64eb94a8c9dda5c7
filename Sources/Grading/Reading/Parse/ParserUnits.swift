/// Reads units, money and quantities in two units.
extension Parser {
  /// The unit that stands here behind a number; nil when it is something else.
  mutating func unit(after factors: [Expression]) throws -> Unit? {
    try budget.spend(4 + factors.count / 4)
    var name: String
    var mayBeVariables = false
    switch kind {
    case .text(let prefix) where kind(at: 1) == .command("Omega") && Units.isKnown(prefix + "Ω"):
      index += 1
      name = prefix + "Ω"
    case .text(let text):
      guard text.unicodeScalars.count > 1 || Units.isKnown(text), !isSeparator, text.utf8.count < 200 else {
        return nil
      }
      if Commands.functions[text] != nil && (!Units.isKnown(text) || kind(at: 1) == .sign("("))
        || Units.percentWords.contains(text.lowercased())
      {
        return nil
      }
      if NumberWords.value([text]) != nil { return nil }
      name = Self.halfDay(text) ?? text
    case .currency(let code): name = code
    case .command("cents"), .command("pounds"), .command("euro"):
      guard case .command(let money) = kind else { return nil }
      name = money == "pounds" ? "GBP" : money
    case .command("Omega") where unitMayFollow && lexemes[index].isSpaced: name = "Ω"
    case .command("mu") where unitMayFollow:
      guard case .text(let rest) = kind(at: 1), Units.isKnown("μ" + rest) else { return nil }
      index += 1
      name = "μ" + rest
    case .command("frac"), .command("dfrac"), .command("tfrac"):
      guard unitMayFollow, factors.allSatisfy(\.isScalar), let unit = fractionOfUnits() else { return nil }
      return unit
    case .word("in"):
      // An inch, where no interval follows.
      guard unitMayFollow, endsUnit(kind(at: 1)) else { return nil }
      name = "in"
    case .word(let word):
      guard let plain = plainUnit(word) else { return nil }
      (name, mayBeVariables) = plain
    default: return nil
    }
    guard factors.allSatisfy({ $0.isScalar && !$0.contains { if case .text = $0 { true } else { false } } })
    else {
      return nil
    }
    index += 1
    while let more = try continuedUnit(name) { name = more }
    var unit = Unit(name)
    unit.mayBeVariables = mayBeVariables
    return unit
  }

  private var isSeparator: Bool {
    guard case .text(let text) = kind, text.utf8.count <= 20 else { return false }
    let words = text.split { " ,".contains($0) }
    return words.isEmpty || words.allSatisfy { Self.isConnective(String($0)) }
  }

  /// A unit outside \text{}, and whether its letters may be variables.
  private mutating func plainUnit(_ word: String) -> (name: String, mayBeVariables: Bool)? {
    guard unitMayFollow, word.utf8.count <= 60 else { return nil }
    if let half = Self.halfDay(word),
      lexemes[index].isSpaced || kind(at: -2) == .sign(":") || notation.lettersAreUnits
    {
      return (half, false)
    }
    if word == "sq" || word == "cu", let next = name(kind(at: 1)), Units.isKnown(next) {
      index += 1
      return (word + " " + next, false)
    }
    if UnitTable.unmistakable.contains(word) || word.utf8.count > 2 && Units.isKnown(word) {
      return (word, false)
    }
    if UnitTable.mayBeVariables(word), !UnitTable.entries(word).isEmpty {
      // 3 h 20 min: a smaller unit follows.
      if case .number = kind(at: 1), let next = name(kind(at: 2)),
        Units.continues(Unit(word), Unit(next)) != nil
      {
        return (word, false)
      }
      return notation.lettersAreUnits && lexemes[index].isSpaced ? (word, true) : nil
    }
    // What is counted, in a language that is no English: 3页, 20 рублей. A sentence is no unit.
    guard let first = word.unicodeScalars.first, first.value > 0x3FF, word.utf8.count > 2,
      !Self.isConnective(word)
    else { return nil }
    if word.unicodeScalars.count > (first.value > 0x2E80 ? 4 : 12) { return nil }
    return (word, false)
  }

  private func name(_ kind: Lexeme.Kind?) -> String? {
    switch kind {
    case .word(let word), .text(let word): word.utf8.count <= 24 ? word : nil
    default: nil
    }
  }

  private func endsUnit(_ kind: Lexeme.Kind?) -> Bool {
    switch kind {
    case nil, .number, .sign(","), .sign(";"), .sign(")"), .sign("}"), .sign("]"), .rowBreak: true
    case .word(let word), .text(let word): Self.isConnective(word)
    default: false
    }
  }

  /// What follows a unit and belongs to it: ^2, /s, per hour, ·m.
  mutating func continuedUnit(_ name: String) throws -> String? {
    guard name.utf8.count < 200 else { return nil }
    switch kind {
    case .sign("^") where kind(at: 1) != .command("circ"):
      index += 1
      return name + "^" + (try argument()).key
    case .sign("/"), .word("per"):
      guard let next = self.name(kind(at: 1)),
        isText(kind(at: 1)) || Units.isKnown(next) || kind == .word("per")
      else {
        return nil
      }
      index += 2
      return name + " per " + next
    case .sign("*"), .command("cdot"), .command("times"):
      guard let next = self.name(kind(at: 1)), isText(kind(at: 1)) || notation.lettersAreUnits,
        Units.isKnown(next)
      else {
        return nil
      }
      index += 2
      return name + " " + next
    case .text(let more):
      guard !isSeparator, !more.hasPrefix(","), Self.halfDay(more) == nil, NumberWords.value([more]) == nil
      else {
        return nil
      }
      index += 1
      return name + " " + more
    case .word(let more)
    where more.utf8.count > 2 && Units.isKnown(more) || UnitTable.unmistakable.contains(more):
      index += 1
      return name + " " + more
    default: return nil
    }
  }

  private func isText(_ kind: Lexeme.Kind?) -> Bool { if case .text = kind { true } else { false } }

  /// \frac{\text{km}}{\text{h}} as a unit.
  private mutating func fractionOfUnits() -> Unit? {
    var place = 1
    var parts: [String] = []
    for _ in 0..<2 {
      guard kind(at: place) == .sign("{") else { return nil }
      place += 1
      var part = ""
      while let kind = kind(at: place), kind != .sign("}"), part.utf8.count < 60 {
        switch kind {
        case .text(let text): part += (part.isEmpty ? "" : " ") + text
        case .sign("^"):
          guard case .number(let power) = self.kind(at: place + 1) else { return nil }
          part += "^" + power.integer
          place += 1
        case .command("cdot"): break
        case .currency(let code): part += code
        case .word(let word) where notation.lettersAreUnits || word.utf8.count > 1:
          part += (part.isEmpty ? "" : " ") + word
        default: return nil
        }
        place += 1
      }
      parts.append(part)
      place += 1
    }
    var unit = Unit(parts[0] + " per " + parts[1])
    guard !Units.measures(unit).isEmpty else { return nil }
    if case .word = kind(at: 2) { unit.mayBeVariables = true }
    index += place
    return unit
  }

  /// "am" or "pm" for all their spellings.
  static func halfDay(_ text: String) -> String? {
    guard text.utf8.count <= 6 else { return nil }
    let letters = text.lowercased().utf8.filter { $0 != UInt8(ascii: ".") && $0 != UInt8(ascii: " ") }
    return letters.elementsEqual("am".utf8) ? "am" : letters.elementsEqual("pm".utf8) ? "pm" : nil
  }

  // MARK: Money

  /// A sign or code of money with the number behind it: €5, USD 2.65, \$-3.
  mutating func money() throws -> Expression? {
    let code: String
    switch kind {
    case .currency(let sign): code = sign
    case .command("pounds"): code = "GBP"
    case .command("euro"): code = "EUR"
    case .word(let word) where UnitTable.currencySigns.contains(word): code = word
    case .text(let word) where UnitTable.currencySigns.contains(word): code = word
    default: return nil
    }
    let start = index
    index += 1
    let isNegative = take(.sign("-"))
    var value: Expression
    switch kind {
    case .number(let literal):
      index += 1
      value = try number(literal)
    case .command("frac"), .command("dfrac"), .command("tfrac"), .sign("{"), .sign("("): value = try factor()
    default:
      // A sign of money without an amount says nothing.
      index = lexemes[start].kind == .currency(code) && !isNegative && kind != nil ? index : start
      return nil
    }
    if let multiplier = takeMultiplier() ?? thousands() { value = .product([value, multiplier]) }
    if isNegative { value = .negative(value) }
    var name = code
    while let more = try continuedUnit(name) { name = more }
    // "$5 USD" and "$5 dollars" name the same money twice.
    let words = name.split(separator: " ")
    if words.count == 2, let ratio = Units.ratio(Unit(String(words[0])), Unit(String(words[1]))),
      ratio == .one
    {
      name = code
    }
    return .quantity(value, unit: Unit(name))
  }

  /// $3M, $2B, $10k
  private mutating func thousands() -> Expression? {
    guard case .word(let word) = kind, !lexemes[index].isSpaced,
      let power = ["k": 3, "K": 3, "M": 6, "B": 9, "T": 12][word]
    else { return nil }
    index += 1
    return .number(.powerOfTen(power), decimals: nil)
  }

  // MARK: Number words

  /// The factor that the next word is: million, dozen, 万.
  mutating func takeMultiplier() -> Expression? {
    switch kind {
    case .text(let text):
      let words = text.prefix(while: { $0 != "\n" }).split(separator: " ")
      guard let first = words.first, let factor = NumberWords.multiplier(String(first)), words.count <= 12
      else {
        return prefixedMultiplier(text) { .text($0) }
      }
      // Four quarters are coins.
      if first.lowercased().hasPrefix("quarter") { return nil }
      if words.count == 1 {
        index += 1
      } else {
        lexemes[index].kind = .text(words.dropFirst().joined(separator: " "))
      }
      return .number(factor, decimals: nil)
    case .word(let word):
      guard unitMayFollow, !word.lowercased().hasPrefix("quarter") else { return nil }
      guard let factor = NumberWords.multiplier(word) else { return prefixedMultiplier(word) { .word($0) } }
      // "mil" may be three variables.
      guard word.unicodeScalars.first!.value >= 0x80 || word.utf8.count > 3 else { return nil }
      index += 1
      return .number(factor, decimals: nil)
    default: return nil
    }
  }

  /// 3万元 is 30000元.
  private mutating func prefixedMultiplier(_ word: String, _ rest: (String) -> Lexeme.Kind) -> Expression? {
    guard let first = word.unicodeScalars.first, first.value > 0x2E80, word.utf8.count <= 40 else {
      return nil
    }
    for length in [2, 1] where word.unicodeScalars.count >= length {
      let head = String(String.UnicodeScalarView(word.unicodeScalars.prefix(length)))
      guard let factor = NumberWords.multiplier(head) else { continue }
      let tail = String(String.UnicodeScalarView(word.unicodeScalars.dropFirst(length)))
      if tail.isEmpty { index += 1 } else { lexemes[index].kind = rest(tail) }
      return .number(factor, decimals: nil)
    }
    return nil
  }

  /// The number that plain words name here: twenty-one, two hundred and five, half a million.
  mutating func numberInWords() throws -> Expression? {
    guard case .word(let first) = kind else { return nil }
    if let value = NumberWords.chinese(first) {
      index += 1
      unitMayFollow = true
      return .number(value, decimals: nil)
    }
    let isArticle = first == "a" || first == "A"
    guard NumberWords.isPart(first) || isArticle, first.utf8.count > 2 || isArticle else { return nil }
    try budget.spend(40)
    var words: [String] = []
    var ends: [Int] = []
    var place = 0
    while words.count < 16, case .word(let word) = kind(at: place), word.utf8.count <= 24 {
      guard NumberWords.isPart(word) || ["and", "a", "A", "of"].contains(word) else { break }
      if let last = words.last,
        last == word || !NumberWords.isPart(last) && !NumberWords.isPart(word) && last != "and"
      {
        break
      }
      words.append(word)
      place += 1
      ends.append(place)
      // twenty-one
      if kind(at: place) == .sign("-"), !lexemes[index + place].isSpaced { place += 1 }
    }
    while let end = ends.popLast() {
      if words.count > 1 || !isArticle, let value = NumberWords.value(words) {
        index += end
        unitMayFollow = true
        return .number(value, decimals: nil)
      }
      words.removeLast()
    }
    return nil
  }

  /// The number that a text names, alone or before a unit that is known.
  mutating func numberInText(_ text: String) throws -> Expression? {
    try budget.spend(10)
    guard text.utf8.count <= 120 else { return nil }
    let words = text.split { " -,".contains($0) }.map(String.init)
    guard let first = words.first, NumberWords.isPart(first) || first == "a" || first == "A",
      first.utf8.count > 2 || words.count > 1
    else {
      guard let value = NumberWords.chinese(text) else { return nil }
      index += 1
      return .number(value, decimals: nil)
    }
    for length in (1...words.count).reversed() {
      guard let value = NumberWords.value(Array(words.prefix(length))) else { continue }
      let rest = words.dropFirst(length).joined(separator: " ")
      if rest.isEmpty {
        index += 1
      } else if Units.isKnown(rest) || Units.percentWords.contains(rest) {
        lexemes[index].kind = .text(rest)
      } else {
        continue
      }
      unitMayFollow = true
      return .number(value, decimals: nil)
    }
    return nil
  }
}
