import CKernels
import ModelFiles
import TinaRuntime

/// The targets' log-probabilities from the last block's output, and their gradients with respect to it.
///
/// Logits exist for `chunk` positions at a time. The gradient of ln p with respect to the hidden state does not depend
/// on the loss, so the same pass takes it, and it is scaled once the loss is known.
struct HeadPass {
  let decoder: Decoder
  let batch: GroupBatch
  /// Divides the logits.
  let temperature: Float
  let workspace: Workspace

  /// Positions whose logits exist at once.
  static let chunk = 128

  /// Memory of the chunks.
  struct Workspace {
    let rows = FloatBuffer()
    let logits = FloatBuffer()
    let back = FloatBuffer()
  }

  /// What a pass finds for each target.
  struct Scores {
    /// ln p of each target.
    var logProbabilities: [Float]
    /// Entropy in nats at each target's position.
    var entropies: [Float]
    /// Targets that no other token's logit exceeds; 0 unless gradients are wanted.
    var topCount = 0
  }

  private var pool: WorkPool { decoder.pool }
  private var vocabulary: Int { decoder.config.vocabSize }

  /// - Parameters:
  ///   - x: the last block's output, `[rows, hidden]`.
  ///   - gradients: room for d ln p / d x of each target, `[targets, hidden]`; nil if not wanted.
  /// - Throws: ``TrainerError`` for logits that are not finite.
  @unsafe func run(
    _ x: UnsafePointer<Float>, gradients: UnsafeMutablePointer<Float>?
  ) throws(TrainerError) -> Scores {
    let hidden = decoder.config.hiddenSize
    let total = batch.targets.count
    var scores = Scores(
      logProbabilities: [Float](repeating: 0, count: total), entropies: [Float](repeating: 0, count: total))
    for first in stride(from: 0, to: total, by: Self.chunk) {
      let targets = first..<min(first + Self.chunk, total)
      let count = targets.count
      let rows = unsafe workspace.rows.reserve(count * hidden)
      let logits = unsafe workspace.logits.reserve(count * vocabulary)
      unsafe decoder.head(batch.targets[targets].map(\.row), of: x, gathered: rows, into: logits)
      unsafe try score(logits, targets, &scores)
      unsafe differentiate(logits, targets, wantsGradient: gradients != nil, &scores)
      guard let gradients = unsafe gradients else { continue }
      let back = unsafe workspace.back.reserve(count * hidden)
      unsafe PooledProducts(pool: pool).run([
        decoder.weights.head.product(dY: logits, n: count, into: back, add: false)
      ])
      let target = unsafe gradients + first * hidden
      unsafe target.update(repeating: 0, count: count * hidden)
      pool.run(count) { i in
        unsafe tk_rmsnorm_backward(
          rows + i * hidden, decoder.weights.finalNorm.pointer, back + i * hidden, hidden,
          decoder.config.rmsNormEps, target + i * hidden, true)
      }
    }
    return scores
  }

  /// The sampler's own log-probabilities of the targets.
  @unsafe private func score(
    _ logits: UnsafePointer<Float>, _ targets: Range<Int>, _ scores: inout Scores
  ) throws(TrainerError) {
    var rows = unsafe targets.enumerated().map { i, target in
      unsafe tk_score_row(
        logits: logits + i * vocabulary, count: vocabulary, token: UInt32(batch.targets[target].token),
        temperature: temperature, log_probability: 0)
    }
    unsafe tk_score(pool.threads, &rows, rows.count)
    for (i, target) in targets.enumerated() {
      let value = unsafe rows[i].log_probability
      guard !value.isNaN else {
        throw TrainerError(
          .notFinite, place: "row \(batch.targets[target].row)", found: "logits that are NaN or infinite",
          expected: "finite numbers", advice: "The weights or the adapter are damaged.")
      }
      scores.logProbabilities[target] = value
    }
  }

  /// Computes entropies, and turns each row into d ln p / d logits if wanted.
  @unsafe private func differentiate(
    _ logits: UnsafeMutablePointer<Float>, _ targets: Range<Int>, wantsGradient: Bool, _ scores: inout Scores
  ) {
    let factor = 1 / temperature
    let logProbabilities = scores.logProbabilities
    var isTop = [Bool](repeating: false, count: wantsGradient ? targets.count : 0)
    if wantsGradient {
      unsafe isTop.withUnsafeMutableBufferPointer { isTop in
        pool.run(targets.count) { i in
          let row = unsafe logits + i * vocabulary
          let own = unsafe row[batch.targets[targets.lowerBound + i].token]
          var exceeding = 0
          for j in 0..<vocabulary { unsafe exceeding += row[j] > own ? 1 : 0 }
          unsafe isTop[i] = exceeding == 0
        }
      }
      scores.topCount += isTop.count { $0 }
    }
    unsafe scores.entropies.withUnsafeMutableBufferPointer { entropies in
      pool.run(targets.count) { i in
        let row = unsafe logits + i * vocabulary
        let target = targets.lowerBound + i
        let token = batch.targets[target].token
        // ln of the softmax's denominator, from the token's own probability.
        let logSum = unsafe Double(row[token]) * Double(factor) - Double(logProbabilities[target])
        let expectation = unsafe tk_head_backward(row, vocabulary, factor, Float(logSum), wantsGradient)
        if wantsGradient { unsafe row[token] += factor }
        unsafe entropies[target] = Float(logSum - expectation)
      }
    }
  }
}
