/// Numbers that are written in words: twelve, two million, half a dozen, three quarters, 3万.
enum NumberWords {
  private static let small: [String: Int] = {
    var table: [String: Int] = [:]
    let words = [
      "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
      "twelve",
      "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
    ]
    for (value, word) in words.enumerated() { table[word] = value }
    let tens = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
    for (index, word) in tens.enumerated() { table[word] = 10 * (index + 2) }
    table["fourty"] = 40
    return table
  }()

  /// Words that multiply the number before them. English "billion" is 10⁹, Spanish "billones" 10¹².
  private static let multipliers: [String: Rational] = {
    var table: [String: Rational] = [:]
    func add(_ power: Int, _ words: String...) { for word in words { table[word] = .powerOfTen(power) } }
    add(2, "hundred", "hundreds", "hundert", "百", "sto", "सौ", "مئة", "مائة", "백")
    add(
      3, "thousand", "thousands", "tausend", "mil", "mille", "mila", "тыс", "тысяч", "тысячи", "тысяча", "千",
      "हज़ार", "हजार", "ألف", "آلاف", "ribu", "nghìn", "ngàn", "천", "duizend", "bin")
    add(4, "万", "萬", "만")
    add(5, "lakh", "lakhs", "लाख")
    add(
      6, "million", "millions", "mn", "millionen", "millón", "millon", "millones", "milhão", "milhões",
      "milione",
      "milioni", "миллион", "миллиона", "миллионов", "млн", "مليون", "ملايين", "मिलियन", "juta", "triệu",
      "miljoen",
      "milyon", "百万")
    add(7, "crore", "crores", "करोड़", "千万")
    add(8, "亿", "億", "억")
    add(
      9, "billion", "billions", "bn", "milliard", "milliards", "milliarde", "milliarden", "miliardo",
      "miliardi",
      "bilhão", "bilhões", "миллиард", "миллиарда", "миллиардов", "млрд", "مليار", "अरब", "miliar", "tỷ",
      "miljard",
      "milyar", "十亿")
    add(12, "trillion", "trillions", "billón", "billones", "billionen", "triliun", "兆", "万亿", "조")
    add(15, "quadrillion", "quadrillions")
    add(18, "quintillion", "quintillions")
    add(21, "sextillion")
    add(24, "septillion")
    add(27, "octillion")
    add(30, "nonillion")
    add(33, "decillion")
    for word in ["dozen", "dozens"] { table[word] = Rational(12) }
    for word in ["score", "scores"] { table[word] = Rational(20) }
    table["gross"] = Rational(144)
    return table
  }()

  private static let fractions: [String: Int] = [
    "half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fourth": 4, "fourths": 4,
    "fifth": 5, "fifths": 5, "sixth": 6, "sixths": 6, "seventh": 7, "sevenths": 7, "eighth": 8, "eighths": 8,
    "ninth": 9, "ninths": 9, "tenth": 10, "tenths": 10, "twelfth": 12, "twelfths": 12, "hundredth": 100,
    "hundredths": 100, "thousandth": 1000, "thousandths": 1000, "millionth": 1_000_000,
    "millionths": 1_000_000,
  ]

  /// The factor that a word behind a number means: million, dozen, thirds.
  static func multiplier(_ word: String) -> Rational? {
    guard word.utf8.count <= 24 else { return nil }
    let word = word.lowercased()
    if let value = multipliers[word] { return value }
    // Sixth graders are no sixths.
    return word.hasSuffix("s") ? fractions[word].map { Rational(1) / Rational($0) } : nil
  }

  /// Whether a word can stand in a number: "and" can inside, but begins none.
  static func isPart(_ word: String) -> Bool {
    guard word.utf8.count <= 24 else { return false }
    let word = word.lowercased()
    return small[word] != nil || multipliers[word].map { _ in word.utf8.first?.isLetter == true } == true
      || fractions[word] != nil
  }

  /// The number that words name, such as ["two", "hundred", "and", "five"]; nil where they name none.
  static func value(_ words: [String]) -> Rational? {
    guard words.count <= 24 else { return nil }
    let words = words.map { $0.lowercased() }
    // "half", "half a million", "a quarter", "two thirds", "two and a half"
    var parts = words
    if let fraction = trailingFraction(parts) { return fraction }
    if parts.first == "half" {
      parts.removeFirst()
      if parts.first == "a" || parts.first == "of", parts.count > 1 { parts.removeFirst() }
      if parts.isEmpty { return Rational(1) / Rational(2) }
      guard parts.count == 1, let unit = multipliers[parts[0]] else { return nil }
      return unit / Rational(2)
    }
    return whole(parts)
  }

  private static func trailingFraction(_ words: [String]) -> Rational? {
    guard let last = words.last, last != "second", let bottom = fractions[last], words.count > 1 else {
      return nil
    }
    var before = Array(words.dropLast())
    var added = Rational.zero
    if let and = before.lastIndex(of: "and"), and > 0, let whole = whole(Array(before[..<and])) {
      added = whole
      before = Array(before[(and + 1)...])
    }
    if before == ["a"] || before == ["an"] { before = ["one"] }
    guard let top = whole(before), !top.isZero else { return nil }
    // "Twenty-third" is 23rd or 20/3.
    if before.count == 1, let tens = small[before[0]], tens >= 20, !last.hasSuffix("s") { return nil }
    if top != .one, !last.hasSuffix("s"), !last.hasSuffix("lves") { return nil }
    return added + top / Rational(bottom)
  }

  /// A whole number: "two hundred and five thousand", "a dozen", "million".
  private static func whole(_ words: [String]) -> Rational? {
    var words = words
    if words.first == "a" || words.first == "an" {
      guard words.count > 1, multipliers[words[1]] != nil else { return nil }
      words[0] = "one"
    }
    var total = Rational.zero
    var group = Rational.zero
    var hasGroup = false
    var lastSmall = 1000
    var lastMultiplier: Rational?
    for (index, word) in words.enumerated() {
      if let value = small[word] {
        // "twenty one", but neither "one two" nor "ten five"
        if hasGroup, lastSmall < 1000, !(lastSmall >= 20 && lastSmall % 10 == 0 && (1...9).contains(value)) {
          return nil
        }
        group = group + Rational(value)
        hasGroup = true
        lastSmall = value
      } else if let factor = multipliers[word] {
        if factor == Rational(100) {
          guard group < Rational(100) else { return nil }
          group = (hasGroup ? group : .one) * factor
          lastSmall = 1000
        } else {
          if let lastMultiplier, lastMultiplier <= factor, hasGroup { return nil }
          if !hasGroup, index > 0 {
            // "hundred thousand million"
            total = total * factor
          } else {
            total = total + (hasGroup ? group : .one) * factor
          }
          lastMultiplier = factor
          group = .zero
          hasGroup = false
          lastSmall = 1000
          continue
        }
        hasGroup = true
      } else if word == "and" {
        guard index > 0, index + 1 < words.count, multipliers[words[index - 1]] != nil else { return nil }
      } else {
        return nil
      }
    }
    return words.isEmpty ? nil : total + group
  }

  // MARK: Chinese

  private static let chineseDigits: [Unicode.Scalar: Int] = [
    "零": 0, "〇": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9,
  ]
  private static let chineseUnits: [Unicode.Scalar: Int] = ["十": 10, "百": 100, "千": 1000]

  /// 三百二十一, 十二, 两万. A digit alone is a word as well, so it takes two characters.
  static func chinese(_ word: String) -> Rational? {
    guard word.utf8.count <= 60, word.utf8.count > 3, word.utf8.first.map({ $0 >= 0xE3 }) == true else {
      return nil
    }
    // 四分之三 is 3/4.
    if let over = word.firstRange(of: "分之"), let bottom = characters(word[..<over.lowerBound]),
      !bottom.isZero,
      let top = characters(word[over.upperBound...])
    {
      return top / bottom
    }
    return characters(word[...])
  }

  private static func characters(_ word: Substring) -> Rational? {
    guard !word.isEmpty else { return nil }
    var total = Rational.zero
    var section = 0
    var digit: Int?
    for scalar in word.unicodeScalars {
      if let value = chineseDigits[scalar] {
        if let digit, digit != 0 { return nil }
        digit = value
      } else if let unit = chineseUnits[scalar] {
        section += (digit ?? 1) * unit
        digit = nil
      } else if scalar == "万" || scalar == "亿" {
        section += digit ?? 0
        guard section > 0 || !total.isZero else { return nil }
        total = (total + Rational(section)) * .powerOfTen(scalar == "万" ? 4 : 8)
        (section, digit) = (0, nil)
      } else {
        return nil
      }
    }
    return total + Rational(section + (digit ?? 0))
  }
}
