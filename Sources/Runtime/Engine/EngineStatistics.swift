import Support

/// What an engine has done since it began, and what it holds now. The difference of two describes the time between
/// them.
public struct EngineStatistics: Sendable, Equatable {
  /// Passes over the weights.
  public var steps = 0
  /// Rows of all passes: tokens of prompts, and tokens after which a completion was continued.
  public var rows = 0
  /// Tokens that were computed of prompts, and of answers that had given their memory up.
  public var promptTokensComputed = 0
  /// Tokens of prompts whose keys and values were found in the cache or shared within a group.
  public var promptTokensShared = 0
  /// Tokens drawn.
  public var tokensDrawn = 0
  /// Rows that continued a completion, those of right guesses included. Divided by ``decodeSteps``, they tell how many
  /// tokens a step gave.
  public var decodeRows = 0
  /// Passes in which at least one completion was continued.
  public var decodeSteps = 0
  /// Requests that have ended: finished, failed or cancelled.
  public var finished = 0
  /// How often a sequence gave its keys and values up for others, to compute them again later.
  public var preemptions = 0
  /// Pages of cached prefixes that were freed for others.
  public var evictions = 0
  /// How often tokens were guessed ahead for a completion.
  public var drafts = 0
  /// Tokens that were guessed ahead.
  public var draftedTokens = 0
  /// Of the tokens that were guessed ahead, those that were right, by their place in the guess.
  public var acceptedByPlace = [Int](repeating: 0, count: Speculation.mostTokens)
  /// Tokens that were guessed ahead and were right.
  public var acceptedTokens: Int { acceptedByPlace.reduce(0, +) }

  /// Seconds in the forward pass.
  public var forwardSeconds = 0.0
  /// Seconds spent on drawing tokens.
  public var samplingSeconds = 0.0
  /// Seconds in which a drafter read and guessed.
  public var draftSeconds = 0.0
  /// Seconds spent on the rest while there was work: scheduling, and telling callers.
  public var otherSeconds = 0.0

  /// Sequences in the batch.
  public var running = 0
  /// Sequences that wait for room.
  public var waiting = 0
  /// Bytes of keys and values that sequences or cached prefixes hold.
  public var cacheBytesUsed = 0
  /// The part of ``cacheBytesUsed`` that cached prefixes hold.
  public var cacheBytesCached = 0
  /// Bytes of keys and values taken from the system.
  public var cacheBytesAllocated = 0
  /// The most bytes of keys and values that may be used.
  public var cacheBytesLimit = 0
  /// Bytes of keys and values that a drafter holds for sequences or cached prefixes.
  public var draftCacheBytesUsed = 0
  /// The part of ``draftCacheBytesUsed`` that cached prefixes hold.
  public var draftCacheBytesCached = 0
  /// The most bytes of keys and values that a drafter may hold; 0 without one.
  public var draftCacheBytesLimit = 0

  /// Nothing done.
  public init() {}
}

/// Statistics that the engine's thread writes and other threads read.
final class SharedStatistics: Sendable {
  private let value = Locked(EngineStatistics())
  private let steps = Locked<[StepRecord]?>(nil)

  /// Starts to keep each step's duration, for measuring.
  func beginRecording() { steps.withLock { $0 = [] } }
  func record(_ step: StepRecord) { steps.withLock { $0?.append(step) } }
  func recorded() -> [StepRecord] { steps.withLock { $0 ?? [] } }

  func store(_ statistics: EngineStatistics) { value.withLock { $0 = statistics } }
  func load() -> EngineStatistics { value.withLock { $0 } }
}
