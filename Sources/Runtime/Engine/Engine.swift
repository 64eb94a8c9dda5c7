import Foundation
import ModelFiles
import Support
import Tokenization

/// Samples completions and scores texts: any number of them at once, in one batch over the base's weights.
///
/// A thread of the engine's own does the work; requests may come from anywhere. What a request yields
/// depends on the request alone, bit for bit, and not on what else runs.
///
/// Prompts and answers leave their keys and values behind in whole pages; a request whose prompt begins
/// with the same tokens, under the same adapter and scale, continues from them. Samples of a group share all
/// of their prompt. Memory for keys and values stays within a budget: requests wait for room in the order in
/// which they came, and one that could never fit is refused at once.
public final class Engine: Sendable {
  /// The model that answers.
  public let model: Model
  /// The longest sequence, prompt and completion together, in tokens.
  public let contextLimit: Int
  /// The element type of keys and values.
  public let cacheType: CacheType
  /// The most bytes that keys and values may take.
  public let memoryBudget: Int

  private let layout: CacheLayout
  private let pageLimit: Int
  private let queue: JobQueue
  let shared = SharedStatistics()

  /// An engine on `model`.
  ///
  /// - Parameters:
  ///   - model: the model that answers.
  ///   - cacheType: how keys and values are kept.
  ///   - contextLimit: the longest sequence; the model's own limit when nil or larger than that.
  ///   - batchLimit: how many completions are decoded at once; others wait their turn.
  ///   - memoryBudget: the most bytes that keys and values may take; half of the memory that is available
  ///     now when nil.
  public init(
    model: Model, cacheType: CacheType = .f16, contextLimit: Int? = nil, batchLimit: Int = 64,
    memoryBudget: Int? = nil
  ) {
    self.model = model
    self.cacheType = cacheType
    self.contextLimit = min(contextLimit ?? .max, model.config.maxPositions)
    self.memoryBudget = max(memoryBudget ?? MachineMemory.available / 2, 0)
    let layout = CacheLayout(model.config, type: cacheType)
    let pageLimit = self.memoryBudget / layout.pageBytes
    let queue = JobQueue()
    self.layout = layout
    self.pageLimit = pageLimit
    self.queue = queue
    let context = self.contextLimit
    let limit = max(batchLimit, 1)
    let thread = Thread { [shared] in
      EngineLoop(
        model: model, pool: PagePool(layout, limit: pageLimit), context: context, batchLimit: limit,
        queue: queue, shared: shared
      ).run()
    }
    thread.name = "tina engine"
    thread.stackSize = 4 << 20
    thread.start()
  }

  /// What was begun goes on to its end.
  deinit { queue.close() }

  /// How many tokens' keys and values fit into the memory budget.
  public var tokenCapacity: Int { CacheLayout.tokens(inPages: pageLimit) }

  /// What the engine has done so far, and holds now.
  public var statistics: EngineStatistics { shared.load() }

  // MARK: Completions

  /// Checks what ``generate(_:)`` would refuse, without starting anything.
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
    let job = Job(.completion(request), group: JobGroup()) { result in
      switch result {
      case .event(let event):
        continuation.yield(event)
        if case .finished = event { continuation.finish() }
      case .failure(let error): continuation.finish(throwing: error)
      case .scores: break
      }
    }
    continuation.onTermination = { reason in if case .cancelled = reason { job.cancel() } }
    queue.add([job])
    return Completion(events: events, job: job)
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

  /// Gives up what is cached of prompts and answers under `adapter`, as soon as no request uses it. For an
  /// adapter that will not be asked for again; one that is asked for all the same only computes anew.
  public func forget(_ adapter: AttachedAdapter) { queue.forget(PrefixKey(adapter)) }

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

  // MARK: Logits

  /// The logits of every position, `[tokens.count][vocabulary]` flattened, the prompt cut into pieces of
  /// `chunk` tokens. For checking numbers: it holds them all, and blocks until they are there.
  ///
  /// - Throws: `RuntimeError` for an empty prompt, one longer than the context, or ids out of range.
  public func logits(
    tokens: [Int], adapter: AttachedAdapter? = nil, chunk: Int = 64
  ) throws(RuntimeError) -> [Float] {
    try logits(sequences: [tokens], adapter: adapter, chunk: chunk)
  }

  /// The same for several sequences, one behind the other: short ones share a step, and so one pass over the
  /// weights.
  ///
  /// - Parameter entering: told each layer before its weights are touched, and the number of layers before the head's.
  /// - Throws: as for one.
  package func logits(
    sequences: [[Int]], adapter: AttachedAdapter? = nil, chunk: Int, entering: (Int) -> Void = { _ in }
  ) throws(RuntimeError) -> [Float] {
    for tokens in sequences {
      try check(tokens)
      guard tokens.count <= contextLimit else {
        throw .promptTooLong(tokens: tokens.count, context: contextLimit + 1)
      }
    }
    let vocabulary = model.config.vocabSize
    var result: [Float] = []
    result.reserveCapacity(sequences.reduce(0) { $0 + $1.count } * vocabulary)
    var step: [Segment] = []
    var room = max(chunk, 1)
    func compute() {
      guard !step.isEmpty else { return }
      model.compute.exclusive { forward in
        unsafe forward.run(step, entering: entering) { logits, count in
          unsafe result.append(contentsOf: UnsafeBufferPointer(start: logits, count: count * vocabulary))
        }
      }
      step = []
      room = max(chunk, 1)
    }
    for tokens in sequences {
      let cache = SequenceCache(layout)
      var rest = tokens[...]
      while !rest.isEmpty {
        let piece = Array(rest.prefix(room))
        step.append(Segment(tokens: piece, cache: cache, adapter: adapter, logits: 0..<piece.count))
        rest = rest.dropFirst(room)
        room -= piece.count
        if room == 0 { compute() }
      }
    }
    compute()
    return result
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
    return request
  }

  private func checkRoom(tokens: Int, prompt: Int, answer: Int) throws(RuntimeError) {
    let pages = SequenceCache.pageCount(tokens)
    guard pages > pageLimit else { return }
    throw .memoryBudgetTooSmall(
      prompt: prompt, answer: max(answer, 0), bytes: pages * layout.pageBytes, budget: memoryBudget)
  }

  private func check(_ tokens: [Int], isPrompt: Bool = true) throws(RuntimeError) {
    guard !tokens.isEmpty || !isPrompt else { throw .emptyPrompt }
    for id in tokens where id < 0 || id >= model.config.vocabSize {
      throw .tokenOutOfRange(id: id, vocabulary: model.config.vocabSize)
    }
  }
}
