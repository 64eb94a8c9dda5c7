/// The units of measure that answers carry.
enum Units {
  static let percentWords: Set<String> = ["percent", "percentage", "pct", "percents", "per cent"]
  static let degreeWords: Set<String> = ["degrees", "degree", "deg"]
  static let numberWords: [String: Int] = [
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "sixteen": 16,
  ]

  /// What a unit measures, and its size in the smallest unit of its kind.
  struct Measure: Equatable {
    var kind: String
    var factor: Rational
  }

  private static let table: [String: (kind: String, factor: Rational)] = {
    var table: [String: (String, Rational)] = [:]
    func add(_ kind: String, _ numerator: Int, _ denominator: Int = 1, _ names: String...) {
      for name in names { table[name] = (kind, Rational(numerator) / Rational(denominator)) }
    }
    add("length", 1, 1000, "mm", "millimeter", "millimetre")
    add("length", 1, 100, "cm", "centimeter", "centimetre")
    add("length", 1, 1, "m", "meter", "metre")
    add("length", 1000, 1, "km", "kilometer", "kilometre")
    add("imperial length", 1, 1, "in", "inch", "inche")
    add("imperial length", 12, 1, "ft", "foot", "feet")
    add("imperial length", 36, 1, "yd", "yard")
    add("imperial length", 63360, 1, "mi", "mile")
    add("mass", 1, 1, "g", "gram", "gm")
    add("mass", 1, 1000, "mg", "milligram")
    add("mass", 1000, 1, "kg", "kilogram")
    add("imperial mass", 1, 1, "oz", "ounce")
    add("imperial mass", 16, 1, "lb", "lbs", "pound")
    add("time", 1, 1, "s", "sec", "second")
    add("time", 60, 1, "min", "minute")
    add("time", 3600, 1, "h", "hr", "hrs", "hour")
    add("time", 86400, 1, "day")
    add("time", 604_800, 1, "week")
    add("month", 1, 1, "month")
    add("month", 12, 1, "year", "yr")
    add("money", 1, 1, "cent", "penny", "pennie")
    add("money", 100, 1, "dollar", "usd", "buck")
    add("volume", 1, 1000, "ml", "mL", "milliliter", "millilitre")
    add("volume", 1, 1, "l", "L", "liter", "litre")
    add("imperial volume", 1, 1, "cup")
    add("imperial volume", 2, 1, "pint")
    add("imperial volume", 4, 1, "quart")
    add("imperial volume", 16, 1, "gallon")
    add("speed", 1, 1, "mph")
    add("metric speed", 1, 1, "kph", "kmh")
    add("force", 1, 1, "N", "newton")
    add("energy", 1, 1, "J", "joule")
    add("power", 1, 1, "W", "watt")
    add("voltage", 1, 1, "V", "volt")
    add("current", 1, 1, "A", "ampere", "amp")
    add("frequency", 1, 1, "Hz", "hz", "hertz")
    add("pressure", 1, 1, "Pa", "pascal")
    add("temperature", 1, 1, "K", "kelvin")
    add("angle", 1, 1, "rad", "radian")
    add("area", 1, 1, "acre")
    return table
  }()

  /// Names of counted things. They agree with any unit.
  private static let counters: Set<String> = [
    "unit", "units", "square", "sq", "cubic", "cu", "people", "students", "students.", "eggs", "apples",
    "ways", "points", "sides", "times", "hours", "miles", "pm", "am", "p.m.", "a.m.", "eV", "nm", "dozen",
    "books", "bolts", "dollars", "rpm", "cc", "pcs", "Angstroms", "mol", "solar", "masses", "cells", "words",
    "pages", "boxes", "pieces", "marbles", "coins", "games", "cards", "balls", "children", "men", "women",
    "girls", "boys",
  ]

  private static func entry(_ word: String) -> (kind: String, factor: Rational)? {
    if let entry = table[word] { return entry }
    let lower = word.lowercased()
    if lower.utf8.count > 2, let entry = table[lower] { return entry }
    if lower.utf8.count > 3, lower.hasSuffix("s"), let entry = table[String(lower.dropLast())] {
      return entry
    }
    return nil
  }

  static func isKnown(_ word: String) -> Bool {
    word.split(separator: " ").allSatisfy { entry(String($0)) != nil || counters.contains(String($0)) }
  }

  /// What `unit` measures; nil for units outside the table, which agree with any other.
  static func measure(_ unit: String) -> Measure? {
    var kinds: [String] = []
    var factor = Rational.one
    var power = 1
    var isDivisor = false
    var words: [String] = []
    for word in unit.split(whereSeparator: { " .,".contains($0) }) {
      words += word.split(separator: "/", omittingEmptySubsequences: false).enumerated().flatMap {
        $0.offset == 0 ? [String($0.element)] : ["per", String($0.element)]
      }
    }
    for word in words where !word.isEmpty {
      var name = word
      var exponent = 1
      if let caret = word.firstIndex(of: "^") {
        name = String(word[..<caret])
        exponent = Int(word[word.index(after: caret)...]) ?? 1
      }
      switch name.lowercased() {
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
      guard let entry = entry(name), (1...9).contains(exponent * power) else { return nil }
      for _ in 0..<(exponent * power) {
        kinds.append((isDivisor ? "per " : "") + entry.kind)
        factor = isDivisor ? factor / entry.factor : factor * entry.factor
      }
      power = 1
    }
    return kinds.isEmpty ? nil : Measure(kind: kinds.sorted().joined(separator: ", "), factor: factor)
  }
}
