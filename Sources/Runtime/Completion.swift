/// Why a completion ended.
public enum FinishReason: String, Sendable {
  /// A stop token was drawn.
  case stop
  /// The limit of tokens, or the context, is full.
  case length
  /// The caller cancelled.
  case cancelled
}

/// What to continue, and how.
public struct GenerationRequest: Sendable {
  /// The prompt's token ids; at least one.
  public var prompt: [Int]
  /// The adapter to answer with; nil for the base alone.
  public var adapter: AttachedAdapter?
  /// How tokens are drawn.
  public var sampling: SamplingParameters
  /// At most this many tokens are drawn.
  public var maxTokens: Int
  /// Drawing one of these ends the completion; it is reported as the last token.
  public var stopTokens: Set<Int>
  /// Only ids below this are drawn (rows of the embedding beyond the tokenizer's vocabulary are padding);
  /// the model's whole vocabulary when nil.
  public var allowedTokens: Int?
  /// Which prompt this is, for the random numbers.
  public var promptIndex: Int
  /// Which sample of the prompt this is, for the random numbers.
  public var sampleIndex: Int

  /// A request for one completion of `prompt`.
  public init(
    prompt: [Int], adapter: AttachedAdapter? = nil, sampling: SamplingParameters = .init(), maxTokens: Int,
    stopTokens: Set<Int> = [], allowedTokens: Int? = nil, promptIndex: Int = 0, sampleIndex: Int = 0
  ) {
    self.prompt = prompt
    self.adapter = adapter
    self.sampling = sampling
    self.maxTokens = maxTokens
    self.stopTokens = stopTokens
    self.allowedTokens = allowedTokens
    self.promptIndex = promptIndex
    self.sampleIndex = sampleIndex
  }
}

/// One completion in the making: a sequence of events that ends with `finished`, or throws.
public struct Completion: AsyncSequence, Sendable {
  /// What happens to a completion.
  public enum Event: Sendable, Equatable {
    /// A token was drawn; `logProbability` is its natural logarithm under the model at temperature 1.
    case token(id: Int, logProbability: Float)
    /// The last event.
    case finished(FinishReason)
  }

  let events: AsyncThrowingStream<Event, any Error>
  let job: GenerationJob

  /// Ends the completion at the next step; `finished(.cancelled)` follows.
  public func cancel() { job.cancel() }

  /// The events, as they come.
  public func makeAsyncIterator() -> AsyncThrowingStream<Event, any Error>.Iterator {
    events.makeAsyncIterator()
  }

  /// Waits for the end and returns everything at once.
  public func collect() async throws -> (ids: [Int], logProbabilities: [Float], reason: FinishReason) {
    var ids: [Int] = []
    var logProbabilities: [Float] = []
    var reason = FinishReason.cancelled
    for try await event in self {
      switch event {
      case .token(let id, let logProbability):
        ids.append(id)
        logProbabilities.append(logProbability)
      case .finished(let end): reason = end
      }
    }
    return (ids, logProbabilities, reason)
  }
}
