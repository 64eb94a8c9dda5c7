import Support

/// Why a completion ended.
public enum FinishReason: String, Sendable {
  /// A stop token was drawn, or a stop text was completed.
  case stop
  /// The limit of tokens, or the context, is full.
  case length
  /// The caller cancelled.
  case cancelled
}

/// A token and how likely it was, in natural logarithms.
public struct TokenProbability: Sendable, Equatable {
  /// The token.
  public let id: Int
  /// ln p under the model itself: at temperature 1, without filters and penalties.
  public let logProbability: Float
}

/// A token that was drawn.
public struct GeneratedToken: Sendable, Equatable {
  /// The token.
  public let id: Int
  /// ln p under the model itself: at temperature 1, without filters and penalties.
  public let logProbability: Float
  /// ln p after penalties and temperature, before the filters; 0 at temperature 0.
  public let temperedLogProbability: Float
  /// The likeliest tokens at this place, as many as were asked for.
  public let top: [TokenProbability]
  /// The text that became certain with this token: whole characters, no special tokens, and nothing that may turn
  /// out to begin a stop text. May be empty; nil when the request has no tokenizer.
  public let text: String?
}

/// How a completion ended.
public struct Ending: Sendable, Equatable {
  /// Why the completion ended.
  public let reason: FinishReason
  /// Text that was held back because it might have begun a stop text.
  public let text: String
  /// The stop text that ended it.
  public let stopText: String?
  /// Tokens of the prompt whose keys and values were there already: from other prompts, or from another sample of the
  /// group.
  public let cachedPromptTokens: Int
  /// Tokens that were guessed ahead, and how many of them were right. They say how the completion was computed, not
  /// what it is.
  public let draftedTokens: Int
  /// The part of ``draftedTokens`` that was right.
  public let acceptedTokens: Int

  init(
    _ reason: FinishReason, text: String = "", stopText: String? = nil, cachedPromptTokens: Int = 0,
    draftedTokens: Int = 0, acceptedTokens: Int = 0
  ) {
    self.reason = reason
    self.text = text
    self.stopText = stopText
    self.cachedPromptTokens = cachedPromptTokens
    self.draftedTokens = draftedTokens
    self.acceptedTokens = acceptedTokens
  }
}

/// A running completion: a sequence of events that ends with `finished`, or throws.
///
/// Dropping it, or cancelling the task that reads it, cancels the completion.
public struct Completion: AsyncSequence, Sendable {
  /// What happens to a completion.
  public enum Event: Sendable, Equatable {
    /// A token was drawn.
    case token(GeneratedToken)
    /// The last event.
    case finished(Ending)
  }

  let events: AsyncThrowingStream<Event, any Error>
  let job: Job
  let times: Locked<(first: ContinuousClock.Instant, last: ContinuousClock.Instant)?>

  /// When the engine had its first and its last token so far; nil before the first. Whoever reads the events may come
  /// later.
  package var tokenTimes: (first: ContinuousClock.Instant, last: ContinuousClock.Instant)? {
    times.withLock { $0 }
  }

  /// Ends the completion at the next step; the event `finished` with `.cancelled` follows.
  public func cancel() { job.cancel() }

  /// Reads the events as they come.
  public func makeAsyncIterator() -> AsyncThrowingStream<Event, any Error>.Iterator {
    events.makeAsyncIterator()
  }

  /// Waits for the end and returns everything at once.
  public func collect() async throws -> CompletedText {
    var result = CompletedText()
    for try await event in self { result.add(event) }
    return result
  }
}

/// The running completions of one prompt: a sequence of events, each with the number of its sample. It ends when all
/// have finished, or throws.
///
/// Dropping it, or cancelling the task that reads it, cancels all completions.
public struct CompletionGroup: AsyncSequence, Sendable {
  /// An event of one sample.
  public struct Element: Sendable, Equatable {
    /// The number of the sample in the group, from 0.
    public let sample: Int
    /// What happened to it.
    public let event: Completion.Event
  }

  let events: AsyncThrowingStream<Element, any Error>
  let jobs: [Job]

  /// Ends all completions at the next step.
  public func cancel() { for job in jobs { job.cancel() } }

  /// Ends one completion at the next step.
  public func cancel(sample: Int) { jobs[sample].cancel() }

  /// Reads the events as they come.
  public func makeAsyncIterator() -> AsyncThrowingStream<Element, any Error>.Iterator {
    events.makeAsyncIterator()
  }

  /// Waits for all to end and returns them in the order of their numbers.
  public func collect() async throws -> [CompletedText] {
    var results = [CompletedText](repeating: .init(), count: jobs.count)
    for try await element in self { results[element.sample].add(element.event) }
    return results
  }
}

/// A completion that has ended.
public struct CompletedText: Sendable, Equatable {
  /// Every token drawn, the end token included.
  public var ids: [Int] = []
  /// ln p of each token under the model itself.
  public var logProbabilities: [Float] = []
  /// ln p of each token after penalties and temperature.
  public var temperedLogProbabilities: [Float] = []
  /// The text; nil when the request has no tokenizer.
  public var text: String?
  /// Why it ended.
  public var reason = FinishReason.cancelled
  /// The stop text that ended it; nil when none did.
  public var stopText: String?

  /// Nothing yet.
  public init() {}

  /// Adds an event.
  public mutating func add(_ event: Completion.Event) {
    switch event {
    case .token(let token):
      ids.append(token.id)
      logProbabilities.append(token.logProbability)
      temperedLogProbabilities.append(token.temperedLogProbability)
      add(token.text)
    case .finished(let ending):
      if !ending.text.isEmpty { add(ending.text) }
      reason = ending.reason
      stopText = ending.stopText
    }
  }

  private mutating func add(_ piece: String?) {
    guard let piece else { return }
    if text == nil { text = "" }
    text?.append(piece)
  }
}
