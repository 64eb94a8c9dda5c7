import Foundation
import ModelFiles
import TinaRuntime

extension BlockPass {
  /// Replaces `dx`, the gradient with respect to the block's output, by that with respect to its input, and adds
  /// to the gradients of the block's pairs.
  ///
  /// - Parameter needsInput: false for the first block, before which nothing is trained.
  @unsafe func backward(
    _ index: Int, _ record: LayerRecord, gradient: FloatMemory, dx: UnsafeMutablePointer<Float>,
    needsInput: Bool
  ) {
    guard let adapter else { preconditionFailure("only an adapter is trained") }
    let layer = model.frozenLayer(index)
    let products = FrozenProducts(pool: pool)
    let n = batch.rowCount
    let hidden = config.hiddenSize
    let inner = config.intermediateSize

    /// The adapter's part of dX for one map; dX may be nil.
    func adapterPart(
      _ projection: TrainableProjection, _ dY: UnsafePointer<Float>, _ x: UnsafePointer<Float>,
      _ dX: UnsafeMutablePointer<Float>?
    ) {
      guard let pair = adapter.parameters.places[index][projection.rawValue] else { return }
      unsafe adapter.backward(
        dY, pair, input: x, inner: record.inner[projection.rawValue].reserve(n * pair.rank),
        gradient: gradient,
        into: dX, scratch: (workspace.lowRank, workspace.dropped))
    }

    // MLP: y = m + down(silu(gate(h)) * up(h)), h = norm(m).
    let dp = unsafe workspace.a.reserve(n * inner)
    unsafe products.backward(dx, n, layer[.down], into: dp, add: false)
    unsafe adapterPart(.down, dx, record.product.reserve(n * inner), dp)
    let du = unsafe workspace.b.reserve(n * inner)
    unsafe swigluBackward(record, dp: dp, du: du)  // dp becomes the gradient of the gate
    let dh = unsafe workspace.c.reserve(n * hidden)
    unsafe products.backward(
      [(UnsafePointer(dp), layer[.gate]), (UnsafePointer(du), layer[.up])], n, into: dh, add: false)
    let h2 = unsafe record.middleNormed.reserve(n * hidden)
    unsafe adapterPart(.gate, dp, h2, dh)
    unsafe adapterPart(.up, du, h2, dh)
    unsafe normBackward(
      record.middle.reserve(n * hidden), layer.postAttentionNorm, dh, into: dx)

    // Attention: m = x + o(attention(q, k, v)), of h = norm(x).
    let da = unsafe workspace.a.reserve(n * queryWidth)
    unsafe products.backward(dx, n, layer[.o], into: da, add: false)
    unsafe adapterPart(.o, dx, record.attended.reserve(n * queryWidth), da)
    let dq = unsafe workspace.b.reserve(n * queryWidth)
    let dkv = unsafe workspace.d.reserve(2 * n * keyWidth)
    let dv = unsafe dkv + n * keyWidth
    unsafe attentionBackward(index, record, dOutput: da, dq: dq, dk: dkv, dv: dv)
    unsafe rotate(dq, heads: config.headCount, inverse: true)
    unsafe rotate(dkv, heads: config.keyValueHeadCount, inverse: true)
    let h = unsafe record.normed.reserve(n * hidden)
    if !needsInput {
      unsafe adapterPart(.q, dq, h, nil)
      unsafe adapterPart(.k, dkv, h, nil)
      unsafe adapterPart(.v, dv, h, nil)
      return
    }
    unsafe products.backward(
      [(UnsafePointer(dq), layer[.q]), (UnsafePointer(dkv), layer[.k]), (UnsafePointer(dv), layer[.v])], n,
      into: dh,
      add: false)
    unsafe adapterPart(.q, dq, h, dh)
    unsafe adapterPart(.k, dkv, h, dh)
    unsafe adapterPart(.v, dv, h, dh)
    unsafe normBackward(record.input.reserve(n * hidden), layer.inputNorm, dh, into: dx)
  }

  /// From the gradient of silu(gate) * up, in `dp`, those of the gate, in `dp`, and of up.
  @unsafe private func swigluBackward(
    _ record: LayerRecord, dp: UnsafeMutablePointer<Float>, du: UnsafeMutablePointer<Float>
  ) {
    let count = batch.rowCount * config.intermediateSize
    let g = unsafe record.gate.reserve(count)
    let u = unsafe record.up.reserve(count)
    pool.run(count: count, inPiecesOf: 16384) { range in
      for i in range {
        let gate = unsafe g[i]
        let sigmoid = 1 / (1 + expf(-gate))
        let d = unsafe dp[i]
        unsafe du[i] = d * gate * sigmoid
        unsafe dp[i] = d * u[i] * sigmoid * (1 + gate * (1 - sigmoid))
      }
    }
  }

  /// dx += the gradient with respect to the input of y = x / rms(x) * weight.
  @unsafe func normBackward(
    _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ dy: UnsafePointer<Float>,
    into dx: UnsafeMutablePointer<Float>
  ) {
    let width = config.hiddenSize
    let epsilon = config.rmsNormEps
    pool.run(count: batch.rowCount, inPiecesOf: 16) { rows in
      for row in rows {
        unsafe rmsNormBackward(
          x + row * width, weight, dy + row * width, width, epsilon, into: dx + row * width)
      }
    }
  }
}

/// dx += the gradient of one row's RMS norm.
@unsafe func rmsNormBackward(
  _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, _ width: Int,
  _ epsilon: Float, into dx: UnsafeMutablePointer<Float>
) {
  var square = 0.0
  var mixed = 0.0
  for i in 0..<width {
    unsafe square += Double(x[i] * x[i])
    unsafe mixed += Double(x[i] * weight[i] * dy[i])
  }
  let inverse = 1 / (square / Double(width) + Double(epsilon)).squareRoot()
  let factor = Float(inverse * inverse * inverse * mixed / Double(width))
  let scale = Float(inverse)
  for i in 0..<width { unsafe dx[i] += scale * weight[i] * dy[i] - factor * x[i] }
}
