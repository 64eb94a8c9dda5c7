import CFlint

/// A complex number that is known up to a tiny error: Arb's ball, which encloses the true value whatever was computed.
/// Balls that do not meet prove that two numbers differ.
@safe struct Ball: Sendable {
  /// Bits of the centre: enough that answers of a hundred digits are still told apart behind the point.
  private static let precision = 640

  @safe private final class Storage: @unchecked Sendable {
    let value: acb_struct
    init(_ value: acb_struct) { unsafe self.value = value }
    deinit {
      var value = unsafe value
      unsafe acb_clear(&value)
    }
  }
  private let storage: Storage

  static let zero = Ball(.zero)
  static let one = Ball(.one)
  static let i = unsafe Ball { result in unsafe acb_onei(result) }
  static let pi = unsafe Ball { result in unsafe acb_const_pi(result, precision) }

  private init(_ compute: (UnsafeMutablePointer<acb_struct>) -> Void) {
    var value = unsafe acb_struct()
    unsafe acb_init(&value)
    unsafe compute(&value)
    storage = unsafe Storage(value)
  }

  init(_ value: Rational) {
    self = unsafe Ball { result in
      unsafe value.read { x in unsafe acb_set_fmpq(result, x, Self.precision) }
    }
  }
  init(_ value: Int) { self.init(Rational(value)) }

  init(_ value: Rational, imaginary: Rational) { self = Ball(value) + Ball(imaginary) * .i }

  /// Arb only reads what it gets here, so a copy of the structure will do.
  private func read<Result>(_ body: (UnsafePointer<acb_struct>) -> Result) -> Result {
    withExtendedLifetime(storage) {
      var value = unsafe storage.value
      return unsafe body(&value)
    }
  }

  // MARK: What is known

  /// Whether the imaginary part is exactly zero.
  var isReal: Bool { unsafe read { unsafe acb_is_real($0) != 0 } }
  /// False for what has no value, such as 1/0.
  var isFinite: Bool { unsafe read { unsafe acb_is_finite($0) != 0 } }
  /// Whether the real part is certainly below zero.
  var isNegative: Bool { unsafe real { unsafe arb_is_negative($0) != 0 } }
  /// Whether the real part is certainly above zero.
  var isPositive: Bool { (-self).isNegative }
  /// Whether it is certainly a real integer.
  var isInteger: Bool { unsafe isReal && real { unsafe arb_is_int($0) != 0 } }

  /// Whether the magnitude is certainly at most 2^`exponent`.
  func isWithin(exponent: Int) -> Bool {
    unsafe read { x in
      var bound = mag_struct()
      unsafe mag_init(&bound)
      defer { unsafe mag_clear(&bound) }
      unsafe acb_get_mag(&bound, x)
      return unsafe mag_cmp_2exp_si(&bound, exponent) <= 0
    }
  }

  /// Whether the difference of two numbers is zero: "false" is proven, "true" is true of 60 digits behind the point,
  /// nil means that too little is known.
  var vanishes: Bool? {
    let excludesZero = unsafe read { unsafe acb_contains_zero($0) == 0 }
    if excludesZero { return false }
    return isWithin(exponent: -200) ? true : nil
  }

  /// The centre of the real part.
  var double: Double {
    unsafe real { x in
      var centre = unsafe x.pointee.mid
      return unsafe arf_get_d(&centre, ARF_RND_NEAR)
    }
  }

  private func real<Result>(_ body: (UnsafePointer<arb_struct>) -> Result) -> Result {
    unsafe read { x in
      var part = unsafe x.pointee.real
      return unsafe body(&part)
    }
  }

  // MARK: Arithmetic

  private func applying(
    _ function: (UnsafeMutablePointer<acb_struct>?, UnsafePointer<acb_struct>?, Int) -> Void
  ) -> Ball {
    unsafe Ball { result in unsafe read { x in unsafe function(result, x, Self.precision) } }
  }

  private func combined(
    _ other: Ball,
    _ operation: (
      UnsafeMutablePointer<acb_struct>?, UnsafePointer<acb_struct>?, UnsafePointer<acb_struct>?, Int
    ) -> Void
  ) -> Ball {
    unsafe Ball { result in
      unsafe read { x in unsafe other.read { y in unsafe operation(result, x, y, Self.precision) } }
    }
  }

  static prefix func - (a: Ball) -> Ball { unsafe a.applying { r, x, _ in unsafe acb_neg(r, x) } }
  static func + (a: Ball, b: Ball) -> Ball { unsafe a.combined(b, acb_add) }
  static func - (a: Ball, b: Ball) -> Ball { unsafe a.combined(b, acb_sub) }
  static func * (a: Ball, b: Ball) -> Ball { unsafe a.combined(b, acb_mul) }
  static func / (a: Ball, b: Ball) -> Ball { unsafe a.combined(b, acb_div) }
  /// Whether the real part of `a` is certainly the smaller one.
  static func < (a: Ball, b: Ball) -> Bool { (a - b).isNegative }

  func power(_ exponent: Int) -> Ball { unsafe applying { unsafe acb_pow_si($0, $1, exponent, $2) } }
  var squareRoot: Ball { unsafe applying(acb_sqrt) }
  var exp: Ball { unsafe applying(acb_exp) }
  var log: Ball { unsafe applying(acb_log) }
  var sin: Ball { unsafe applying(acb_sin) }
  var cos: Ball { unsafe applying(acb_cos) }
  var tan: Ball { unsafe applying(acb_tan) }
  var cot: Ball { unsafe applying(acb_cot) }
  var sec: Ball { unsafe applying(acb_sec) }
  var csc: Ball { unsafe applying(acb_csc) }
  var asin: Ball { unsafe applying(acb_asin) }
  var acos: Ball { unsafe applying(acb_acos) }
  var atan: Ball { unsafe applying(acb_atan) }
  var sinh: Ball { unsafe applying(acb_sinh) }
  var cosh: Ball { unsafe applying(acb_cosh) }
  var tanh: Ball { unsafe applying(acb_tanh) }
  var coth: Ball { unsafe applying(acb_coth) }
  var magnitude: Ball {
    unsafe applying { r, x, bits in unsafe Self.setReal(r) { unsafe acb_abs($0, x, bits) } }
  }
  var realPart: Ball { unsafe applying { r, x, _ in unsafe Self.setReal(r) { unsafe acb_get_real($0, x) } } }
  var imaginaryPart: Ball {
    unsafe applying { r, x, _ in unsafe Self.setReal(r) { unsafe acb_get_imag($0, x) } }
  }

  /// The largest integer that is not above the real part; nil when the ball does not tell which.
  var floor: Ball? {
    // What vanishes beside an integer is that integer: ⌊log₂ 8⌋ is 3.
    let nearest = (self + Ball(Rational(1) / Rational(2))).plainFloor
    if (realPart - nearest).vanishes == true { return nearest }
    return plainFloor.isInteger ? plainFloor : nil
  }

  private var plainFloor: Ball {
    unsafe applying { r, x, bits in
      guard var part = unsafe x?.pointee.real else { return }
      unsafe Self.setReal(r) { unsafe arb_floor($0, &part, bits) }
    }
  }

  private static func setReal(
    _ result: UnsafeMutablePointer<acb_struct>?, _ compute: (UnsafeMutablePointer<arb_struct>?) -> Void
  ) {
    guard let result = unsafe result else { return }
    unsafe compute(&result.pointee.real)
  }
}
