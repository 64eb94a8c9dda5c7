/// How much more would tell a difference of the observed size: samples, or else seeds, or else problems.
struct WhatDecides {
  let observed: Double
  /// The variance of the mean difference over problems, the samples' chance included.
  let overProblems: Double
  /// The variance of a seed's difference that is not the samples' chance.
  let betweenSeeds: Double
  /// The variance of one sample of both arms about their problem's means.
  let noise: Double
  let problems: Int
  let samples: Int
  let seeds: Int

  /// In words.
  var text: String {
    guard observed > 0 else { return "no difference was observed" }
    if samples > 1, let count = least(from: samples, limit: 4096, { isTold(samples: $0) }) {
      return "about \(count) samples a problem would decide"
    }
    if seeds > 1, let count = least(from: seeds, limit: 1000, { isTold(seeds: $0) }) {
      return "about \(count) seeds would decide"
    }
    if let count = least(from: problems, limit: 10_000_000, { isTold(problems: $0) }) {
      return "about \(count) problems of this kind would decide"
    }
    return "more seeds and more problems would decide"
  }

  /// Whether the interval would exclude zero in four cases of five: 1.96 + 0.84 standard errors do, or as much more as
  /// few degrees of freedom ask.
  private func isTold(problems p: Int? = nil, samples m: Int? = nil, seeds k: Int? = nil) -> Bool {
    let (p, m, k) = (Double(p ?? problems), Double(m ?? samples), Double(k ?? seeds))
    // What of the problems' part is the samples' chance goes with more of them.
    let chance = min(overProblems, noise / Double(samples * seeds * problems))
    let ofProblems =
      (overProblems - chance) * Double(problems) / p + chance * Double(samples * seeds * problems)
      / (m * k * p)
    let ofSeeds = k > 1 ? (betweenSeeds + noise / (m * p)) / k : 0
    let a = Spread.student(Int(p) - 1)
    let b = k > 1 ? Spread.student(Int(k) - 1) : 0
    let half = (a * a * ofProblems + b * b * ofSeeds).squareRoot()
    return half * (1 + 0.84 / 1.96) <= observed
  }

  /// The least number above `first` that does; nil if none up to the limit does.
  private func least(from first: Int, limit: Int, _ isEnough: (Int) -> Bool) -> Int? {
    guard limit > first, isEnough(limit) else { return nil }
    var (low, high) = (first, limit)
    while high - low > 1 {
      let middle = (low + high) / 2
      if isEnough(middle) { high = middle } else { low = middle }
    }
    return high
  }
}
