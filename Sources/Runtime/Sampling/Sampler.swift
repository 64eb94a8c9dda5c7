import AdapterFormat
import CKernels

/// What the sampler tells of one row.
struct DrawnRow {
  let id: Int
  let logProbability: Float
  let temperedLogProbability: Float
  let top: [TokenProbability]
}

/// Draws tokens for the rows of a step, on the threads that computed them.
@safe final class Sampler {
  private let vocabulary: Int
  private var rows: [tk_sample_row] = unsafe []
  private var topCount = 0
  private var topIDs: [UInt32] = []
  private var topValues: [Float] = []
  private var copies: [UnsafeMutablePointer<Float>] = unsafe []
  private var scoreRows: [tk_score_row] = unsafe []

  init(vocabulary: Int) { self.vocabulary = vocabulary }

  /// Adds a row from which a completion draws.
  ///
  /// - Parameters:
  ///   - sample: which sample of its group the completion is.
  ///   - position: the tokens before the one to draw.
  ///   - isCopied: whether the row is copied, because penalties must not change it for others.
  ///   - isGuess: whether the token is only guessed, so that nobody asks what else was likely.
  @unsafe func add(
    _ completion: ActiveCompletion, sample: Int, position: Int, logits: UnsafeMutablePointer<Float>,
    isCopied: Bool, isGuess: Bool = false
  ) {
    let request = completion.request
    let top = isGuess ? 0 : request.settings.topCount
    var values = unsafe logits
    if isCopied {
      unsafe values = .allocate(capacity: vocabulary)
      unsafe values.initialize(from: logits, count: vocabulary)
      unsafe copies.append(values)
    }
    let sampling = request.settings.sampling
    let penalties = completion.penalties
    let uniform = Philox.uniform(
      seed: sampling.seed, prompt: UInt32(truncatingIfNeeded: request.promptIndex),
      sample: UInt32(truncatingIfNeeded: request.sampleIndex + sample), position: UInt64(position))
    unsafe rows.append(
      tk_sample_row(
        logits: values, count: vocabulary, allowed: min(request.allowedTokens ?? vocabulary, vocabulary),
        temperature: sampling.temperature, top_k: sampling.topK, top_p: sampling.topP,
        min_p: sampling.minP, uniform: uniform,
        penalised: UnsafePointer(penalties?.ids), drawn: UnsafePointer(penalties?.drawn),
        penalties: penalties?.count ?? 0, repetition: sampling.repetitionPenalty,
        presence: sampling.presencePenalty, frequency: sampling.frequencyPenalty,
        top: top, top_ids: nil, top_log_probabilities: nil, finite: false, token: 0, log_probability: 0,
        tempered_log_probability: 0))
    topCount = max(topCount, top)
  }

  /// Draws a token for every row that was added.
  @unsafe func draw(_ pool: OpaquePointer) {
    let count = unsafe rows.count
    if count == 0 { return }
    if topIDs.count < count * topCount {
      topIDs = Array(repeating: 0, count: count * topCount)
      topValues = Array(repeating: 0, count: count * topCount)
    }
    unsafe topIDs.withUnsafeMutableBufferPointer { ids in
      unsafe topValues.withUnsafeMutableBufferPointer { values in
        if topCount > 0, let ids = ids.baseAddress, let values = values.baseAddress {
          for i in 0..<count {
            unsafe rows[i].top_ids = ids + i * topCount
            unsafe rows[i].top_log_probabilities = values + i * topCount
          }
        }
        unsafe rows.withUnsafeMutableBufferPointer { buffer in
          if let base = buffer.baseAddress { unsafe tk_sample(pool, base, count) }
        }
      }
    }
  }

  /// The token drawn from a row; nil when its logits were not finite.
  func result(_ index: Int) -> DrawnRow? {
    let row = unsafe rows[index]
    guard unsafe row.finite else { return nil }
    let first = index * topCount
    let top = unsafe (0..<row.top).map {
      TokenProbability(id: Int(topIDs[first + $0]), logProbability: topValues[first + $0])
    }
    return unsafe DrawnRow(
      id: Int(row.token), logProbability: row.log_probability,
      temperedLogProbability: row.tempered_log_probability, top: top)
  }

  /// Forgets the rows.
  func clear() {
    unsafe rows.removeAll(keepingCapacity: true)
    for i in unsafe copies.indices { unsafe copies[i].deallocate() }
    unsafe copies.removeAll(keepingCapacity: true)
    topCount = 0
  }

  /// ln p of each of `tokens`, each under its own row of logits; NaN where they are not finite.
  @unsafe func score(
    _ logits: UnsafePointer<Float>, _ tokens: ArraySlice<Int>, _ temperature: Float, _ pool: OpaquePointer
  ) -> [Float] {
    unsafe scoreRows.removeAll(keepingCapacity: true)
    for (i, token) in tokens.enumerated() {
      unsafe scoreRows.append(
        tk_score_row(
          logits: logits + i * vocabulary, count: vocabulary, token: UInt32(truncatingIfNeeded: token),
          temperature: temperature, log_probability: 0))
    }
    unsafe scoreRows.withUnsafeMutableBufferPointer { buffer in
      if let base = buffer.baseAddress { unsafe tk_score(pool, base, buffer.count) }
    }
    return unsafe scoreRows.map { unsafe $0.log_probability }
  }
}

/// The softmax of a row of logits. It gives every token's log-probability to the bits that the sampler reports.
struct LogNormaliser {
  private var softmax = tk_softmax()

  /// Nil when a logit is NaN or +infinity, or all are -infinity.
  @unsafe init?(_ logits: UnsafePointer<Float>, count: Int, temperature: Float = 1) {
    guard unsafe tk_softmax_of(logits, count, temperature, &softmax) else { return nil }
  }

  /// ln p of a token with this logit.
  func logProbability(_ logit: Float) -> Float {
    unsafe withUnsafePointer(to: softmax) { unsafe tk_log_probability($0, logit) }
  }
}
