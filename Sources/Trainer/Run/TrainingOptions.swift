public import TinaRuntime

/// Options of a run that its recipe does not hold.
public struct TrainingOptions: Sendable {
  /// The run's folder.
  public var output: String
  /// Whether to continue a run that the folder holds; otherwise finding one is an error.
  public var resumes = true
  /// Continues even when the rewards or completions would teach nothing.
  public var ignoresMissingSignal = false
  /// Ends the run once the phase transition is certain.
  public var untilTransition = false
  /// Also writes PEFT's files into each checkpoint.
  public var peft = false
  /// Type in which the sampler keeps keys and values.
  public var cacheType = CacheType.f16
  /// Whether the sampler guesses tokens ahead: from earlier completions of the same problem too.
  public var speculation = Speculation.remembering
  /// What guesses beside earlier texts when this process samples. The adapter as it is goes along.
  public var drafter: Drafter?
  /// Bytes of memory that the run may take; 70 % of the free memory when nil.
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
