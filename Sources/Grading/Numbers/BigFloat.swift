import BigInt

/// A binary floating-point number with 320 bits in five words, without allocation: far more digits than any
/// coincidence among answers has. (e^{π√163} and the integer next to it share 30 decimal digits; these are 96.)
struct BigFloat: Sendable {
  static let precision = 320
  private static let count = 5

  /// 0.mantissa · 2^exponent, the lowest word first; the top bit is set unless the number is zero.
  private var words: [5 of UInt64]
  private(set) var exponent: Int
  private(set) var isNegative: Bool

  static let zero = BigFloat(0)
  static let one = BigFloat(1)
  static let half = one.scaled(by: -1)

  private init(words: [5 of UInt64], exponent: Int, isNegative: Bool) {
    self.words = words
    self.exponent = exponent
    self.isNegative = isNegative
  }

  init(_ value: Int) {
    words = [5 of UInt64](repeating: 0)
    isNegative = value < 0
    let size = UInt64(value.magnitude)
    exponent = 64 - size.leadingZeroBitCount
    if size > 0 { words[4] = size << size.leadingZeroBitCount }
    if size == 0 { exponent = 0 }
  }

  init(_ value: BigInt) {
    words = [5 of UInt64](repeating: 0)
    isNegative = value < 0
    let size = value.magnitude
    exponent = size.bitWidth
    guard exponent > 0 else { return }
    let shift = exponent - Self.precision
    let aligned = shift > 0 ? size >> shift : size << -shift
    for (index, word) in aligned.words.prefix(Self.count).enumerated() { words[index] = UInt64(word) }
  }

  init(_ value: Double) {
    self.init(Int(value * 0x1p52))
    if !isZero { exponent -= 52 }
  }

  init(_ value: Rational) {
    self =
      value.isInteger ? BigFloat(value.numerator) : BigFloat(value.numerator) / BigFloat(value.denominator)
  }

  var isZero: Bool { words[4] == 0 }
  /// The power of two just above the magnitude; very negative for zero.
  var scale: Int { isZero ? -1_000_000_000 : exponent }
  var magnitude: BigFloat { BigFloat(words: words, exponent: exponent, isNegative: false) }

  var double: Double {
    if isZero { return 0 }
    if exponent > 1000 { return isNegative ? -.infinity : .infinity }
    if exponent < -1000 { return 0 }
    let size = Double(sign: .plus, exponent: exponent - 64, significand: Double(words[4]))
    return isNegative ? -size : size
  }

  func scaled(by power: Int) -> BigFloat {
    isZero ? self : BigFloat(words: words, exponent: exponent + power, isNegative: isNegative)
  }

  /// The largest integer below, and what is left; nil when the number is too large for that.
  var floor: (integer: BigInt, rest: BigFloat)? {
    if isZero { return (0, .zero) }
    guard exponent < Self.precision - 64 else { return nil }
    var integer = BigInt(0)
    if exponent > 0 {
      for index in stride(from: Self.count - 1, through: 0, by: -1) {
        integer = (integer << 64) + BigInt(words[index])
      }
      integer >>= Self.precision - exponent
    }
    if isNegative { integer = -integer }
    var rest = self - BigFloat(integer)
    if rest.isNegative, !rest.isZero {
      integer -= 1
      rest = rest + .one
    }
    return (integer, rest)
  }

  // MARK: Arithmetic

  static prefix func - (a: BigFloat) -> BigFloat {
    BigFloat(words: a.words, exponent: a.exponent, isNegative: !a.isZero && !a.isNegative)
  }

  static func + (a: BigFloat, b: BigFloat) -> BigFloat {
    if a.isZero { return b }
    if b.isZero { return a }
    let (high, low) = a.exponent >= b.exponent ? (a, b) : (b, a)
    let shift = high.exponent - low.exponent
    if shift >= precision { return high }
    let aligned = shiftedRight(low.words, shift)
    if high.isNegative == low.isNegative {
      var sum = high.words
      var carry = false
      for index in 0..<count {
        let (first, c1) = sum[index].addingReportingOverflow(aligned[index])
        let (second, c2) = first.addingReportingOverflow(carry ? 1 : 0)
        sum[index] = second
        carry = c1 || c2
      }
      guard carry else { return BigFloat(words: sum, exponent: high.exponent, isNegative: high.isNegative) }
      sum = shiftedRight(sum, 1)
      sum[4] |= 1 << 63
      return BigFloat(words: sum, exponent: high.exponent + 1, isNegative: high.isNegative)
    }
    if isLess(high.words, aligned) {
      return normalized(difference(aligned, high.words), high.exponent, low.isNegative)
    }
    return normalized(difference(high.words, aligned), high.exponent, high.isNegative)
  }
  static func - (a: BigFloat, b: BigFloat) -> BigFloat { a + -b }
  static func < (a: BigFloat, b: BigFloat) -> Bool {
    let difference = a - b
    return difference.isNegative && !difference.isZero
  }

  static func * (a: BigFloat, b: BigFloat) -> BigFloat {
    if a.isZero || b.isZero { return .zero }
    var product = [10 of UInt64](repeating: 0)
    for i in 0..<count {
      var carry: UInt64 = 0
      for j in 0..<count {
        let (high, low) = a.words[i].multipliedFullWidth(by: b.words[j])
        let (first, c1) = product[i + j].addingReportingOverflow(low)
        let (second, c2) = first.addingReportingOverflow(carry)
        product[i + j] = second
        carry = high &+ (c1 ? 1 : 0) &+ (c2 ? 1 : 0)
      }
      product[i + count] = carry
    }
    var words = [5 of UInt64](repeating: 0)
    let isShort = product[9] >> 63 == 0
    for index in 0..<count {
      words[index] = isShort ? product[index + 5] << 1 | product[index + 4] >> 63 : product[index + 5]
    }
    return BigFloat(
      words: words, exponent: a.exponent + b.exponent - (isShort ? 1 : 0),
      isNegative: a.isNegative != b.isNegative)
  }

  /// - Precondition: `b` is not zero.
  static func / (a: BigFloat, b: BigFloat) -> BigFloat {
    if a.isZero { return a }
    // Newton's iteration for 1/b doubles the good digits of a double's guess.
    let m = BigFloat(words: b.words, exponent: 1, isNegative: false)  // in [1, 2)
    var inverse = BigFloat(1 / m.double)
    for _ in 0..<3 { inverse = inverse + inverse * (.one - m * inverse) }
    var quotient = a * inverse
    // One correction makes small quotients of integers exact.
    quotient = quotient + (a - quotient * m) * inverse
    quotient = quotient.scaled(by: 1 - b.exponent)
    return b.isNegative ? -quotient : quotient
  }

  /// Divided by a small positive integer.
  private func divided(by divisor: UInt64) -> BigFloat {
    if isZero { return self }
    var result = words
    var remainder: UInt64 = 0
    for index in stride(from: Self.count - 1, through: 0, by: -1) {
      (result[index], remainder) = divisor.dividingFullWidth((remainder, words[index]))
    }
    return Self.normalized(result, exponent, isNegative)
  }

  /// - Precondition: not negative.
  var squareRoot: BigFloat {
    if isZero { return self }
    let power = exponent & 1 == 0 ? exponent : exponent + 1
    let m = scaled(by: -power)  // in [1/4, 1)
    var inverse = BigFloat(1 / m.double.squareRoot())
    for _ in 0..<3 { inverse = inverse + (inverse * (.one - m * inverse * inverse)).scaled(by: -1) }
    var root = m * inverse
    root = root + ((m - root * root) * inverse).scaled(by: -1)
    return root.scaled(by: power / 2)
  }

  private static func shiftedRight(_ words: [5 of UInt64], _ shift: Int) -> [5 of UInt64] {
    if shift == 0 { return words }
    var result = [5 of UInt64](repeating: 0)
    let (whole, bits) = (shift >> 6, UInt64(shift & 63))
    var index = 0
    while index + whole < count {
      let low = words[index + whole] >> bits
      let high = bits > 0 && index + whole + 1 < count ? words[index + whole + 1] << (64 - bits) : 0
      result[index] = low | high
      index += 1
    }
    return result
  }

  private static func isLess(_ a: [5 of UInt64], _ b: [5 of UInt64]) -> Bool {
    for index in stride(from: count - 1, through: 0, by: -1) where a[index] != b[index] {
      return a[index] < b[index]
    }
    return false
  }

  private static func difference(_ a: [5 of UInt64], _ b: [5 of UInt64]) -> [5 of UInt64] {
    var result = a
    var borrow = false
    for index in 0..<count {
      let (first, b1) = result[index].subtractingReportingOverflow(b[index])
      let (second, b2) = first.subtractingReportingOverflow(borrow ? 1 : 0)
      result[index] = second
      borrow = b1 || b2
    }
    return result
  }

  private static func normalized(_ words: [5 of UInt64], _ exponent: Int, _ isNegative: Bool) -> BigFloat {
    var top = count - 1
    while top >= 0, words[top] == 0 { top -= 1 }
    guard top >= 0 else { return .zero }
    let bits = UInt64(words[top].leadingZeroBitCount)
    var result = [5 of UInt64](repeating: 0)
    for index in 0...top {
      let low = index > 0 && bits > 0 ? words[index - 1] >> (64 - bits) : 0
      result[index + count - 1 - top] = words[index] << bits | low
    }
    return BigFloat(
      words: result, exponent: exponent - 64 * (count - 1 - top) - Int(bits), isNegative: isNegative)
  }

  // MARK: Functions

  /// The sum of x^(2k+1)/(2k+1), with alternating signs for atan, for |x| < 1; `square` is x².
  private static func oddSeries(_ x: BigFloat, alternates: Bool, next: (BigFloat) -> BigFloat) -> BigFloat {
    var power = x
    var sum = x
    var k: UInt64 = 1
    while true {
      power = next(power)
      k += 2
      let term = power.divided(by: k)
      if term.isZero || term.scale < x.scale - precision { return sum }
      sum = sum + (alternates && k % 4 == 3 ? -term : term)
    }
  }
  private static func oddSeries(_ x: BigFloat, alternates: Bool) -> BigFloat {
    let square = x * x
    return oddSeries(x, alternates: alternates) { $0 * square }
  }

  static let pi: BigFloat = {
    // Machin: π/4 = 4 atan(1/5) − atan(1/239).
    let first = oddSeries(one.divided(by: 5), alternates: true) { $0.divided(by: 25) }
    let second = oddSeries(one.divided(by: 239), alternates: true) { $0.divided(by: 57_121) }
    return (first.scaled(by: 2) - second).scaled(by: 2)
  }()
  static let ln2 = oddSeries(one.divided(by: 3), alternates: false) { $0.divided(by: 9) }.scaled(by: 1)

  static func exp(_ x: BigFloat) throws -> BigFloat {
    if x.isZero { return .one }
    // Exponents stay far from overflow.
    guard x.scale < 40 else { throw GradingError.tooLarge }
    let turns = Int((x.double / ln2.double).rounded())
    let halvings = 10
    let rest = (x - BigFloat(turns) * ln2).scaled(by: -halvings)
    var term = one
    var sum = one
    var k: UInt64 = 1
    while true {
      term = (term * rest).divided(by: k)
      if term.scale < -precision { break }
      sum = sum + term
      k += 1
    }
    for _ in 0..<halvings { sum = sum * sum }
    return sum.scaled(by: turns)
  }

  /// - Precondition: positive.
  static func log(_ x: BigFloat) throws -> BigFloat {
    if (x - one).isZero { return .zero }
    let m = x.scaled(by: -x.exponent)  // in [1/2, 1)
    let guess = BigFloat(m.double.naturalLogarithm)
    let power = try exp(guess)
    let t = (m - power) / (m + power)
    let small = t.isZero ? .zero : oddSeries(t, alternates: false).scaled(by: 1)
    return BigFloat(x.exponent) * ln2 + guess + small
  }

  static func sinAndCos(_ x: BigFloat) throws -> (BigFloat, BigFloat) {
    if x.isZero { return (.zero, .one) }
    guard x.scale < 50 else { throw GradingError.tooLarge }
    let quarter = pi.scaled(by: -1)
    let turns = Int((x.double / quarter.double).rounded())
    let rest = x - BigFloat(turns) * quarter
    let square = rest * rest
    var (sine, cosine) = (rest, one)
    var (a, b) = (rest, one)
    var k: UInt64 = 1
    while a.scale > -precision || b.scale > -precision {
      b = -(b * square).divided(by: (2 * k - 1) * (2 * k))
      a = -(a * square).divided(by: (2 * k) * (2 * k + 1))
      sine = sine + a
      cosine = cosine + b
      k += 1
      if a.isZero && b.isZero { break }
    }
    return switch turns & 3 {
    case 0: (sine, cosine)
    case 1: (cosine, -sine)
    case 2: (-sine, -cosine)
    default: (-cosine, sine)
    }
  }

  /// The angle of the point (x, y), in (−π, π].
  static func atan2(_ y: BigFloat, _ x: BigFloat) throws -> BigFloat {
    if y.isZero { return x.isNegative && !x.isZero ? pi : .zero }
    let quarter = pi.scaled(by: -1)
    if x.isZero { return y.isNegative ? -quarter : quarter }
    // A double's guess, and the small rest by the series.
    let shift = max(y.exponent, x.exponent)
    let (top, bottom) = (y.scaled(by: -shift), x.scaled(by: -shift))
    let guess = BigFloat(top.double.angle(bottom.double))
    let (s, c) = try sinAndCos(guess)
    // tan(θ − guess)
    let t = (top * c - bottom * s) / (bottom * c + top * s)
    return t.isZero ? guess : guess + oddSeries(t, alternates: true)
  }
}
