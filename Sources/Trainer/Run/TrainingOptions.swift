public import TinaRuntime

/// What a run does beside its recipe.
public struct TrainingOptions: Sendable {
  /// The run's folder.
  public var output: String
  /// Whether a run that the folder holds goes on; otherwise it is an error.
  public var resumes = true
  /// Goes on where a stop with an explanation would follow.
  public var ignoresMissingSignal = false
  /// Ends the run when the phase transition is certain.
  public var untilTransition = false
  /// Writes PEFT's files into each checkpoint too.
  public var peft = false
  /// What an hour costs, for the health line.
  public var dollarsPerHour = 0.0
  /// How the sampler keeps keys and values.
  public var cacheType = CacheType.f16
  /// Bytes that the run may take; 70 % of what is free when nil.
  public var memory: Int?

  /// The defaults, writing to `output`.
  public init(output: String) { self.output = output }
}

/// How a run ended.
public struct TrainingResult: Sendable {
  /// Steps done in all.
  public let step: Int
  /// The last checkpoint's adapter.
  public let adapter: String
  /// Why it ended.
  public let reason: String
}
