/// A short integer or decimal, as most gold answers are. Comparing two needs no expression.
struct FastNumber: Equatable {
  /// The value is digits / 10^places; the last digit is not zero.
  var digits: Int
  var places: Int
  let hasPoint: Bool

  static func == (a: FastNumber, b: FastNumber) -> Bool { a.digits == b.digits && a.places == b.places }

  /// Nil unless the text is such a number alone, perhaps between blanks or dollar signs.
  init?(_ text: String) {
    var value = 0
    var places = 0
    var count = 0
    var isNegative = false
    var sawPoint = false
    var ended = false
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"):
        if ended { return nil }
        count += 1
        if count > 17 { return nil }
        value = value * 10 + Int(byte - 0x30)
        if sawPoint { places += 1 }
      case UInt8(ascii: "-"):
        if count > 0 || isNegative || sawPoint { return nil }
        isNegative = true
      case UInt8(ascii: "."):
        if sawPoint || ended || count == 0 { return nil }
        sawPoint = true
      case UInt8(ascii: " "), UInt8(ascii: "$"), 10:
        if isNegative && count == 0 { return nil }
        if count > 0 { ended = true }
      default: return nil
      }
    }
    guard count > 0 else { return nil }
    hasPoint = sawPoint && places > 0
    while places > 0, value % 10 == 0 {
      value /= 10
      places -= 1
    }
    digits = isNegative ? -value : value
    self.places = places
  }
}
