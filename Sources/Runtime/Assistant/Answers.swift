public import Tokenization

/// An answer that has ended.
public struct Answer: Sendable, Equatable {
  /// What the model thought before it answered; empty if it did not think.
  public let thinking: String
  /// The answer itself; empty if the tokens ended before the thinking did.
  public let text: String
  /// The tokens of both, their log-probabilities, and why they ended.
  public let completion: CompletedText

  init(_ completion: CompletedText, opensThinking: Bool) {
    var splitter = AnswerSplitter(opened: opensThinking)
    var (thinking, text) = ("", "")
    for piece in splitter.append(completion.text ?? "") + splitter.finish() {
      switch piece {
      case .thinking(let piece): thinking += piece
      case .answer(let piece): text += piece
      }
    }
    self.thinking = thinking
    self.text = text
    self.completion = completion
  }
}

extension Assistant {
  /// The answer to a text, without the thinking before it.
  ///
  /// - Parameters:
  ///   - text: what the user says.
  ///   - seed: fixes the random choices; that of ``settings`` when nil.
  /// - Throws: `RuntimeError` for what the engine refuses, and `.noAnswer` when the tokens end before the thinking
  ///   does; as ``prompts``; `CancellationError`.
  public func respond(to text: String, seed: UInt64? = nil) async throws -> String {
    try await respond(encode(text), seed)
  }

  /// The answer that continues a conversation.
  ///
  /// - Throws: as ``respond(to:seed:)-(String,_)``.
  public func respond(to conversation: [ChatMessage], seed: UInt64? = nil) async throws -> String {
    try await respond(encode(conversation), seed)
  }

  /// The answer to a text as it comes, thinking and answer apart.
  ///
  /// Leaving the loop, or cancelling its task, ends the work. The stream throws what ``respond(to:seed:)-(String,_)``
  /// throws, but an answer that ends while the model thinks is no error: the last piece tells.
  public func stream(_ text: String, seed: UInt64? = nil) -> AnswerStream {
    stream(seed) { try encode(text) }
  }

  /// The answer that continues a conversation as it comes, thinking and answer apart.
  public func stream(_ conversation: [ChatMessage], seed: UInt64? = nil) -> AnswerStream {
    stream(seed) { try encode(conversation) }
  }

  /// Several answers to one text, sampled in one batch; the prompt is computed once.
  ///
  /// - Parameters:
  ///   - text: what the user says.
  ///   - count: how many answers.
  ///   - seed: fixes the random choices of all of them; that of ``settings`` when nil.
  /// - Throws: as ``respond(to:seed:)-(String,_)``, but an answer that ends while the model thinks is no error.
  public func samples(of text: String, count: Int, seed: UInt64? = nil) async throws -> [Answer] {
    try await samples(encode(text), count, seed)
  }

  /// Several answers that continue one conversation.
  ///
  /// - Throws: as ``samples(of:count:seed:)-(String,_,_)``.
  public func samples(
    of conversation: [ChatMessage], count: Int, seed: UInt64? = nil
  ) async throws -> [Answer] {
    try await samples(encode(conversation), count, seed)
  }

  private func request(_ prompt: [Int], _ seed: UInt64?) -> GenerationRequest {
    var request = request(for: prompt)
    if let seed { request.settings.sampling.seed = seed }
    return request
  }

  private func respond(_ prompt: [Int], _ seed: UInt64?) async throws -> String {
    let opensThinking = try prompts.template.opensThinking
    let completion = try await engine.generate(request(prompt, seed)).collect()
    try Task.checkCancellation()
    let answer = Answer(completion, opensThinking: opensThinking)
    guard !answer.text.isEmpty || answer.thinking.isEmpty else {
      throw RuntimeError.noAnswer(tokens: completion.ids.count)
    }
    return answer.text
  }

  private func stream(_ seed: UInt64?, _ prompt: () throws -> [Int]) -> AnswerStream {
    AnswerStream(
      Result { try engine.generate(request(prompt(), seed)) },
      opensThinking: (try? prompts)?.template.opensThinking ?? false)
  }

  private func samples(_ prompt: [Int], _ count: Int, _ seed: UInt64?) async throws -> [Answer] {
    let opensThinking = try prompts.template.opensThinking
    let completions = try await engine.generate(request(prompt, seed), samples: count).collect()
    try Task.checkCancellation()
    return completions.map { Answer($0, opensThinking: opensThinking) }
  }
}

/// An answer as it comes: pieces of thinking, then pieces of the answer.
public struct AnswerStream: AsyncSequence, Sendable {
  private let completion: Result<Completion, any Error>
  private let opensThinking: Bool

  init(_ completion: Result<Completion, any Error>, opensThinking: Bool) {
    self.completion = completion
    self.opensThinking = opensThinking
  }

  /// Reads the pieces.
  public struct AsyncIterator: AsyncIteratorProtocol {
    private var events: Result<Completion.AsyncIterator, any Error>
    private var splitter: AnswerSplitter
    private var ready: ArraySlice<AnswerPiece> = []

    init(_ stream: AnswerStream) {
      events = stream.completion.map { $0.makeAsyncIterator() }
      splitter = AnswerSplitter(opened: stream.opensThinking)
    }

    /// The next piece; nil at the end.
    ///
    /// - Throws: `RuntimeError` and what made the prompt impossible.
    public mutating func next() async throws -> AnswerPiece? {
      while ready.isEmpty {
        var iterator = try events.get()
        guard let event = try await iterator.next() else { return nil }
        switch event {
        case .token(let token): ready = splitter.append(token.text ?? "")[...]
        case .finished(let ending): ready = (splitter.append(ending.text) + splitter.finish())[...]
        }
      }
      return ready.popFirst()
    }
  }

  /// The pieces from the first.
  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(self) }
}
