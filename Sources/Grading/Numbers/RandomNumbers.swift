import Support

/// The random numbers of a comparison.
struct RandomNumbers {
  private var source: SplitMix64
  init(seed: UInt64) { source = SplitMix64(state: seed) }

  mutating func next() -> UInt64 { source.next() }

  mutating func int(_ range: ClosedRange<Int>) -> Int {
    range.lowerBound + Int(next() % UInt64(range.count))
  }

  /// A fraction between 1/3 and 3 that no formula expects.
  mutating func fraction() -> Rational {
    Rational(int(40_000...120_000)) / Rational(int(40_009...119_993) | 1)
  }
}
