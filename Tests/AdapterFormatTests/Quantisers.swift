import ModelFiles
import TestSupport

@testable import AdapterFormat

/// ggml's block quantisations, simulated: what becomes of numbers, and how wide each code is there.
enum Quantiser: CaseIterable {
  case q8_0, q4_0, q4_K

  var elementType: ElementType {
    switch self {
    case .q8_0: .q8_0
    case .q4_0: .q4_0
    case .q4_K: .q4_K
    }
  }

  /// Elements that share a scale.
  var blockSize: Int { elementType.block.elements }

  /// Quantises one block and takes it back.
  ///
  /// - Parameter searches: Q4_0 only: whether the scale is fitted by least squares, as it is with an importance
  ///   matrix, and the codes then stay as they were.
  func apply(_ x: [Float], searches: Bool = false) -> BaseValues {
    switch self {
    case .q8_0:
      let d = x.map { abs($0) }.max()! / 127
      let codes = x.map { d > 0 ? ($0 / d).rounded(.toNearestOrAwayFromZero) : 0 }
      return Self.blocks(half(d), codes)
    case .q4_0:
      let extreme = x.max { abs($0) < abs($1) }!
      var d = extreme / -8
      let codes = x.map { d != 0 ? min(15, ($0 / d + 8.5).rounded(.down)) - 8 : 0 }
      if searches, d != 0 {
        // Weighted by the numbers' own size, a little off the largest.
        let weights = x.map { $0 * $0 }
        var (over, under) = (Float(0), Float(0))
        for i in x.indices {
          over += weights[i] * x[i] * codes[i]
          under += weights[i] * codes[i] * codes[i]
        }
        if under > 0 { d = over / under }
      }
      return Self.blocks(half(d), codes)
    case .q4_K: return Self.superBlock(x)
    }
  }

  private static func blocks(_ d: Float, _ codes: [Float]) -> BaseValues {
    let error = SampledElement.f16.halfSpacing(Double(d))
    return BaseValues(
      codes.map { d * $0 }, widths: codes.map { Double(abs(d)) + 2 * Double(abs($0)) * error })
  }

  /// 256 numbers in eight groups, each with a scale and a minimum of six bits.
  private static func superBlock(_ x: [Float]) -> BaseValues {
    var fits: [(scale: Float, minimum: Float)] = []
    for group in 0..<8 { fits.append(BlockFit.leastSquares(Array(x[(32 * group)..<(32 * group + 32)]))) }
    let largestScale = fits.map(\.scale).max()!
    let largestMinimum = fits.map(\.minimum).max()!
    let (d, dMin) = (half(largestScale / 63), half(largestMinimum / 63))
    var values: [Float] = []
    var widths: [Double] = []
    for group in 0..<8 {
      func sixBits(_ value: Float, _ largest: Float) -> Float {
        largest > 0 ? min(63, (63 / largest * value).rounded(.toNearestOrEven)) : 0
      }
      let scale = sixBits(fits[group].scale, largestScale)
      let step = d * scale
      let minimum = dMin * sixBits(fits[group].minimum, largestMinimum)
      for value in x[(32 * group)..<(32 * group + 32)] {
        let code = step > 0 ? max(0, min(15, ((value + minimum) / step).rounded(.toNearestOrEven))) : 0
        values.append(step * code - minimum)
        widths.append(Double(d) * (Double(scale) + 0.5))
      }
    }
    return BaseValues(values, widths: widths)
  }
}

/// Rounded to half precision, to nearest even.
func half(_ x: Float) -> Float { rounded(x, .f16) }

/// Rounded to a type, to nearest even; infinite beyond its range.
func rounded(_ x: Float, _ type: SampledElement) -> Float {
  switch type {
  case .f32: return x
  case .bf16:
    let bits = x.bitPattern
    return Float(bitPattern: (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
  case .f16:
    let spacing = 2 * SampledElement.f16.halfSpacing(Double(x))
    let value = (Double(x) / spacing).rounded(.toNearestOrEven) * spacing
    return abs(value) > 65504 ? (x < 0 ? -.infinity : .infinity) : Float(value)
  }
}
