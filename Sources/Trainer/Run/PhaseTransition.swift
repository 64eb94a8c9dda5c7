/// Watches a run for Tina's phase transition: the format reward turns down after its rise while completions, having
/// become shorter, grow again.
///
/// Both series are smoothed exponentially (factor 0.1). The turn is confirmed when, for `patience` steps in a row, the
/// smoothed length is at least `rebound` above its minimum so far, that minimum lies at least `rebound` below where
/// the length began, and the smoothed format reward is at least `fall` below its maximum so far. It is dated back to the
/// earlier of the two turning points. A run without a format reward has no such transition.
public struct PhaseTransition: Sendable {
  /// Weight of a new value.
  public var smoothing = 0.1
  /// Relative growth of the length that counts.
  public var rebound = 0.05
  /// Fall of the format reward that counts.
  public var fall = 0.03
  /// Steps in a row that confirm a turn.
  public var patience = 10
  /// The step at which the curves turned, once that is certain.
  public private(set) var turn: Int?

  /// Where the curves would have turned if they went on like that: the checkpoint before it must not be removed yet.
  public var candidate: Int { turn ?? min(peak.step, valley.step) }

  private var format: Double?
  private var length: Double?
  private var startLength = 0.0
  private var peak = (value: -Double.infinity, step: 0)
  private var valley = (value: Double.infinity, step: 0)
  private var run = 0

  /// A watcher with the documented settings.
  public init() {}

  /// Takes a step's mean format reward and mean completion length; returns whether this step made it certain.
  public mutating func add(step: Int, format newFormat: Double, length newLength: Double) -> Bool {
    guard turn == nil else { return false }
    let f = format.map { $0 + smoothing * (newFormat - $0) } ?? newFormat
    let l = length.map { $0 + smoothing * (newLength - $0) } ?? newLength
    if length == nil { startLength = l }
    (format, length) = (f, l)
    if f > peak.value { peak = (f, step) }
    if l < valley.value { valley = (l, step) }
    let turned =
      l >= valley.value * (1 + rebound) && valley.value <= startLength * (1 - rebound)
      && f <= peak.value - fall
    run = turned ? run + 1 : 0
    if run >= patience { turn = min(peak.step, valley.step) }
    return turn != nil
  }
}
