import CFlint

#if canImport(CArb)
  import CArb  // FLINT 2 has Arb in a library of its own; importing it links that
#endif

/// An exact fraction in lowest terms, with a positive denominator: FLINT's `fmpq`.
///
/// FLINT ends the program when memory runs out, so everything that grows is bounded before it is called.
struct Rational: Comparable, Sendable {
  private final class Storage: Sendable {
    let value: fmpq
    init(_ value: fmpq) { self.value = value }
    deinit {
      var value = value
      unsafe fmpq_clear(&value)
    }
  }
  private let storage: Storage

  static let zero = Rational(0)
  static let one = Rational(1)

  private init(_ compute: (UnsafeMutablePointer<fmpq>) -> Void) {
    var value = fmpq(num: 0, den: 1)
    unsafe compute(&value)
    storage = Storage(value)
  }

  init(_ value: Int) { self = unsafe Rational { unsafe fmpq_set_si($0, value, 1) } }

  /// Nil unless `digits` is an integer in base `radix`, at most 36.
  init?(_ digits: String, radix: Int = 10) {
    var value = fmpq(num: 0, den: 1)
    guard unsafe fmpz_set_str(&value.num, digits, Int32(radix)) == 0 else { return nil }
    storage = Storage(value)
  }

  /// `operation`'s result for `a` and `b`.
  private init(
    _ a: Rational, _ b: Rational,
    _ operation: (UnsafeMutablePointer<fmpq>?, UnsafePointer<fmpq>?, UnsafePointer<fmpq>?) -> Void
  ) {
    self = unsafe Rational { result in
      unsafe a.read { x in unsafe b.read { y in unsafe operation(result, x, y) } }
    }
  }

  /// FLINT's functions only read what they get here, so a copy of the two words will do.
  func read<Result>(_ body: (UnsafePointer<fmpq>) -> Result) -> Result {
    withExtendedLifetime(storage) {
      var value = storage.value
      return unsafe body(&value)
    }
  }

  /// The integer that `compute` finds from numerator and denominator.
  private func integer(
    _ compute: (UnsafeMutablePointer<fmpz>, UnsafePointer<fmpz>, UnsafePointer<fmpz>) -> Void
  ) -> Rational {
    unsafe Rational { result in
      unsafe read { x in
        var (n, d) = unsafe (x.pointee.num, x.pointee.den)
        unsafe compute(&result.pointee.num, &n, &d)
      }
    }
  }

  var isInteger: Bool { storage.value.den == 1 }
  var isZero: Bool { storage.value.num == 0 }
  var isNegative: Bool { unsafe read { unsafe fmpq_sgn($0) < 0 } }
  var isOdd: Bool { unsafe integer { r, n, _ in unsafe fmpz_fdiv_r_2exp(r, n, 1) } == .one }
  /// The bits of numerator and denominator together.
  var bits: Int {
    unsafe read { x in
      var (n, d) = unsafe (x.pointee.num, x.pointee.den)
      return unsafe Int(fmpz_bits(&n) + fmpz_bits(&d))
    }
  }
  /// The value when it is an integer that fits.
  var int: Int? {
    unsafe read { x in
      var n = unsafe x.pointee.num
      return unsafe isInteger && fmpz_bits(&n) <= 61 ? fmpz_get_si(&n) : nil
    }
  }
  var numerator: Rational { isInteger ? self : unsafe integer { r, n, _ in unsafe fmpz_set(r, n) } }
  var denominator: Rational { isInteger ? .one : unsafe integer { r, _, d in unsafe fmpz_set(r, d) } }
  var magnitude: Rational { isNegative ? -self : self }
  var floor: Rational { unsafe integer { unsafe fmpz_fdiv_q($0, $1, $2) } }

  /// Numerator and denominator in base 10, or 16 when they are long.
  var text: String {
    if let int { return String(int) }
    let isLong = bits > 256
    return unsafe read { x in
      guard let text = unsafe fmpq_get_str(nil, isLong ? 16 : 10, x) else { return "" }
      defer { unsafe flint_free(text) }
      return unsafe (isLong ? "0x" : "") + String(cString: text)
    }
  }

  static prefix func - (a: Rational) -> Rational {
    unsafe Rational { result in unsafe a.read { x in unsafe fmpq_neg(result, x) } }
  }
  static func + (a: Rational, b: Rational) -> Rational { unsafe Rational(a, b, fmpq_add) }
  static func - (a: Rational, b: Rational) -> Rational { unsafe Rational(a, b, fmpq_sub) }
  static func * (a: Rational, b: Rational) -> Rational { unsafe Rational(a, b, fmpq_mul) }
  /// - Precondition: `b` is not zero.
  static func / (a: Rational, b: Rational) -> Rational { unsafe Rational(a, b, fmpq_div) }
  static func < (a: Rational, b: Rational) -> Bool {
    unsafe a.read { x in unsafe b.read { y in unsafe fmpq_cmp(x, y) < 0 } }
  }
  static func == (a: Rational, b: Rational) -> Bool {
    unsafe a.read { x in unsafe b.read { y in unsafe fmpq_equal(x, y) != 0 } }
  }

  /// The greatest common divisor of two integers.
  func commonDivisor(_ other: Rational) -> Rational { unsafe Rational(self, other, fmpq_gcd) }

  static func factorial(_ n: Int) -> Rational {
    unsafe Rational { unsafe fmpz_fac_ui(&$0.pointee.num, UInt(n)) }
  }
  static func powerOfTen(_ exponent: Int) -> Rational {
    unsafe Rational { result in
      var ten: fmpz = 10
      unsafe fmpz_pow_ui(&result.pointee.num, &ten, UInt(exponent))
    }
  }
  static func binomial(_ n: Int, _ k: Int) -> Rational {
    unsafe Rational { unsafe fmpz_bin_uiui(&$0.pointee.num, UInt(n), UInt(k)) }
  }

  /// `self` to an integer power.
  func power(_ exponent: Int, _ budget: Budget) throws -> Rational {
    if exponent == 0 { return .one }
    if isZero {
      if exponent < 0 { throw GradingError.undefined }
      return .zero
    }
    if self == .one || self == Rational(-1) { return isNegative && exponent % 2 != 0 ? self : .one }
    let count = exponent.magnitude
    // Beyond this, numbers are not written out: 10^10^10 has ten billion digits.
    guard count <= 100_000, bits * Int(count) <= 60_000 else { throw GradingError.noValue }
    try budget.spendProduct(bits: bits * Int(count), bits * Int(count))
    return unsafe Rational { result in unsafe read { x in unsafe fmpq_pow_si(result, x, exponent) } }
  }

  /// The exact root, if there is one; for odd `degree` also of negative numbers.
  func root(_ degree: Int, _ budget: Budget) throws -> Rational? {
    guard degree >= 1 else { return nil }
    if degree == 1 || self == .one || isZero { return self }
    if isNegative, degree % 2 == 0 { return nil }
    guard degree <= 64, bits <= 20_000 else { return nil }
    try budget.spend(20)
    try budget.spendProduct(bits: bits, bits)
    var isExact = true
    let root = unsafe Rational { result in
      unsafe read { x in
        var (n, d) = unsafe (x.pointee.num, x.pointee.den)
        isExact = unsafe fmpz_root(&result.pointee.num, &n, degree) != 0
        isExact = unsafe fmpz_root(&result.pointee.den, &d, degree) != 0 && isExact
      }
    }
    return isExact ? root : nil
  }
}
