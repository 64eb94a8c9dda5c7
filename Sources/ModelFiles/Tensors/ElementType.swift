/// The element types of safetensors, by their names in the file.
public enum ElementType: String, Sendable, CaseIterable {
  /// One byte, 0 or 1.
  case bool = "BOOL"
  /// Four-bit float (two to a byte).
  case f4 = "F4"
  /// Six-bit float, two exponent bits.
  case f6e2m3 = "F6_E2M3"
  /// Six-bit float, three exponent bits.
  case f6e3m2 = "F6_E3M2"
  /// Unsigned 8-bit integer.
  case u8 = "U8"
  /// Signed 8-bit integer.
  case i8 = "I8"
  /// Eight-bit float, five exponent bits.
  case f8e5m2 = "F8_E5M2"
  /// Eight-bit float, four exponent bits.
  case f8e4m3 = "F8_E4M3"
  /// Eight-bit power of two.
  case f8e8m0 = "F8_E8M0"
  /// Eight-bit float, four exponent bits, no negative zero.
  case f8e4m3fnuz = "F8_E4M3FNUZ"
  /// Eight-bit float, five exponent bits, no negative zero.
  case f8e5m2fnuz = "F8_E5M2FNUZ"
  /// Signed 16-bit integer.
  case i16 = "I16"
  /// Unsigned 16-bit integer.
  case u16 = "U16"
  /// IEEE 754 half precision.
  case f16 = "F16"
  /// The upper half of a single-precision float.
  case bf16 = "BF16"
  /// Signed 32-bit integer.
  case i32 = "I32"
  /// Unsigned 32-bit integer.
  case u32 = "U32"
  /// IEEE 754 single precision.
  case f32 = "F32"
  /// Two single-precision floats.
  case c64 = "C64"
  /// IEEE 754 double precision.
  case f64 = "F64"
  /// Signed 64-bit integer.
  case i64 = "I64"
  /// Unsigned 64-bit integer.
  case u64 = "U64"

  /// Size of one element in bits.
  public var bitSize: Int {
    switch self {
    case .f4: 4
    case .f6e2m3, .f6e3m2: 6
    case .bool, .u8, .i8, .f8e5m2, .f8e4m3, .f8e8m0, .f8e4m3fnuz, .f8e5m2fnuz: 8
    case .i16, .u16, .f16, .bf16: 16
    case .i32, .u32, .f32: 32
    case .c64, .f64, .i64, .u64: 64
    }
  }

  /// Size of one element in bytes; elements of 4 and 6 bits are packed, for them this is 1 (see ``bitSize``).
  public var byteSize: Int { (bitSize + 7) / 8 }
}

/// The float whose upper 16 bits are given and whose lower bits are zero.
@inlinable public func float(bfloat16 bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

/// A half-precision float widened exactly, written in bits because `Float16` is absent on some platforms.
@inlinable public func float(float16 bits: UInt16) -> Float {
  let sign = UInt32(bits & 0x8000) << 16
  let exponent = UInt32(bits >> 10) & 0x1f
  let fraction = UInt32(bits) & 0x3ff
  switch exponent {
  case 0:  // zero and subnormals: fraction · 2⁻²⁴ is exact in single precision
    let magnitude = Float(fraction) * 0x1p-24
    return Float(bitPattern: magnitude.bitPattern | sign)
  case 0x1f: return Float(bitPattern: sign | 0x7f80_0000 | fraction << 13)
  default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
  }
}
