/// Random numbers from a seed (SplitMix64), the same on every machine.
struct RandomNumbers {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func int(_ range: ClosedRange<Int>) -> Int {
    range.lowerBound + Int(next() % UInt64(range.count))
  }

  /// A fraction between 1/3 and 3 that no formula expects.
  mutating func fraction() -> Rational {
    Rational(int(40_000...120_000)) / Rational(int(40_009...119_993) | 1)
  }
}
