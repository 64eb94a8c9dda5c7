/// The units of measure that the grader can convert.
enum UnitTable {
  struct Entry: Sendable {
    /// What the unit measures; a unit of speed measures "length" and "per time".
    var kinds: [String]
    /// Its size in the smallest unit of these kinds.
    var factor: Rational
  }

  /// The entries of a name. A pound is a weight or money.
  static func entries(_ word: String) -> [Entry] {
    guard word.utf8.count <= 24 else { return [] }
    if let found = table[word] { return found }
    let lower = word.lowercased()
    if lower.utf8.count > 2, let found = table[lower] { return found }
    if lower.utf8.count > 3, lower.hasSuffix("s"), let found = table[String(lower.dropLast())] {
      return found
    }
    return []
  }

  private static let table: [String: [Entry]] = {
    var table: [String: [Entry]] = [:]
    func add(_ kinds: [String], _ factor: Rational, _ names: [String]) {
      for name in names { table[name, default: []].append(Entry(kinds: kinds, factor: factor)) }
    }
    func add(_ kind: String, _ numerator: Int, _ names: String...) { add([kind], Rational(numerator), names) }
    let thousand = Rational(1000)
    let prefixes: [(String, String, Rational)] = [
      ("p", "pico", .one / .powerOfTen(12)), ("n", "nano", .one / .powerOfTen(9)),
      ("μ", "micro", .one / .powerOfTen(6)), ("u", "micro", .one / .powerOfTen(6)),
      ("m", "milli", .one / thousand), ("c", "centi", Rational(1) / Rational(100)),
      ("d", "deci", Rational(1) / Rational(10)), ("", "", .one), ("h", "hecto", Rational(100)),
      ("k", "kilo", thousand), ("M", "mega", .powerOfTen(6)), ("G", "giga", .powerOfTen(9)),
      ("T", "tera", .powerOfTen(12)),
    ]
    let metric: [(String, [String], [String])] = [
      ("length", ["m"], ["meter", "metre"]), ("mass", ["g"], ["gram", "gramme"]), ("time", ["s"], ["second"]),
      ("volume", ["l", "L"], ["liter", "litre"]), ("force", ["N"], ["newton"]), ("energy", ["J"], ["joule"]),
      ("power", ["W"], ["watt"]), ("voltage", ["V"], ["volt"]), ("current", ["A"], ["ampere", "amp"]),
      ("frequency", ["Hz"], ["hertz"]), ("pressure", ["Pa"], ["pascal"]), ("resistance", ["Ω"], ["ohm"]),
      ("capacitance", ["F"], ["farad"]), ("particle energy", ["eV"], ["electronvolt"]),
      ("amount", ["mol"], ["mole"]), ("heat", ["cal"], ["calorie"]), ("charge", [], ["coulomb"]),
      ("length of light", ["pc"], ["parsec"]),
    ]
    for (kind, symbols, names) in metric {
      for (prefix, long, factor) in prefixes {
        // Each name once: "micro" has two symbols.
        add([kind], factor, symbols.map { prefix + $0 } + (prefix == "u" ? [] : names.map { long + $0 }))
      }
    }
    add("mass", 1, "gm")
    add("mass", 1_000_000, "tonne")
    add("imperial length", 1, "in", "inch", "inche")
    add("imperial length", 12, "ft", "foot", "feet")
    add("imperial length", 36, "yd", "yard")
    add("imperial length", 63360, "mi", "mile")
    add("imperial mass", 1, "oz", "ounce")
    add("imperial mass", 16, "lb", "lbs", "pound")
    add("time", 1, "sec", "secs")
    add("time", 60, "min", "mins", "minute")
    add("time", 3600, "h", "hr", "hrs", "hour")
    add("time", 86400, "d", "day")
    add("time", 604_800, "wk", "week")
    add("month", 1, "month")
    add("month", 12, "year", "yr", "yrs")
    add("month", 120, "decade")
    add("month", 1200, "century", "centurie")
    add("imperial volume", 1, "cup")
    add("imperial volume", 2, "pint", "pt")
    add("imperial volume", 4, "quart", "qt")
    add("imperial volume", 16, "gallon", "gal")
    add("angle", 1, "rad", "radian")
    add("arc", 3600, "degree", "deg")
    add("arc", 60, "arcminute", "arcmin")
    add("arc", 1, "arcsecond", "arcsec")
    add("Celsius", 1, "celsius", "centigrade", "°C", "℃")
    add("Fahrenheit", 1, "fahrenheit", "°F", "℉")
    add("temperature", 1, "K", "kelvin")
    add("information", 1, "bit")
    add("information", 8, "byte")
    add("turn", 1, "rev", "revolution")
    add("acre", 1, "acre")
    add("hectare", 1, "ha", "hectare")
    let hour = Rational(3600)
    add(["imperial length", "per time"], Rational(63360) / hour, ["mph"])
    add(["length", "per time"], thousand / hour, ["kph", "kmh", "kmph"])
    add(["imperial length", "per imperial volume"], Rational(63360) / Rational(16), ["mpg"])
    add(["turn", "per time"], .one / Rational(60), ["rpm"])
    add(["power", "time"], thousand * hour, ["kWh", "kwh"])
    add("unit", 1, "unit", "u")
    for (code, names) in currencies {
      add("money \(code)", 100, code, code.lowercased())
      for name in names { add("money \(code)", 100, name) }
    }
    add("money USD", 1, "cent", "cents", "penny", "pennie", "¢")
    add("money GBP", 1, "pence", "penny", "pennie")
    return table
  }()

  /// Currencies by their codes. The first name is the sign. A sign of two currencies may mean either.
  static let currencies: [(code: String, names: [String])] = [
    ("USD", ["US$", "dollar", "buck", "美元", "美金", "دولار", "डॉलर", "доллар", "долларов", "доллара", "米ドル"]),
    ("EUR", ["€", "euro", "欧元", "يورو", "यूरो", "евро"]),
    ("GBP", ["£", "pound", "quid", "英镑"]), ("JPY", ["¥", "yen", "日元", "円"]),
    ("CNY", ["¥", "RMB", "yuan", "renminbi", "元", "圆", "块", "块钱", "人民币"]),
    ("INR", ["₹", "Rs", "rupee", "रुपये", "रुपए", "रुपया", "रु"]),
    ("RUB", ["₽", "ruble", "rouble", "руб", "рублей", "рубля", "рубль"]),
    ("KRW", ["₩", "won", "원"]), ("BRL", ["R$", "reais", "real"]), ("CHF", ["Fr", "franc"]), ("CAD", ["C$"]),
    ("AUD", ["A$"]), ("HKD", ["HK$"]), ("TWD", ["NT$"]), ("SGD", ["S$"]), ("MXN", ["peso"]),
    ("SEK", ["kr", "krona", "kronor"]), ("ILS", ["₪", "shekel"]), ("VND", ["₫", "đồng"]),
    ("TRY", ["₺", "lira"]),
    ("THB", ["฿", "baht"]), ("PLN", ["zł", "zloty"]), ("SAR", ["ريال", "riyal"]),
    ("AED", ["درهم", "dirham"]),
  ]

  /// What stands before an amount of money.
  static let currencySigns: Set<String> = {
    var signs: Set<String> = ["€", "£", "¥", "₹", "₽", "₩", "₪", "₫", "₺", "฿", "Rs", "RMB", "R$", "US$"]
    for (code, names) in currencies {
      signs.insert(code)
      if let sign = names.first, sign.hasSuffix("$") { signs.insert(sign) }
    }
    return signs
  }()

  /// Names outside \text{} that can be nothing else.
  static let unmistakable: Set<String> = [
    "cm", "mm", "km", "kg", "ft", "lb", "oz", "hr", "yd", "Hz", "kW", "mL", "dm", "μm", "kΩ", "MΩ", "Ω", "°C",
    "°F", "℃", "℉", "zł",
  ]

  /// The letters that are units where they can be: m, mg, Pa. In 3mg they may be factors.
  static func mayBeVariables(_ word: String) -> Bool {
    word.utf8.count <= 2 && word.utf8.allSatisfy(\.isLetter) && !unmistakable.contains(word)
  }
}
