/// A unit of measure, or the name of what is counted, behind a number.
struct Unit: Equatable, Sendable {
  /// Its words in one form: singular, and lower case where that is the same unit.
  var text: String
  /// Whether the number alone may stand for the quantity.
  var mayBeLeftOut = true
  /// Whether these are letters outside \text{}, as in "45 m": perhaps variables.
  var mayBeVariables = false

  init(_ words: String) {
    let words = Units.words(of: words)
    text = words.joined(separator: " ")
    mayBeLeftOut =
      !words.contains(where: Units.changesTheValue)
      && !(words.count == 1 && Units.fractionWords.contains(words[0]))
  }
}

/// What units of measure mean.
enum Units {
  static let percentWords: Set<String> = ["percent", "percentage", "pct", "percents", "per cent"]
  static let degreeWords: Set<String> = ["degrees", "degree", "deg"]

  /// What a unit measures, and its size in the smallest unit of its kind.
  struct Measure: Equatable {
    var kinds: [String]
    var factor: Rational
  }

  /// Names of counted things that stand outside \text{} too.
  private static let counters: Set<String> = [
    "square", "sq", "cubic", "cu", "people", "students", "eggs", "apples", "ways", "points", "sides", "times",
    "books", "bolts", "cc", "pcs", "Angstroms", "solar", "masses", "cells", "words", "pages", "boxes",
    "pieces", "marbles", "coins", "games", "cards", "balls", "children", "men", "women", "girls", "boys",
  ]

  /// Words that say more than what is counted: with "5 or more" and "5 squared", the answer is not 5.
  static func changesTheValue(_ word: String) -> Bool {
    valueWords.contains(word) || word.hasSuffix("illion") || word.hasSuffix("illiard")
  }
  private static let valueWords: Set<String> = [
    "or", "and", "nor", "not", "than", "least", "most", "below", "above", "squared", "cubed", "factorial",
    "choose", "mod", "modulo", "minus", "plus", "divided", "negative", "if", "when", "unless", "except",
    "but", "base", "power", "root", "remainder", "over", "to", "is", "equal", "gross",
  ]
  static let fractionWords: Set<String> = [
    "half", "halve", "third", "fourth", "fifth", "sixth", "eighth", "tenth", "hundredth", "thousandth",
    "millionth",
  ]
  /// Words that say nothing about the unit.
  private static let idleWords: Set<String> = [
    "long", "wide", "tall", "high", "deep", "thick", "old", "apart", "away", "total", "altogether", "of",
    "in",
    "left", "remaining", "the", "exactly", "only",
  ]

  static func isKnown(_ word: String) -> Bool {
    guard word.utf8.count <= 200 else { return false }
    return word.split(separator: " ").allSatisfy {
      counters.contains(String($0)) || !UnitTable.entries(String($0)).isEmpty
    }
  }

  /// The words of a unit, "per" for each slash, and powers as ^2.
  static func words(of unit: String) -> [String] {
    var words: [String] = []
    var word = ""
    func close() {
      if !word.isEmpty { words.append(word) }
      word = ""
    }
    for scalar in unit.unicodeScalars.prefix(400) {
      switch scalar {
      case " ", ".", ",", "·", "*", "(", ")", "{", "}",
        "-" where !word.hasSuffix("^"), "\u{A0}", "~":
        close()
      case "/":
        close()
        words.append("per")
      case "²": word += "^2"
      case "³": word += "^3"
      case "µ": word += "μ"
      case "Ω", "\u{2126}": word += "Ω"
      default: word.unicodeScalars.append(scalar)
      }
    }
    close()
    if let celsius = words.firstIndex(where: { ["celsius", "fahrenheit"].contains($0.lowercased()) }),
      celsius > 0,
      degreeWords.contains(words[celsius - 1].lowercased())
    {
      words.remove(at: celsius - 1)
    }
    words = words.enumerated().map { index, word in
      // "miles an hour"
      index > 0 && ["a", "an"].contains(word) ? "per" : canonical(word)
    }
    let useful = words.filter { !idleWords.contains($0) }
    return useful.isEmpty ? words : useful
  }

  private static func canonical(_ word: String) -> String {
    guard word.utf8.count <= 40 else { return word }
    // MW is no mW.
    if word.utf8.count <= 4, !UnitTable.entries(word).isEmpty { return word }
    let lower = word.lowercased()
    if let other = ["people": "person", "children": "child", "men": "man", "women": "woman", "feet": "foot"][
      lower]
    {
      return other
    }
    if lower.utf8.count > 4, lower.hasSuffix("ies") { return lower.dropLast(3) + "y" }
    return lower.utf8.count > 3 && lower.hasSuffix("s") && !lower.hasSuffix("ss")
      ? String(lower.dropLast()) : lower
  }

  /// What `unit` may measure; nothing for units outside the table.
  static func measures(_ unit: Unit) -> [Measure] {
    var results = [Measure(kinds: [], factor: .one)]
    var power = 1
    var isDivisor = false
    for word in unit.text.split(separator: " ") {
      var name = word
      var exponent = 1
      if let caret = word.utf8.firstIndex(of: UInt8(ascii: "^")) {
        name = word[..<caret]
        exponent = Int(word[word.index(after: caret)...]) ?? 0
      }
      switch name {
      case "per":
        isDivisor = true
        continue
      case "square", "sq", "squared":
        power = 2
        continue
      case "cubic", "cu", "cubed":
        power = 3
        continue
      default: break
      }
      let count = (isDivisor ? -exponent : exponent) * power
      let entries = UnitTable.entries(String(name))
      guard !entries.isEmpty, (1...9).contains(abs(count)), results.count * entries.count <= 8 else {
        return []
      }
      results = results.flatMap { result in
        entries.map { entry in
          var result = result
          for _ in 0..<abs(count) {
            for kind in entry.kinds { result.kinds.append(count > 0 ? kind : inverse(kind)) }
            result.factor = count > 0 ? result.factor * entry.factor : result.factor / entry.factor
          }
          return result
        }
      }
      power = 1
    }
    if results[0].kinds.isEmpty { return [] }
    return results.map { Measure(kinds: $0.kinds.sorted(), factor: $0.factor) }
  }

  private static func inverse(_ kind: String) -> String {
    kind.hasPrefix("per ") ? String(kind.dropFirst(4)) : "per " + kind
  }

  /// How many of `other` are one of `unit`; nil where they measure different things, or nothing that is known.
  static func ratio(_ unit: Unit, _ other: Unit) -> Rational? {
    let (first, second) = (measures(unit), measures(other))
    for a in first {
      for b in second where a.kinds == b.kinds { return a.factor / b.factor }
    }
    if first.isEmpty, second.isEmpty { return unit.text == other.text ? .one : nil }
    // "12 square units" are any squares.
    for (a, b) in [(first, second), (second, first)] {
      if a.contains(where: { $0.kinds.allSatisfy { $0 == "unit" } }),
        b.contains(where: { $0.kinds.count == a[0].kinds.count && Set($0.kinds).count == 1 })
      {
        return .one
      }
    }
    return nil
  }

  /// Whether a quantity of `unit` may go on in `other`: 3 hours 20 minutes, 5 feet 6 inches, 3 euros 50 cents.
  static func continues(_ unit: Unit, _ other: Unit) -> (unit: Unit, size: Rational)? {
    var (unit, other) = (unit, other)
    // The m of 3 h 20 m.
    if other.text == "m", measures(unit).contains(where: { $0.kinds == ["time"] }) { other = Unit("min") }
    if unit.text == "m", measures(other).contains(where: { $0.kinds == ["time"] }) { unit = Unit("min") }
    var size = ratio(other, unit)
    if size == nil, other.text == "cent", measures(unit).contains(where: { $0.kinds[0].hasPrefix("money") }) {
      size = Rational(1) / Rational(100)
    }
    guard let size, size < .one, measures(unit).contains(where: { $0.kinds.count == 1 }) else { return nil }
    return (unit, size)
  }
}
