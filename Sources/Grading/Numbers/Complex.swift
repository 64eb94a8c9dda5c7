/// A complex number with 288 bits.
struct Complex {
  var re: BigFloat
  var im: BigFloat

  static let zero = Complex(.zero, .zero)
  static let one = Complex(.one, .zero)
  static let i = Complex(.zero, .one)

  init(_ re: BigFloat, _ im: BigFloat = .zero) {
    self.re = re
    self.im = im
  }

  var isReal: Bool { im.isZero }
  var isZero: Bool { re.isZero && im.isZero }
  var scale: Int { max(re.scale, im.scale) }

  static prefix func - (a: Complex) -> Complex { Complex(-a.re, -a.im) }
  static func + (a: Complex, b: Complex) -> Complex { Complex(a.re + b.re, a.im + b.im) }
  static func - (a: Complex, b: Complex) -> Complex { a + -b }
  static func * (a: Complex, b: Complex) -> Complex {
    if a.isReal, b.isReal { return Complex(a.re * b.re) }
    return Complex(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re)
  }
  static func / (a: Complex, b: Complex) throws -> Complex {
    if b.isZero { throw GradingError.undefined }
    if b.isReal { return Complex(a.re / b.re, a.im.isZero ? .zero : a.im / b.re) }
    let square = b.re * b.re + b.im * b.im
    let top = a * Complex(b.re, -b.im)
    return Complex(top.re / square, top.im / square)
  }

  static func exp(_ a: Complex) throws -> Complex {
    let size = try BigFloat.exp(a.re)
    if a.isReal { return Complex(size) }
    let (s, c) = try BigFloat.sinAndCos(a.im)
    return Complex(size * c, size * s)
  }

  /// The principal logarithm.
  static func log(_ a: Complex) throws -> Complex {
    if a.isZero { throw GradingError.undefined }
    if a.isReal {
      let size = try BigFloat.log(a.re.magnitude)
      return Complex(size, a.re.isNegative ? .pi : .zero)
    }
    let size = try BigFloat.log(a.re * a.re + a.im * a.im)
    return Complex(size * .half, try BigFloat.atan2(a.im, a.re))
  }

  func power(_ exponent: Int) throws -> Complex {
    var result = Complex.one
    var base = self
    var rest = exponent.magnitude
    while rest > 0 {
      if rest & 1 == 1 { result = result * base }
      rest >>= 1
      if rest > 0 { base = base * base }
      if !base.isZero, abs(base.scale) > 1 << 50 { throw GradingError.tooLarge }
    }
    return exponent < 0 ? try .one / result : result
  }

  static func squareRoot(_ a: Complex) throws -> Complex {
    if a.isZero { return a }
    if a.isReal {
      let root = a.re.magnitude.squareRoot
      return a.re.isNegative ? Complex(.zero, root) : Complex(root)
    }
    let half = Complex(.half)
    return try exp(log(a) * half)
  }

  static func sinAndCos(_ a: Complex) throws -> (Complex, Complex) {
    if a.isReal {
      let (s, c) = try BigFloat.sinAndCos(a.re)
      return (Complex(s), Complex(c))
    }
    let up = try exp(a * .i)
    let down = try .one / up
    let half = Complex(.half)
    return ((up - down) * half * -.i, (up + down) * half)
  }

  static func atan(_ a: Complex) throws -> Complex {
    if a.isReal { return Complex(try .atan2(a.re, .one)) }
    let half = Complex(.half)
    return try (log(.one + a * .i) - log(.one - a * .i)) * half * -.i
  }

  static func asin(_ a: Complex) throws -> Complex {
    let rest = try squareRoot(.one - a * a)
    if a.isReal, rest.isReal { return Complex(try .atan2(a.re, rest.re)) }
    return try log(a * .i + rest) * -.i
  }
}
