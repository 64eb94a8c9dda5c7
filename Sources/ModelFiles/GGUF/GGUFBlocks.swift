/// One block of quantised weights, decoded without kernels: for readers of a few weights.
///
/// The values equal the kernels' to the bit.
public struct GGUFBlock: Sendable {
  /// The values.
  public private(set) var values: [Float] = []
  /// At each place, the width of the interval that the type rounds to one value (spec/base-identity.md, 6.2).
  public private(set) var widths: [Double] = []

  /// Decodes one block; nil if the type is not supported.
  ///
  /// - Precondition: as many bytes as a block of the type has.
  public init?(_ bytes: [UInt8], _ type: ElementType) {
    precondition(bytes.count == type.block.bytes)
    func half(_ at: Int) -> Float { float(float16: UInt16(bytes[at]) | UInt16(bytes[at + 1]) << 8) }
    switch type {
    case .q8_0: small(half(0), (0..<32).map { Int(Int8(bitPattern: bytes[2 + $0])) })
    case .q4_0:
      let low = bytes[2..<18].map { Int($0 & 15) - 8 }
      let high = bytes[2..<18].map { Int($0 >> 4) - 8 }
      small(half(0), low + high)
    case .q4_1:
      let low = bytes[4..<20].map { Int($0 & 15) }
      small(half(0), low + bytes[4..<20].map { Int($0 >> 4) })
      values = values.map { $0 + half(2) }
    case .q5_0:
      small(half(0), Self.fiveBits(bytes, high: 2).map { $0 - 16 })
    case .q5_1:
      small(half(0), Self.fiveBits(bytes, high: 4))
      values = values.map { $0 + half(2) }
    case .q4_K, .q5_K:
      let start = type == .q4_K ? 16 : 48
      for j in 0..<8 {
        let (scale, minimum) = Self.scaleAndMinimum(Array(bytes[4..<16]), j)
        let (a, b) = (half(0) * Float(scale), half(2) * Float(minimum))
        for i in 0..<32 {
          var code = Int(bytes[start + j / 2 * 32 + i] >> (j % 2 * 4) & 15)
          if type == .q5_K { code |= Int(bytes[16 + i] >> j & 1) << 4 }
          values.append(a * Float(code) - b)
          widths.append(Double(abs(half(0))) * (Double(scale) + 0.5))
        }
      }
    case .q6_K:
      for h in 0..<2 {
        for j in 0..<4 {
          for i in 0..<32 {
            let scale = Int(Int8(bitPattern: bytes[192 + 8 * h + 2 * j + i / 16]))
            let low = Int(bytes[64 * h + j % 2 * 32 + i] >> (j / 2 * 4) & 15)
            let high = Int(bytes[128 + 32 * h + i] >> (2 * j) & 3)
            values.append(half(208) * Float(scale) * Float((low | high << 4) - 32))
            widths.append(Double(abs(half(208))) * (Double(abs(scale)) + 0.5))
          }
        }
      }
    default: return nil
    }
  }

  private mutating func small(_ d: Float, _ codes: [Int]) {
    let exponent = d == 0 ? -14 : max(Int(d.exponent), -14)
    let error = Double(sign: .plus, exponent: exponent - 11, significand: 1)
    values = codes.map { d * Float($0) }
    widths = codes.map { Double(abs(d)) + 2 * Double(abs($0)) * error }
  }

  /// 32 codes, with their fifth bits in front of the others.
  private static func fiveBits(_ bytes: [UInt8], high: Int) -> [Int] {
    (0..<32).map { i in
      let low = i < 16 ? bytes[high + 4 + i] & 15 : bytes[high + 4 + i - 16] >> 4
      return Int(low) | Int(bytes[high + i / 8] >> (i % 8) & 1) << 4
    }
  }

  private static func scaleAndMinimum(_ s: [UInt8], _ j: Int) -> (Int, Int) {
    if j < 4 { return (Int(s[j] & 63), Int(s[j + 4] & 63)) }
    return (Int(s[j + 4] & 15 | (s[j - 4] >> 6) << 4), Int(s[j + 4] >> 4 | (s[j] >> 6) << 4))
  }
}
