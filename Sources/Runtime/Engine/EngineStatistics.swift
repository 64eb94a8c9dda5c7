import Support

/// What an engine has done since it began, and what it holds now. Differences of two tell about the time
/// between them.
public struct EngineStatistics: Sendable, Equatable {
  /// Passes over the weights.
  public var steps = 0
  /// Rows of all passes: tokens of prompts computed, and tokens continued.
  public var rows = 0
  /// Tokens of prompts (and of answers that had to make room) that were computed.
  public var promptTokensComputed = 0
  /// Tokens of prompts whose keys and values were found in the cache or shared within a group.
  public var promptTokensShared = 0
  /// Tokens drawn.
  public var tokensDrawn = 0
  /// Rows that continued a completion; divided by ``steps`` how full the batch was.
  public var decodeRows = 0
  /// Passes in which at least one completion was continued.
  public var decodeSteps = 0
  /// Requests that have ended: finished, failed or cancelled.
  public var finished = 0
  /// Sequences that gave their keys and values up for others and computed them again later.
  public var preemptions = 0
  /// Pages of cached prefixes that were given up for others.
  public var evictions = 0

  /// Seconds in the forward pass.
  public var forwardSeconds = 0.0
  /// Seconds of drawing tokens.
  public var samplingSeconds = 0.0
  /// Seconds between, while there was work: scheduling, and telling callers.
  public var otherSeconds = 0.0

  /// Sequences in the batch.
  public var running = 0
  /// Sequences that wait for room.
  public var waiting = 0
  /// Bytes of keys and values that sequences or cached prefixes hold.
  public var cacheBytesUsed = 0
  /// Of these, bytes of cached prefixes.
  public var cacheBytesCached = 0
  /// Bytes of keys and values taken from the system.
  public var cacheBytesAllocated = 0
  /// The most that may be used.
  public var cacheBytesLimit = 0

  /// Nothing done.
  public init() {}
}

/// Where the engine's thread leaves its numbers for others.
final class SharedStatistics: Sendable {
  private let value = Locked(EngineStatistics())
  private let steps = Locked<[StepRecord]?>(nil)

  /// A step that only continued completions.
  struct StepRecord: Sendable {
    let rows: Int
    let seconds: Double
  }

  /// Starts to keep each step's duration, for measuring.
  func beginRecording() { steps.withLock { $0 = [] } }
  func record(rows: Int, seconds: Double) {
    steps.withLock { $0?.append(StepRecord(rows: rows, seconds: seconds)) }
  }
  func recorded() -> [StepRecord] { steps.withLock { $0 ?? [] } }

  func store(_ statistics: EngineStatistics) { value.withLock { $0 = statistics } }
  func load() -> EngineStatistics { value.withLock { $0 } }
}
