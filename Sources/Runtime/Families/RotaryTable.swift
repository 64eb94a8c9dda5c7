import Foundation
import ModelFiles

/// Cosines and sines of the rotary embedding, `[positions, headDim / 2]`, grown as contexts grow.
///
/// Angles are formed as transformers forms them, `Float(position) * Float(theta^(-2j/d))` in float32, so that long
/// contexts agree with the implementation that the model was trained with. The functions themselves are taken in
/// double precision and rounded once.
final class RotaryTable {
  private let frequencies: [Float]
  private let factor: Float
  private var half: Int { frequencies.count }
  private var positions = 0
  private let cosines = FloatBuffer()
  private let sines = FloatBuffer()
  /// For turning back, made when somebody asks for it.
  private let negativeSines = FloatBuffer()
  private var negativePositions = 0

  init(_ rotary: Rotary, headDim: Int) {
    frequencies = rotary.frequencies(width: headDim)
    factor = rotary.attentionFactor
  }

  /// The tables, holding at least `count` positions; with `inverse` those that turn back.
  @unsafe func tables(
    positions count: Int, inverse: Bool = false
  ) -> (cosine: UnsafePointer<Float>, sine: UnsafePointer<Float>) {
    if count > positions { grow(to: max(count, 2 * positions, 512)) }
    if inverse, negativePositions < positions {
      let negative = unsafe negativeSines.reserve(positions * half)
      for i in 0..<positions * half { unsafe negative[i] = -sines.start[i] }
      negativePositions = positions
    }
    return unsafe (UnsafePointer(cosines.start), UnsafePointer((inverse ? negativeSines : sines).start))
  }

  private func grow(to count: Int) {
    let cosine = unsafe cosines.reserve(count * half)
    let sine = unsafe sines.reserve(count * half)
    for (j, frequency) in frequencies.enumerated() {
      for position in 0..<count {
        let angle = Double(Float(position) * frequency)
        unsafe cosine[position * half + j] = Float(cos(angle)) * factor
        unsafe sine[position * half + j] = Float(sin(angle)) * factor
      }
    }
    positions = count
  }
}
