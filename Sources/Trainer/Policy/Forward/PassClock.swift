import Support

/// Adds up time and operations of the parts of passes.
@safe final class PassClock {
  /// Parts of a pass.
  enum Part: Int, CaseIterable {
    /// Linear maps forward, with adapters.
    case maps
    /// Linear maps backward, and the adapters' gradients.
    case backwardMaps
    case attention
    case backwardAttention
    /// Logits of the targets, forward and backward.
    case head
    /// Whole passes: all of the above and the rest.
    case pass
  }

  private(set) var seconds = [Double](repeating: 0, count: Part.allCases.count)
  private(set) var operations = [Double](repeating: 0, count: Part.allCases.count)

  /// Measures `body`, which returns its number of multiplications and additions.
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

  /// Billions of operations a second over whole passes: all parts' operations in the time of the passes.
  var wholeRate: Double? {
    let time = seconds[Part.pass.rawValue]
    return time > 0 ? operations.reduce(0, +) / time / 1e9 : nil
  }

  /// Billions of operations a second over some parts; nil if they took no time.
  func rate(_ parts: [Part]) -> Double? {
    let time = parts.reduce(0) { $0 + seconds[$1.rawValue] }
    return time > 0 ? parts.reduce(0) { $0 + operations[$1.rawValue] } / time / 1e9 : nil
  }
}
