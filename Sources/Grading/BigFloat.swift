import BigInt
import Foundation

/// A binary floating-point number with 288 bits: far more digits than any coincidence among answers has.
/// (e^{π√163} and the integer next to it share 30 decimal digits; these are 86.)
struct BigFloat {
  static let precision = 288

  /// The value is mantissa · 2^exponent.
  private(set) var mantissa: BigInt
  private(set) var exponent: Int

  static let zero = BigFloat(0)
  static let one = BigFloat(1)

  init(_ value: Int) {
    mantissa = BigInt(value)
    exponent = 0
  }

  init(_ mantissa: BigInt, exponent: Int) {
    self.mantissa = mantissa
    self.exponent = exponent
    round()
  }

  init(_ value: Rational) {
    if value.isInteger {
      self.init(value.numerator, exponent: 0)
      return
    }
    let shift = max(0, Self.precision + 8 - value.numerator.bitWidth + value.denominator.bitWidth)
    self.init((value.numerator << shift) / value.denominator, exponent: -shift)
  }

  private mutating func round() {
    let excess = mantissa.bitWidth - 1 - Self.precision
    if excess > 0 {
      mantissa = mantissa >> excess
      exponent += excess
    }
    if mantissa.isZero { exponent = 0 }
  }

  var isZero: Bool { mantissa.isZero }
  var isNegative: Bool { mantissa < 0 }
  /// The power of two just above the magnitude; very negative for zero.
  var scale: Int { isZero ? -1_000_000_000 : mantissa.magnitude.bitWidth + exponent }
  var magnitude: BigFloat { isNegative ? -self : self }

  var double: Double {
    if isZero { return 0 }
    let excess = max(0, mantissa.magnitude.bitWidth - 60)
    let top = Double(Int(mantissa >> excess))
    let power = exponent + excess
    return power > 2000 ? .infinity : power < -2000 ? 0 : scalbn(top, power)
  }

  static prefix func - (a: BigFloat) -> BigFloat { BigFloat(-a.mantissa, exponent: a.exponent) }

  static func + (a: BigFloat, b: BigFloat) -> BigFloat {
    if a.isZero { return b }
    if b.isZero { return a }
    let (high, low) = a.exponent >= b.exponent ? (a, b) : (b, a)
    let shift = high.exponent - low.exponent
    // One of them is below the last bit of the other.
    if shift > 2 * precision {
      if high.scale - low.scale > precision + 8 { return high }
      if low.scale - high.scale > precision + 8 { return low }
    }
    return BigFloat((high.mantissa << shift) + low.mantissa, exponent: low.exponent)
  }
  static func - (a: BigFloat, b: BigFloat) -> BigFloat { a + -b }
  static func * (a: BigFloat, b: BigFloat) -> BigFloat {
    BigFloat(a.mantissa * b.mantissa, exponent: a.exponent + b.exponent)
  }
  /// - Precondition: `b` is not zero.
  static func / (a: BigFloat, b: BigFloat) -> BigFloat {
    if a.isZero { return a }
    let shift = max(0, precision + 4 + b.mantissa.bitWidth - a.mantissa.bitWidth)
    return BigFloat((a.mantissa << shift) / b.mantissa, exponent: a.exponent - shift - b.exponent)
  }
  static func < (a: BigFloat, b: BigFloat) -> Bool { (a - b).isNegative }

  /// - Precondition: not negative.
  var squareRoot: BigFloat {
    if isZero { return self }
    var shift = max(0, 2 * Self.precision + 4 - mantissa.bitWidth)
    if (exponent - shift) % 2 != 0 { shift += 1 }
    return BigFloat((mantissa << shift).squareRoot(), exponent: (exponent - shift) / 2)
  }

  // MARK: Fixed point, for series

  /// The bits behind the point in series.
  private static let fraction = precision + 72
  private static let unit = BigInt(1) << fraction

  private func fixed() -> BigInt {
    let shift = exponent + Self.fraction
    return shift >= 0 ? mantissa << shift : mantissa >> -shift
  }
  private init(fixed value: BigInt) { self.init(value, exponent: -Self.fraction) }

  /// The sum of x^(2k+1)/(2k+1), with alternating signs for atan, for |x| < 1.
  private static func oddSeries(_ x: BigInt, alternates: Bool) -> BigInt {
    let square = (x * x) >> fraction
    var power = x
    var sum = x
    var k = 1
    while true {
      power = (power * square) >> fraction
      if power.isZero || power == -1 { return sum }
      k += 2
      let term = power / BigInt(k)
      sum += alternates && k % 4 == 3 ? -term : term
    }
  }

  static let pi: BigFloat = {
    // Machin: π/4 = 4 atan(1/5) − atan(1/239).
    let quarter = 4 * oddSeries(unit / 5, alternates: true) - oddSeries(unit / 239, alternates: true)
    return BigFloat(fixed: 4 * quarter)
  }()
  static let ln2 = BigFloat(fixed: 2 * oddSeries(unit / 3, alternates: false))
  static let e = try? exp(.one)

  static func exp(_ x: BigFloat) throws -> BigFloat {
    if x.isZero { return .one }
    // Exponents stay far from overflow.
    guard x.scale < 40 else {
      throw GradingError.noValue
    }
    let turns = Int((x / ln2).double.rounded())
    let rest = x - BigFloat(turns) * ln2
    let halvings = 12
    let small = rest.fixed() >> halvings
    var term = unit
    var sum = unit
    var k = 1
    while true {
      term = ((term * small) >> fraction) / BigInt(k)
      if term.isZero || term == -1 { break }
      sum += term
      k += 1
    }
    for _ in 0..<halvings { sum = (sum * sum) >> fraction }
    var result = BigFloat(fixed: sum)
    result.exponent += turns
    return result
  }

  /// - Precondition: positive.
  static func log(_ x: BigFloat) throws -> BigFloat {
    let shift = x.scale
    var m = x
    m.exponent -= shift  // in [1/2, 1)
    let guess = BigFloat(Rational(BigInt(Foundation.log(m.double) * 0x1p52), BigInt(1) << 52))
    let power = try exp(guess)
    let t = (m - power) / (m + power)
    return BigFloat(shift) * ln2 + guess + BigFloat(fixed: 2 * oddSeries(t.fixed(), alternates: false))
  }

  static func sinAndCos(_ x: BigFloat) throws -> (BigFloat, BigFloat) {
    if x.isZero { return (.zero, .one) }
    guard x.scale < 60 else { throw GradingError.noValue }
    let half = BigFloat(pi.mantissa, exponent: pi.exponent - 1)
    let turns = Int((x / half).double.rounded())
    let rest = (x - BigFloat(turns) * half).fixed()
    let square = (rest * rest) >> fraction
    var (sine, cosine) = (rest, unit)
    var (a, b) = (rest, unit)
    var k = 1
    while !(a.isZero || a == -1) || !(b.isZero || b == -1) {
      b = -((b * square) >> fraction) / BigInt((2 * k - 1) * (2 * k))
      a = -((a * square) >> fraction) / BigInt((2 * k) * (2 * k + 1))
      if a.isZero && b.isZero { break }
      sine += a
      cosine += b
      k += 1
      if k > 200 { break }
    }
    let (s, c) = (BigFloat(fixed: sine), BigFloat(fixed: cosine))
    return switch ((turns % 4) + 4) % 4 {
    case 0: (s, c)
    case 1: (c, -s)
    case 2: (-s, -c)
    default: (-c, s)
    }
  }

  /// The angle of the point (x, y), in (−π, π].
  static func atan2(_ y: BigFloat, _ x: BigFloat) throws -> BigFloat {
    if y.isZero { return x.isNegative ? pi : .zero }
    if x.isZero {
      let half = BigFloat(pi.mantissa, exponent: pi.exponent - 1)
      return y.isNegative ? -half : half
    }
    // A double's guess, and the small rest by the series.
    var (top, bottom) = (y, x)
    let shift = max(y.scale, x.scale)
    top.exponent -= shift
    bottom.exponent -= shift
    let guess = BigFloat(Rational(BigInt(Foundation.atan2(top.double, bottom.double) * 0x1p50), BigInt(1) << 50))
    let (s, c) = try sinAndCos(guess)
    // tan(θ − guess)
    let t = (top * c - bottom * s) / (bottom * c + top * s)
    return guess + BigFloat(fixed: oddSeries(t.fixed(), alternates: true))
  }
}
