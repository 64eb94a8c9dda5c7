import CKernels
import ModelFiles
import TinaRuntime

/// Log-probabilities of the batch's targets from the last block's output, and how they change with it.
///
/// Logits exist for `chunk` positions at a time. The gradient of ln p with respect to the hidden state does not
/// depend on the loss, so it is taken in the same pass, before the loss is known, and scaled later.
struct HeadPass {
  let model: Model
  let batch: GroupBatch
  let pool: WorkPool
  /// Divides the logits.
  let temperature: Float

  /// Positions whose logits exist at once.
  static let chunk = 128

  struct Result {
    /// ln p of each target.
    var logProbabilities: [Float]
    /// Entropy in nats at each target's position.
    var entropies: [Float]
  }

  /// - Parameters:
  ///   - x: the last block's output, `[rows, hidden]`.
  ///   - gradients: room for d ln p / d x of each target, `[targets, hidden]`; nil if not wanted.
  /// - Throws: ``TrainerError`` for logits that are not finite.
  @unsafe func run(
    _ x: UnsafePointer<Float>, gradients: UnsafeMutablePointer<Float>?, scratch: HeadScratch
  ) throws(TrainerError) -> Result {
    let hidden = model.config.hiddenSize
    let vocabulary = model.config.vocabSize
    let total = batch.targets.count
    var result = Result(
      logProbabilities: [Float](repeating: 0, count: total), entropies: [Float](repeating: 0, count: total))
    for first in stride(from: 0, to: total, by: Self.chunk) {
      let count = min(Self.chunk, total - first)
      let rows = unsafe scratch.rows.reserve(count * hidden)
      for i in 0..<count {
        unsafe (rows + i * hidden).update(from: x + batch.targets[first + i].row * hidden, count: hidden)
      }
      let normed = unsafe scratch.normed.reserve(count * hidden)
      unsafe tk_rmsnorm(
        pool.threads, rows, count, hidden, model.frozenFinalNorm, model.config.rmsNormEps, normed)
      let logits = unsafe scratch.logits.reserve(count * vocabulary)
      let map = unsafe model.frozenHead.map(x: normed, n: count, y: logits)
      unsafe withUnsafePointer(to: map) { unsafe tk_linear(pool.threads, $0, 1) }
      unsafe try score(logits, first: first, count: count, into: &result)
      unsafe differentiate(logits, first: first, count: count, wantsGradient: gradients != nil, &result)
      guard let gradients = unsafe gradients else { continue }
      let back = unsafe scratch.back.reserve(count * hidden)
      unsafe PooledProducts(pool: pool).run([
        model.frozenHead.product(dY: logits, n: count, into: back, add: false)
      ])
      let target = unsafe gradients + first * hidden
      unsafe target.update(repeating: 0, count: count * hidden)
      pool.run(count) { i in
        unsafe rmsNormBackward(
          rows + i * hidden, model.frozenFinalNorm, back + i * hidden, hidden, model.config.rmsNormEps,
          into: target + i * hidden)
      }
    }
    return result
  }

  /// The sampler's own log-probabilities of the targets.
  @unsafe private func score(
    _ logits: UnsafePointer<Float>, first: Int, count: Int, into result: inout Result
  ) throws(TrainerError) {
    let vocabulary = model.config.vocabSize
    var rows = unsafe (0..<count).map { i in
      unsafe tk_score_row(
        logits: logits + i * vocabulary, count: vocabulary, token: UInt32(batch.targets[first + i].token),
        temperature: temperature, log_probability: 0)
    }
    unsafe tk_score(pool.threads, &rows, count)
    for i in 0..<count {
      let value = unsafe rows[i].log_probability
      guard !value.isNaN else {
        throw TrainerError(
          .notFinite, place: "row \(batch.targets[first + i].row)", found: "logits that are NaN or infinite",
          expected: "finite numbers", advice: "The weights or the adapter are damaged.")
      }
      result.logProbabilities[first + i] = value
    }
  }

  /// Entropies; and each row becomes d ln p / d logits if that is wanted.
  @unsafe private func differentiate(
    _ logits: UnsafeMutablePointer<Float>, first: Int, count: Int, wantsGradient: Bool, _ result: inout Result
  ) {
    let vocabulary = model.config.vocabSize
    let factor = 1 / temperature
    let logProbabilities = result.logProbabilities
    unsafe result.entropies.withUnsafeMutableBufferPointer { entropies in
      pool.run(count) { i in
        let row = unsafe logits + i * vocabulary
        let token = batch.targets[first + i].token
        // ln of the softmax's denominator, from the token's own probability
        let logSum = unsafe Double(row[token]) * Double(factor) - Double(logProbabilities[first + i])
        let expectation = unsafe tk_head_backward(row, vocabulary, factor, Float(logSum), wantsGradient)
        if wantsGradient { unsafe row[token] += factor }
        unsafe entropies[first + i] = Float(logSum - expectation)
      }
    }
  }
}

/// Memory of the head's chunks.
@safe final class HeadScratch {
  let rows = Scratch()
  let normed = Scratch()
  let logits = Scratch()
  let back = Scratch()
}
