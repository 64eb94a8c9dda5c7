/// How a tensor stores its numbers: one by one, by safetensors' names, or in quantised blocks, by ggml's.
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

  /// Blocks of four-bit codes and a scale.
  case q4_0 = "Q4_0"
  /// Blocks of four-bit codes, a scale and a minimum.
  case q4_1 = "Q4_1"
  /// Blocks of five-bit codes and a scale.
  case q5_0 = "Q5_0"
  /// Blocks of five-bit codes, a scale and a minimum.
  case q5_1 = "Q5_1"
  /// Blocks of eight-bit codes and a scale.
  case q8_0 = "Q8_0"
  /// Blocks of eight-bit codes, a scale and a sum.
  case q8_1 = "Q8_1"
  /// K-quants of two bits.
  case q2_K = "Q2_K"
  /// K-quants of three bits.
  case q3_K = "Q3_K"
  /// K-quants of four bits.
  case q4_K = "Q4_K"
  /// K-quants of five bits.
  case q5_K = "Q5_K"
  /// K-quants of six bits.
  case q6_K = "Q6_K"
  /// K-quants of eight bits.
  case q8_K = "Q8_K"
  /// Codebooks, 2.06 bits a weight.
  case iq2_XXS = "IQ2_XXS"
  /// Codebooks, 2.31 bits a weight.
  case iq2_XS = "IQ2_XS"
  /// Codebooks, 3.06 bits a weight.
  case iq3_XXS = "IQ3_XXS"
  /// Codebooks, 1.56 bits a weight.
  case iq1_S = "IQ1_S"
  /// Four bits, not linear.
  case iq4_NL = "IQ4_NL"
  /// Codebooks, 3.44 bits a weight.
  case iq3_S = "IQ3_S"
  /// Codebooks, 2.56 bits a weight.
  case iq2_S = "IQ2_S"
  /// Four bits, not linear, 4.25 bits a weight.
  case iq4_XS = "IQ4_XS"
  /// Codebooks, 1.75 bits a weight.
  case iq1_M = "IQ1_M"
  /// Ternary, 1.69 bits a weight.
  case tq1_0 = "TQ1_0"
  /// Ternary, 2.06 bits a weight.
  case tq2_0 = "TQ2_0"
  /// Four-bit floats with a shared exponent.
  case mxfp4 = "MXFP4"

  /// Elements that are stored together, and their bytes. A row is a whole number of quantised blocks.
  public var block: (elements: Int, bytes: Int) {
    switch self {
    case .f4: (2, 1)
    case .f6e2m3, .f6e3m2: (4, 3)
    case .bool, .u8, .i8, .f8e5m2, .f8e4m3, .f8e8m0, .f8e4m3fnuz, .f8e5m2fnuz: (1, 1)
    case .i16, .u16, .f16, .bf16: (1, 2)
    case .i32, .u32, .f32: (1, 4)
    case .c64, .f64, .i64, .u64: (1, 8)
    case .q4_0, .iq4_NL: (32, 18)
    case .q4_1: (32, 20)
    case .q5_0: (32, 22)
    case .q5_1: (32, 24)
    case .q8_0: (32, 34)
    case .q8_1: (32, 40)
    case .mxfp4: (32, 17)
    case .q2_K: (256, 84)
    case .q3_K, .iq3_S: (256, 110)
    case .q4_K: (256, 144)
    case .q5_K: (256, 176)
    case .q6_K: (256, 210)
    case .q8_K: (256, 292)
    case .iq2_XXS: (256, 66)
    case .iq2_XS: (256, 74)
    case .iq3_XXS: (256, 98)
    case .iq1_S: (256, 50)
    case .iq2_S: (256, 82)
    case .iq4_XS: (256, 136)
    case .iq1_M: (256, 56)
    case .tq1_0: (256, 54)
    case .tq2_0: (256, 66)
    }
  }

  /// Whether the elements are in quantised blocks, which only GGUF files hold.
  public var isQuantised: Bool { block.elements >= 32 }

  /// Whether ``Tensor/floats()`` reads it: F32, F16 and BF16.
  public var readsAsFloats: Bool { self == .f32 || self == .f16 || self == .bf16 }

  /// Bits of one element, rounded down for quantised types.
  public var bitSize: Int { 8 * block.bytes / block.elements }

  /// Bytes of one element; 1 for elements of fewer than 8 bits.
  public var byteSize: Int { (bitSize + 7) / 8 }

  /// Bytes of so many elements.
  ///
  /// - Precondition: a whole number of blocks.
  package func byteCount(_ elements: Int) -> Int { elements / block.elements * block.bytes }

  /// Bytes of a tensor; nil if the size overflows, or would cut a byte or a quantised block.
  package func byteCount(shape: [Int]) -> Int? {
    let (elements, bytes) = block
    var sizes = shape
    if isQuantised {
      guard let columns = sizes.popLast(), columns.isMultiple(of: elements) else { return nil }
      sizes.append(columns / elements)
    }
    // A zero anywhere makes the product zero, whatever the others multiply to.
    if sizes.contains(0) { return 0 }
    var count = bytes
    var overflow = false
    for size in sizes where !overflow { (count, overflow) = count.multipliedReportingOverflow(by: size) }
    guard !overflow else { return nil }
    return isQuantised ? count : count.isMultiple(of: elements) ? count / elements : nil
  }
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
