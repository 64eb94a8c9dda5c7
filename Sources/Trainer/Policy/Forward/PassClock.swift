import Support

/// How long the parts of passes took, and how many operations they had.
@safe final class PassClock {
  /// The parts that are told apart.
  enum Part: Int, CaseIterable {
    /// Linear maps forward, adapters among them.
    case maps
    /// What goes back through them, and the adapters' gradients.
    case backwardMaps
    case attention
    case backwardAttention
    /// Logits of the targets, forward and back.
    case head
    /// Whole passes, all of the above and the rest.
    case pass
  }

  private(set) var seconds = [Double](repeating: 0, count: Part.allCases.count)
  private(set) var operations = [Double](repeating: 0, count: Part.allCases.count)

  /// Runs `body`, which returns how many multiplications and additions it made.
  func measure(_ part: Part, _ body: () -> Int) {
    let start = ContinuousClock.now
    let count = body()
    add(part, (ContinuousClock.now - start).inSeconds, Double(count))
  }

  func add(_ part: Part, _ time: Double, _ count: Double) {
    seconds[part.rawValue] += time
    operations[part.rawValue] += count
  }

  func reset() {
    for i in seconds.indices {
      seconds[i] = 0
      operations[i] = 0
    }
  }

  /// Operations a second over whole passes, in billions: all that parts had, in the time that passes took.
  var wholeRate: Double? {
    let time = seconds[Part.pass.rawValue]
    return time > 0 ? operations.reduce(0, +) / time / 1e9 : nil
  }

  /// Operations a second over some parts, in billions; nil if they took no time.
  func rate(_ parts: [Part]) -> Double? {
    let time = parts.reduce(0) { $0 + seconds[$1.rawValue] }
    return time > 0 ? parts.reduce(0) { $0 + operations[$1.rawValue] } / time / 1e9 : nil
  }
}
