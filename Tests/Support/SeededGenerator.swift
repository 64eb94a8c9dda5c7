/// Random numbers that are the same in every run, so that a failing case can be made again (SplitMix64).
package struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  package init(_ seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// A whole number from 0 to `bound` - 1.
  package mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }

  package mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
  }

  /// A number in [-1, 1).
  package mutating func float() -> Float { Float(Int64(bitPattern: next()) >> 40) / 0x1p23 }

  package mutating func floats(_ count: Int) -> [Float] { (0..<count).map { _ in float() } }

  /// About normal, with mean 0 and deviation 1.
  package mutating func normal() -> Float {
    (0..<12).reduce(-6) { (sum: Float, _) in sum + Float.random(in: 0..<1, using: &self) }
  }
}
