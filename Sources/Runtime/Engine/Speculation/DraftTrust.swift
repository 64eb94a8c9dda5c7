/// How often guesses were right: over all streams by how many tokens agreed before them, and beside that of one stream.
package struct DraftRates {
  /// Of the first guessed tokens, those that were right, by how many tokens agreed before (up to 16). The beginning is
  /// what reasoning texts of a 1.5B model show.
  private var firsts: [Double]
  /// Of the guessed tokens behind a right one, those that were right.
  private var laters: [Double]
  private static let speed = 0.02

  package init() {
    firsts = (0...16).map { 0.4 + 0.5 * Double(min($0, 16)) / 16 }
    laters = (0...16).map { 0.6 + 0.3 * Double(min($0, 16)) / 16 }
  }

  /// The chance that the first guessed token is right, and that one behind a right one is.
  package func chances(match: Int, _ trust: DraftTrust) -> (first: Double, later: Double) {
    let match = min(max(match, 0), 16)
    return (min(firsts[match] * trust.factor, 0.98), min(laters[match], 0.98))
  }

  /// Learns from a draft of which `accepted` tokens were right, and `checked` were looked at.
  package mutating func learn(match: Int, accepted: Int, checked: Int, _ trust: inout DraftTrust) {
    guard checked > 0 else { return }
    let match = min(max(match, 0), 16)
    trust.add(hit: accepted > 0, expected: firsts[match])
    firsts[match] += Self.speed * ((accepted > 0 ? 1 : 0) - firsts[match])
    for place in 1..<max(checked, 1) {
      laters[match] += Self.speed * ((accepted > place ? 1 : 0) - laters[match])
    }
  }
}

/// How often one stream's guesses were right lately, as a factor on what is usual.
package struct DraftTrust {
  private var hits = 2.0
  private var expected = 2.0

  package init() {}

  package var factor: Double { hits / expected }

  fileprivate mutating func add(hit: Bool, expected share: Double) {
    hits = 0.9 * hits + (hit ? 1 : 0) + 0.02
    expected = 0.9 * expected + share + 0.02
  }
}
