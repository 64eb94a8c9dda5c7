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

  /// The chances of a draft's tokens, each with all before it right. Unlikely ones are left out.
  package static func chain(
    _ chances: (first: Double, later: Double), _ count: Int, behind before: Double = 1
  ) -> [Double] {
    var chain: [Double] = []
    var chance = before * chances.first
    while chain.count < count, chance > 0.02 {
      chain.append(chance)
      chance *= chances.later
    }
    return chain
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
  private var hits: Double
  private var expected: Double
  private let memory: Double

  /// What was found is looked at once a step, a drafter's guesses several times.
  package init(isDrafter: Bool = false) {
    memory = isDrafter ? 0.99 : 0.9
    hits = isDrafter ? 30 : 2
    expected = hits
  }

  package var factor: Double { hits / expected }

  mutating func add(hit: Bool, expected share: Double) {
    hits = memory * hits + (hit ? 1 : 0) + 0.02
    expected = memory * expected + share + 0.02
  }
}
