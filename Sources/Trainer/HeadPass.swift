import CKernels
import ModelFiles
import Synchronization
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
      let failed = Atomic<Int>(-1)
      unsafe result.logProbabilities.withUnsafeMutableBufferPointer { logProbabilities in
        unsafe result.entropies.withUnsafeMutableBufferPointer { entropies in
          pool.run(count) { i in
            let row = unsafe logits + i * vocabulary
            let token = batch.targets[first + i].token
            guard let (value, entropy) = unsafe self.differentiate(row, token, wantsGradient: gradients != nil) else {
              failed.store(first + i, ordering: .relaxed)
              return
            }
            unsafe logProbabilities[first + i] = value
            unsafe entropies[first + i] = entropy
          }
        }
      }
      let bad = failed.load(ordering: .relaxed)
      if bad >= 0 {
        throw TrainerError(
          .notFinite, place: "row \(batch.targets[bad].row)", found: "logits that are NaN or infinite",
          expected: "finite numbers", advice: "The weights or the adapter are damaged.")
      }
      guard let gradients = unsafe gradients else { continue }
      let back = unsafe scratch.back.reserve(count * hidden)
      unsafe FrozenProducts(pool: pool).backward(logits, count, model.frozenHead, into: back, add: false)
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

  /// ln p of the token and the row's entropy; the row becomes d ln p / d logits if that is wanted.
  @unsafe private func differentiate(
    _ row: UnsafeMutablePointer<Float>, _ token: Int, wantsGradient: Bool
  ) -> (Float, Float)? {
    let count = model.config.vocabSize
    if temperature != 1 { unsafe tk_scale(row, 1 / temperature, count) }
    guard let normaliser = unsafe TokenNormaliser(row, count: count) else { return nil }
    let value = unsafe normaliser.logProbability(row[token])
    let base = normaliser.logProbability(0)  // - ln sum exp
    var expectation = 0.0
    let factor = 1 / temperature
    for i in 0..<count {
      let logit = unsafe row[i]
      let p = tk_exp(logit + base)
      if p > 0 { expectation += Double(p * logit) }
      if wantsGradient { unsafe row[i] = -p * factor }
    }
    if wantsGradient { unsafe row[token] += factor }
    return (value, Float(Double(-base) - expectation))
  }
}

/// Memory of the head's chunks.
@safe final class HeadScratch {
  let rows = Scratch()
  let normed = Scratch()
  let logits = Scratch()
  let back = Scratch()
}
