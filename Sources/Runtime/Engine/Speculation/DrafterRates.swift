import Foundation

/// How often a drafter's guesses were right, by how sure it was of them.
package struct DrafterRates {
  /// The share that was right among guesses of one confidence. The beginning counts as a few guesses.
  private struct Share {
    var value: Double
    var weight = 4.0

    mutating func add(_ isRight: Bool) {
      weight = min(weight + 1, 200)
      value += ((isRight ? 1 : 0) - value) / weight
    }
  }

  private static let usual = 0.85
  private static func usual(_ confidence: Int) -> Double {
    0.5 + 0.49 * (1 - exp2(-Double(confidence) / 1.6))
  }
  private var shares: [Share]
  private var mean = Share(value: usual)

  package init() {
    shares = (0...16).map { Share(value: Self.usual($0)) }
  }

  /// A guess's confidence, 0 to 16, from how likely the drafter holds it: each step leaves about two thirds of the
  /// doubt.
  package static func confidence(_ probability: Double) -> Int {
    let doubt = max(1 - probability, 1e-6)
    return min(max(Int(-1.6 * log2(doubt)), 0), 16)
  }

  /// The chance that a guess of this confidence is right behind right ones.
  package func chance(_ confidence: Int, _ trust: DraftTrust) -> Double {
    min(shares[confidence].value * trust.factor, 0.99)
  }

  /// The chance that a guess that is not made yet will be right behind right ones.
  package func chance(_ trust: DraftTrust) -> Double { min(mean.value * trust.factor, 0.98) }

  /// Learns from a guess that was looked at.
  package mutating func learn(_ confidence: Int, isRight: Bool, _ trust: inout DraftTrust) {
    trust.add(hit: isRight, expected: shares[confidence].value)
    shares[confidence].add(isRight)
    mean.add(isRight)
  }

  /// A step without its guesses: what is known of it grows old, so that a drafter that failed is tried again.
  package mutating func rest() {
    mean.value += 0.0005 * max(Self.usual - mean.value, 0)
    for i in shares.indices { shares[i].value += 0.0005 * max(Self.usual(i) - shares[i].value, 0) }
  }
}
