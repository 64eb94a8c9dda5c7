/// Finds Tina's phase transition: the format reward falls after its rise, while completions grow again after they
/// became shorter.
///
/// Both series are smoothed exponentially. The turn is certain when these hold for `patience` steps in a row:
/// - the smoothed length is at least `rebound` above its minimum so far,
/// - that minimum is at least `rebound` below the first length,
/// - the smoothed format reward is at least `fall` below its maximum so far.
///
/// The turn is dated to the earlier of the two extremes. A run without a format reward has no such transition.
public struct PhaseTransition: Sendable {
  /// Weight of a new value.
  public var smoothing = 0.1
  /// Least relative change of the length.
  public var rebound = 0.05
  /// Least fall of the format reward.
  public var fall = 0.03
  /// Steps in a row that make a turn certain.
  public var patience = 10
  /// The step of the turn, once it is certain.
  public private(set) var turn: Int?

  /// Where the turn would be if the curves go on like this. The checkpoint before it must stay.
  public var candidate: Int { turn ?? min(peak.step, valley.step) }

  private var format: Double?
  private var length: Double?
  private var startLength = 0.0
  private var peak = (value: -Double.infinity, step: 0)
  private var valley = (value: Double.infinity, step: 0)
  private var run = 0

  /// A detector with the default settings.
  public init() {}

  /// Adds a step's mean format reward and mean completion length; returns whether this step made the turn certain.
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
