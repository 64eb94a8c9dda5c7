import Foundation
import ModelFiles
import Support
import Tokenization

/// Samples completions and scores texts, any number of them at once, in one batch over the base's weights.
///
/// A thread of the engine's own does the work; any thread may ask for it. What a request yields depends on the request
/// alone, bit for bit, and not on what else runs.
///
/// The keys and values of prompts and answers stay in memory in whole pages. A request whose prompt begins with the
/// same tokens, under the same adapter and scale, continues from them. Samples of a group share their whole prompt.
/// Keys and
/// values stay within a memory budget: requests wait for room in the order in which they came, and a request that could
/// never fit is refused at once.
public final class Engine: Sendable {
  /// The model that answers.
  public let model: Model
  /// The longest sequence, prompt and completion together, in tokens.
  public let contextLimit: Int
  /// The element type of keys and values.
  public let cacheType: CacheType
  /// The most bytes that keys and values may take.
  public let memoryBudget: Int
  /// Whether tokens are guessed ahead.
  public let speculation: Speculation
  /// What guesses beside earlier texts, if anything does.
  public let drafter: Drafter?

  let layout: CacheLayout
  private let pageLimit: Int
  private let queue: JobQueue
  let shared = SharedStatistics()

  /// An engine on `model`.
  ///
  /// - Parameters:
  ///   - model: the model that answers.
  ///   - cacheType: how keys and values are kept.
  ///   - contextLimit: the longest sequence; the model's own limit when nil or larger than that.
  ///   - batchLimit: how many completions are decoded at once; others wait.
  ///   - memoryBudget: the most bytes that keys and values may take; half of the available memory when nil.
  ///   - speculation: whether tokens are guessed ahead. It changes no result.
  ///   - drafter: what guesses beside earlier texts. Its keys and values take up to ``draftMemory(beside:)`` more.
  public init(
    model: Model, cacheType: CacheType = .f16, contextLimit: Int? = nil, batchLimit: Int = 64,
    memoryBudget: Int? = nil, speculation: Speculation = .init(), drafter: Drafter? = nil
  ) {
    self.model = model
    self.cacheType = cacheType
    self.speculation = speculation
    self.drafter = drafter
    self.contextLimit = min(contextLimit ?? .max, model.config.maxPositions)
    self.memoryBudget = max(memoryBudget ?? MachineMemory.available / 2, 0)
    KernelPaths.shared.prepare([KernelPaths.attention(cacheType)])
    let layout = CacheLayout(model.config, type: cacheType)
    let pageLimit = self.memoryBudget / layout.pageBytes
    let queue = JobQueue()
    self.layout = layout
    self.pageLimit = pageLimit
    self.queue = queue
    let context = self.contextLimit
    let limit = max(batchLimit, 1)
    let draftBytes = Self.draftMemory(beside: self.memoryBudget)
    let thread = Thread { [shared] in
      EngineLoop(
        model: model, pool: PagePool(layout, limit: pageLimit), context: context, batchLimit: limit,
        queue: queue, shared: shared, speculation: speculation,
        drafter: drafter.map { DraftModel($0, for: model, cacheType: cacheType, bytes: draftBytes) }
      ).run()
    }
    thread.name = "tina engine"
    thread.stackSize = 4 << 20
    thread.start()
  }

  /// Requests that were started go on to their end.
  deinit { queue.close() }

  /// The most bytes that a drafter's keys and values take beside the engine's own: a quarter as many. The engine's are
  /// not fewer for it, so that the same requests fit.
  public static func draftMemory(beside memoryBudget: Int) -> Int { memoryBudget / 4 }

  /// How many tokens' keys and values fit into the memory budget.
  public var tokenCapacity: Int { CacheLayout.tokens(inPages: pageLimit) }

  /// What the engine has done so far, and holds now.
  public var statistics: EngineStatistics { shared.load() }

  // MARK: Completions

  /// Throws what ``generate(_:)`` would throw, and starts nothing.
  ///
  /// - Throws: as ``generate(_:)``.
  public func validate(_ request: GenerationRequest) throws(RuntimeError) { _ = try prepared(request) }

  /// Starts a completion. Nothing is computed for a request that is refused.
  ///
  /// - Throws: `RuntimeError` for an empty prompt, one longer than the context, ids that the model does not
  ///   have, settings out of range, and a length that the memory budget can never hold.
  public func generate(_ request: GenerationRequest) throws(RuntimeError) -> Completion {
    let request = try prepared(request)
    let (events, continuation) = AsyncThrowingStream.makeStream(of: Completion.Event.self)
    let times = Locked<(first: ContinuousClock.Instant, last: ContinuousClock.Instant)?>(nil)
    let job = Job(.completion(request), group: JobGroup()) { result in
      switch result {
      case .event(let event):
        if case .token = event {
          let now = ContinuousClock.now
          times.withLock { $0 = ($0?.first ?? now, now) }
        }
        continuation.yield(event)
        if case .finished = event { continuation.finish() }
      case .failure(let error): continuation.finish(throwing: error)
      case .scores: break
      }
    }
    continuation.onTermination = { reason in if case .cancelled = reason { job.cancel() } }
    queue.add([job])
    return Completion(events: events, job: job, times: times)
  }

  /// Starts `samples` completions of one prompt, which is computed once. Sample i is what `generate` gives
  /// for the request with its ``GenerationRequest/sampleIndex`` higher by i.
  ///
  /// - Throws: as ``generate(_:)``, and for a number of samples out of range.
  public func generate(_ request: GenerationRequest, samples: Int) throws(RuntimeError) -> CompletionGroup {
    let request = try prepared(request)
    guard (1...65536).contains(samples) else {
      throw .invalidSetting(name: "samples", found: "\(samples)", expected: "1 to 65536")
    }
    let (events, continuation) = AsyncThrowingStream.makeStream(of: CompletionGroup.Element.self)
    let group = JobGroup()
    let left = Countdown(samples)
    let jobs = (0..<samples).map { sample in
      Job(.completion(request), sample: sample, group: group) { result in
        switch result {
        case .event(let event):
          continuation.yield(.init(sample: sample, event: event))
          if case .finished = event, left.step() { continuation.finish() }
        case .failure(let error): continuation.finish(throwing: error)
        case .scores: break
        }
      }
    }
    continuation.onTermination = { _ in for job in jobs { job.cancel() } }
    queue.add(jobs)
    return CompletionGroup(events: events, jobs: jobs)
  }

  // MARK: Adapters

  /// Frees the cached keys and values of an adapter as soon as no request uses it. Requests with that adapter may still
  /// come; they compute anew.
  public func forget(_ adapter: AttachedAdapter) { queue.forget(PrefixKey(adapter, model.activations)) }

  // MARK: Scores

  /// The natural logarithm of each completion token's probability, given the prompt and the tokens before.
  ///
  /// At the sampler's temperature these are ``GeneratedToken/temperedLogProbability``, at 1
  /// ``GeneratedToken/logProbability``, bit for bit. Cancelling the task ends the work.
  ///
  /// - Throws: `RuntimeError` as `generate` does, `.notFinite` for damaged weights; `CancellationError`.
  public func score(
    prompt: [Int], completion: [Int], adapter: AttachedAdapter? = nil, temperature: Float = 1
  ) async throws -> [Float] {
    let tokens = prompt + completion
    try check(prompt)
    try check(completion, isPrompt: false)
    try SamplingParameters.checkTemperature(temperature)
    guard tokens.count <= contextLimit else {
      throw RuntimeError.promptTooLong(tokens: tokens.count, context: contextLimit + 1)
    }
    if completion.isEmpty { return [] }
    try checkRoom(tokens: tokens.count, prompt: tokens.count, answer: 0)
    let (results, continuation) = AsyncThrowingStream.makeStream(of: [Float].self)
    let wanted = ScoreRequest(
      tokens: tokens, first: prompt.count, adapter: adapter, temperature: temperature)
    let job = Job(.score(wanted), group: JobGroup()) { result in
      switch result {
      case .event: continuation.finish(throwing: CancellationError())
      case .failure(let error): continuation.finish(throwing: error)
      case .scores(let scores):
        continuation.yield(scores)
        continuation.finish()
      }
    }
    continuation.onTermination = { reason in if case .cancelled = reason { job.cancel() } }
    queue.add([job])
    for try await scores in results { return scores }
    throw CancellationError()
  }

  // MARK: Checks

  /// The request with what it leaves to the model, checked.
  private func prepared(_ request: GenerationRequest) throws(RuntimeError) -> GenerationRequest {
    try check(request.prompt)
    try request.validate()
    guard request.prompt.count < contextLimit else {
      throw .promptTooLong(tokens: request.prompt.count, context: contextLimit)
    }
    let limit = request.limit(context: contextLimit, roomTokens: CacheLayout.tokens(inPages: pageLimit))
    try checkRoom(
      tokens: max(limit, request.prompt.count + 1) - 1, prompt: request.prompt.count,
      answer: limit - request.prompt.count)
    var request = request
    request.endTokens = request.endTokens ?? model.endTokens
    request.allowedTokens = request.allowedTokens ?? request.tokenizer?.idCount
    request.prediction = Array(request.prediction.prefix(1 << 15))
    return request
  }

  private func checkRoom(tokens: Int, prompt: Int, answer: Int) throws(RuntimeError) {
    let pages = SequenceCache.pageCount(tokens)
    guard pages > pageLimit else { return }
    throw .memoryBudgetTooSmall(
      prompt: prompt, answer: max(answer, 0), bytes: pages * layout.pageBytes, budget: memoryBudget)
  }

  func check(_ tokens: [Int], isPrompt: Bool = true) throws(RuntimeError) {
    guard !tokens.isEmpty || !isPrompt else { throw .emptyPrompt }
    for id in tokens where id < 0 || id >= model.config.vocabSize {
      throw .tokenOutOfRange(id: id, vocabulary: model.config.vocabSize)
    }
  }
}
