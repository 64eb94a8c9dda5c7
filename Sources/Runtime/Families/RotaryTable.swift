import Foundation
import ModelFiles

/// Cosines and sines of the rotary embedding, `[positions, headDim / 2]`, grown as contexts grow.
///
/// Angles are formed as transformers forms them, `Float(position) * Float(theta^(-2j/d))` in float32, so
/// that long contexts agree with the implementation that the model was trained and published with; the
/// functions themselves are taken in double precision and rounded once.
final class RotaryTable {
  private let theta: Double
  private let half: Int
  private(set) var positions = 0
  private let cosines = FloatBuffer()
  private let sines = FloatBuffer()

  init(_ config: Qwen2Config) {
    theta = config.ropeTheta
    half = config.headDim / 2
  }

  /// The tables, holding at least `count` positions.
  @unsafe func tables(positions count: Int) -> (cosine: UnsafePointer<Float>, sine: UnsafePointer<Float>) {
    if count > positions {
      let grown = max(count, 2 * positions, 512)
      let cosine = unsafe cosines.reserve(grown * half)
      let sine = unsafe sines.reserve(grown * half)
      let base = Float(theta)
      for j in 0..<half {
        let frequency = 1 / powf(base, Float(2 * j) / Float(2 * half))
        for position in 0..<grown {
          let angle = Double(Float(position) * frequency)
          unsafe cosine[position * half + j] = Float(cos(angle))
          unsafe sine[position * half + j] = Float(sin(angle))
        }
      }
      positions = grown
    }
    return unsafe (UnsafePointer(cosines.reserve(0)), UnsafePointer(sines.reserve(0)))
  }
}
