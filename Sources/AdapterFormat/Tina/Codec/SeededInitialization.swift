import ModelFiles

/// The initial A that a seed gives: uniform on (−1/√in, 1/√in), each number a function of seed, module and
/// position alone (spec §8.4).
///
/// A trainer that begins with it can store its A as differences from it, which are small early in training.
public enum SeededInitialization {
  /// A as single-precision floats, `[rank, input]` in row-major order.
  ///
  /// - Parameters:
  ///   - seed: the run's seed.
  ///   - module: the module's name: `layers.3.self_attn.q_proj`.
  ///   - rank: rows.
  ///   - input: columns.
  public static func a(seed: UInt64, module: String, rank: Int, input: Int) -> [Float] {
    let count = rank * input
    return unsafe [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
      unsafe fill(buffer.baseAddress, count: count, seed: seed, module: module, input: input)
      initialized = count
    }
  }

  private static func fill(
    _ out: UnsafeMutablePointer<Float>?, count: Int, seed: UInt64, module: String, input: Int
  ) {
    guard let out = unsafe out else { return }
    let hash = ContentDigest.of(Array(module.utf8)).bytes
    func word(_ start: Int) -> UInt32 {
      (0..<4).reduce(0) { $0 | UInt32(hash[start + $1]) << (8 * UInt32($1)) }
    }
    let (h0, h1) = (word(0), word(4))
    let bound = Float(1 / Double(input).squareRoot())
    let key = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
    func value(_ word: UInt32) -> Float { (Float(word >> 8) * 0x1p-23 - 1) * bound }
    for start in stride(from: 0, to: count, by: 4) {
      let number = UInt64(start / 4)
      let block = Philox.block(
        counter: (UInt32(truncatingIfNeeded: number), UInt32(truncatingIfNeeded: number >> 32), h0, h1),
        key: key)
      unsafe out[start] = value(block.0)
      if start + 1 < count { unsafe out[start + 1] = value(block.1) }
      if start + 2 < count { unsafe out[start + 2] = value(block.2) }
      if start + 3 < count { unsafe out[start + 3] = value(block.3) }
    }
  }

  /// The predicted words of a tensor, little-endian, as F32, F16 or BF16.
  static func words(seed: UInt64, module: String, shape: [Int], type: ElementType) -> [UInt8] {
    let floats = a(seed: seed, module: module, rank: shape[0], input: shape[1])
    var out: [UInt8] = []
    out.reserveCapacity(floats.count * type.byteSize)
    for value in floats {
      switch type {
      case .f32: withUnsafeBytesOf(value.bitPattern, &out)
      case .bf16: withUnsafeBytesOf(bfloat16(value), &out)
      default: withUnsafeBytesOf(float16(value), &out)
      }
    }
    return out
  }

  private static func withUnsafeBytesOf<Word: FixedWidthInteger>(_ word: Word, _ out: inout [UInt8]) {
    for j in 0..<MemoryLayout<Word>.size { out.append(UInt8(truncatingIfNeeded: word >> (8 * j))) }
  }
}

/// A finite float rounded to bfloat16, to nearest even.
func bfloat16(_ value: Float) -> UInt16 {
  let bits = value.bitPattern
  if value.isNaN { return UInt16(truncatingIfNeeded: bits >> 16) | 0x40 }
  return UInt16(truncatingIfNeeded: (bits &+ 0x7fff &+ (bits >> 16 & 1)) >> 16)
}

/// A float rounded to half precision, to nearest even.
func float16(_ value: Float) -> UInt16 {
  let bits = value.bitPattern
  let sign = UInt16(truncatingIfNeeded: bits >> 16) & 0x8000
  let magnitude = bits & 0x7fff_ffff
  if magnitude > 0x7f80_0000 { return sign | 0x7e00 | UInt16(truncatingIfNeeded: magnitude >> 13) & 0x3ff }
  if magnitude >= 0x477f_f000 { return sign | 0x7c00 }  // 65520 and above round to infinity
  if magnitude < 0x3880_0000 {
    // Subnormal: whole multiples of 2⁻²⁴; adding ½ in single precision rounds to nearest even.
    let scaled = Float(bitPattern: magnitude) + 0.5
    return sign | UInt16(truncatingIfNeeded: scaled.bitPattern &- Float(0.5).bitPattern)
  }
  let rounded = magnitude &+ 0xfff &+ (magnitude >> 13 & 1)
  return sign | UInt16(truncatingIfNeeded: (rounded &- 0x3800_0000) >> 13)
}
