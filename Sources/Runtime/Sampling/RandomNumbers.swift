import AdapterFormat

extension Philox {
  /// Uniform in [0, 1) with 53 bits, keyed by what identifies the token to be drawn.
  package static func uniform(seed: UInt64, prompt: UInt32, sample: UInt32, position: UInt64) -> Double {
    let block = block(
      counter: (
        UInt32(truncatingIfNeeded: position), UInt32(truncatingIfNeeded: position >> 32), sample, prompt
      ),
      key: (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
    let bits = UInt64(block.0) << 32 | UInt64(block.1)
    return Double(bits >> 11) * 0x1p-53
  }
}
