import Foundation
import ModelFiles

/// Samples completions: any number of them at once, in one batch over the base's weights.
///
/// A thread of the engine's own does the work; requests may come from anywhere. What a request yields
/// depends on the request alone, bit for bit, and not on what else runs.
public final class Engine: Sendable {
  /// The model that answers.
  public let model: Model
  /// The longest sequence, prompt and completion together, in tokens.
  public let contextLimit: Int
  /// The element type of keys and values.
  public let cacheType: CacheType

  private let queue: JobQueue

  /// An engine on `model`.
  ///
  /// - Parameters:
  ///   - model: the model that answers.
  ///   - cacheType: how keys and values are kept.
  ///   - contextLimit: the longest sequence; the model's own limit when nil or larger than that.
  ///   - batchLimit: how many completions are decoded at once; others wait their turn.
  public init(model: Model, cacheType: CacheType = .f16, contextLimit: Int? = nil, batchLimit: Int = 64) {
    self.model = model
    self.cacheType = cacheType
    self.contextLimit = min(contextLimit ?? .max, model.config.maxPositions)
    queue = JobQueue()
    let loop = EngineLoop(
      model: model, layout: CacheLayout(model.config, type: cacheType), context: self.contextLimit,
      batchLimit: max(batchLimit, 1), queue: queue)
    let thread = Thread { loop.run() }
    thread.name = "tina engine"
    thread.stackSize = 4 << 20
    thread.start()
  }

  deinit { queue.close() }

  /// Starts a completion. Nothing is computed for a request that is refused.
  ///
  /// - Throws: `RuntimeError` for an empty prompt, one longer than the context, ids that the model does not
  ///   have, and settings out of range.
  public func generate(_ request: GenerationRequest) throws(RuntimeError) -> Completion {
    try check(request.prompt)
    try request.sampling.validate()
    guard request.prompt.count < contextLimit else {
      throw .promptTooLong(tokens: request.prompt.count, context: contextLimit)
    }
    guard request.maxTokens > 0 else {
      throw .invalidSetting(name: "max tokens", found: "\(request.maxTokens)", expected: "1 or more")
    }
    if let allowed = request.allowedTokens, allowed < 1 {
      throw .invalidSetting(name: "allowed tokens", found: "\(allowed)", expected: "1 or more")
    }
    let (events, continuation) = AsyncThrowingStream.makeStream(of: Completion.Event.self)
    let job = GenerationJob(request, continuation)
    continuation.onTermination = { reason in if case .cancelled = reason { job.cancel() } }
    queue.add(job)
    return Completion(events: events, job: job)
  }

  /// The natural logarithm of each completion token's probability, given the prompt and the tokens before.
  ///
  /// - Throws: `RuntimeError` as `generate` does, and `.notFinite` for damaged weights.
  public func score(
    prompt: [Int], completion: [Int], adapter: AttachedAdapter? = nil
  ) throws(RuntimeError) -> [Float] {
    let tokens = prompt + completion
    try check(prompt)
    try check(tokens)
    guard tokens.count <= contextLimit else {
      throw .promptTooLong(tokens: tokens.count, context: contextLimit + 1)
    }
    var result: [Float] = []
    var failed: Int?
    let vocabulary = model.config.vocabSize
    let wanted = prompt.count - 1..<tokens.count - 1
    unsafe forEachLogits(Array(tokens.dropLast()), adapter: adapter, wanted: wanted, chunk: 32) {
      position, logits in
      guard let normaliser = unsafe LogNormaliser(logits, count: vocabulary) else {
        failed = failed ?? position
        return
      }
      unsafe result.append(normaliser.logProbability(logits[tokens[position + 1]]))
    }
    if let failed { throw .notFinite(position: failed) }
    return result
  }

  /// The logits of every position, `[tokens.count][vocabulary]` flattened, the prompt cut into pieces of
  /// `chunk` tokens. For checking numbers: it holds them all.
  ///
  /// - Throws: `RuntimeError` for an empty prompt, one longer than the context, or ids out of range.
  public func logits(
    tokens: [Int], adapter: AttachedAdapter? = nil, chunk: Int = 64
  ) throws(RuntimeError) -> [Float] {
    try check(tokens)
    guard tokens.count <= contextLimit else {
      throw .promptTooLong(tokens: tokens.count, context: contextLimit + 1)
    }
    let vocabulary = model.config.vocabSize
    var result: [Float] = []
    result.reserveCapacity(tokens.count * vocabulary)
    unsafe forEachLogits(tokens, adapter: adapter, wanted: 0..<tokens.count, chunk: max(chunk, 1)) {
      _, logits in
      unsafe result.append(contentsOf: UnsafeBufferPointer(start: logits, count: vocabulary))
    }
    return result
  }

  private func forEachLogits(
    _ tokens: [Int], adapter: AttachedAdapter?, wanted: Range<Int>, chunk: Int,
    _ body: (Int, UnsafePointer<Float>) -> Void
  ) {
    let cache = SequenceCache(CacheLayout(model.config, type: cacheType))
    let vocabulary = model.config.vocabSize
    var start = 0
    while start < tokens.count {
      let end = min(start + chunk, tokens.count)
      let logits = wanted.clamped(to: start..<end)
      let segment = Segment(
        tokens: Array(tokens[start..<end]), cache: cache, adapter: adapter,
        logits: logits.isEmpty ? 0..<0 : logits.lowerBound - start..<logits.upperBound - start)
      model.compute.exclusive { forward in
        unsafe forward.run([segment]) { values, count in
          for i in 0..<count { unsafe body(logits.lowerBound + i, values + i * vocabulary) }
        }
      }
      start = end
    }
  }

  private func check(_ tokens: [Int]) throws(RuntimeError) {
    guard !tokens.isEmpty else { throw .emptyPrompt }
    for id in tokens where id < 0 || id >= model.config.vocabSize {
      throw .tokenOutOfRange(id: id, vocabulary: model.config.vocabSize)
    }
  }
}
