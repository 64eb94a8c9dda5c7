/// The parts of a step's loss that one piece has, by micro-batch; also as plain numbers, for other processes.
struct PieceSums {
  private(set) var sums: [(microBatch: Int, LossSums)] = []
  /// Tokens whose log-probability was compared with the sampler's, and how many of them differ in a bit.
  var checkedTokens = 0
  var differingTokens = 0
  /// How far a sampler with other numbers is from the trainer.
  var mismatch = SamplingMismatch()

  init() {}

  /// Adds a completion's; those of one micro-batch stand together.
  mutating func add(_ more: LossSums, microBatch: Int) {
    if sums.last?.microBatch != microBatch { sums.append((microBatch, LossSums())) }
    sums[sums.count - 1].1 = sums[sums.count - 1].1 + more
  }

  /// As numbers. Whole ones are far below 2⁵³, so that none is rounded.
  var numbers: [Double] {
    var all = [Double(checkedTokens), Double(differingTokens)] + mismatch.numbers
    for (microBatch, sums) in sums {
      let counts = [microBatch, sums.tokens, sums.clipUnits, sums.lowClipped, sums.highClipped]
      all += counts.map { Double($0) } + [sums.loss, sums.kl, sums.entropy]
      for shares in [sums.lowShares, sums.highShares] { all += [Double(shares.count)] + shares }
    }
    return all
  }

  /// From ``numbers``; nil if they are not such.
  init?(_ numbers: [Double]) {
    var rest = numbers[...]
    func next() -> Double? { rest.popFirst() }
    func count() -> Int? { next().flatMap { Int(exactly: $0) } }
    func shares() -> [Double]? {
      guard let size = count(), size >= 0, size <= rest.count else { return nil }
      defer { rest = rest.dropFirst(size) }
      return Array(rest.prefix(size))
    }
    guard let checked = count(), let differing = count(),
      let mismatch = SamplingMismatch(rest.prefix(SamplingMismatch.numberCount))
    else { return nil }
    rest = rest.dropFirst(SamplingMismatch.numberCount)
    (checkedTokens, differingTokens, self.mismatch) = (checked, differing, mismatch)
    while !rest.isEmpty {
      guard let microBatch = count(), let tokens = count(), let units = count(), let low = count(),
        let high = count(), let loss = next(), let kl = next(), let entropy = next(),
        let lowShares = shares(), let highShares = shares()
      else { return nil }
      sums.append(
        (
          microBatch,
          LossSums(
            loss: loss, tokens: tokens, kl: kl, entropy: entropy, clipUnits: units, lowClipped: low,
            highClipped: high, lowShares: lowShares, highShares: highShares)
        ))
    }
  }
}
