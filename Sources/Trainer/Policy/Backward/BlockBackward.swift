import CKernels
import ModelFiles
import TinaRuntime

extension BlockPass {
  /// Replaces `dx`, the gradient with respect to the block's output, by the one with respect to its input, and adds to
  /// the gradients of the block's pairs.
  ///
  /// - Parameter needsInput: false for the first block, before which nothing is trained.
  @unsafe func backward(
    _ index: Int, _ record: LayerRecord, gradient: FloatMemory, dx: UnsafeMutablePointer<Float>,
    needsInput: Bool
  ) {
    let layer = decoder.weights.layers[index]
    let n = batch.rowCount
    let hidden = config.hiddenSize
    let inner = config.intermediateSize

    // MLP: y = m + down(activation(gate(h)) * up(h)), h = norm(m).
    let dp = unsafe workspace.product.reserve(n * inner)
    let du = unsafe workspace.up.reserve(n * inner)
    let dh = unsafe workspace.normed.reserve(n * hidden)
    let dDown = unsafe addedBackward(layer[.feedForwardOutput], record.arrays.feedForwardOutput, dx)
    unsafe mapBackward(
      [(.down, dDown)], index, record, input: record.arrays.product.start, gradient, into: dp)
    unsafe activationBackward(record, dp: dp, du: du)  // dp becomes the gradient of the gate
    unsafe mapBackward(
      [(.gate, UnsafePointer(dp)), (.up, UnsafePointer(du))], index, record,
      input: record.arrays.middleNormed.start, gradient, into: dh)
    unsafe normBackward(record.arrays.middle, layer[.feedForward], dh, rows: n, into: dx)

    // Attention: m = x + o(attention(q, k, v)), of h = norm(x).
    let da = unsafe workspace.attended.reserve(n * queryWidth)
    let dO = unsafe addedBackward(layer[.attentionOutput], record.arrays.attentionOutput, dx)
    unsafe mapBackward([(.o, dO)], index, record, input: record.arrays.attended.start, gradient, into: da)
    let dq = unsafe workspace.queries.reserve(n * queryWidth)
    let dkv = unsafe workspace.keysAndValues.reserve(2 * n * keyWidth)
    let dv = unsafe dkv + n * keyWidth
    workspace.clock.measure(.backwardAttention) {
      unsafe attentionBackward(index, record, dOutput: da, dq: dq, dk: dkv, dv: dv)
    }
    let rows = RecordedRows(pass: self, record: record)
    unsafe decoder.rotate(dq, heads: config.headCount, rows, layer: index, inverse: true)
    unsafe decoder.rotate(dkv, heads: config.keyValueHeadCount, rows, layer: index, inverse: true)
    let (queryRows, keyRows) = (n * config.headCount, n * config.keyValueHeadCount)
    unsafe normBackward(
      record.arrays.rawQueries, layer[.query], dq, rows: queryRows, into: dq, adds: false)
    unsafe normBackward(record.arrays.rawKeys, layer[.key], dkv, rows: keyRows, into: dkv, adds: false)
    unsafe mapBackward(
      [(.q, UnsafePointer(dq)), (.k, UnsafePointer(dkv)), (.v, UnsafePointer(dv))], index, record,
      input: record.arrays.normed.start, gradient, into: needsInput ? dh : nil)
    if needsInput { unsafe normBackward(record.arrays.input, layer[.input], dh, rows: n, into: dx) }
  }

  /// The gradient with respect to what a projection adds to the residual stream, given that of the sum.
  @unsafe private func addedBackward(
    _ norm: Vector?, _ added: FloatBuffer, _ dx: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Float> {
    guard norm != nil else { return unsafe UnsafePointer(dx) }
    let result = unsafe workspace.added.reserve(batch.rowCount * config.hiddenSize)
    unsafe normBackward(added, norm, dx, rows: batch.rowCount, into: result, adds: false)
    return unsafe UnsafePointer(result)
  }

  /// Adds the pairs' gradients of maps that share an input, and writes dX = Σ dY · (W + scale · B · A).
  ///
  /// - Parameter dX: nil in the first block, before which nothing is trained.
  @unsafe private func mapBackward(
    _ maps: [(projection: Projection, dY: UnsafePointer<Float>)], _ index: Int,
    _ record: LayerRecord,
    input x: UnsafePointer<Float>, _ gradient: FloatMemory, into dX: UnsafeMutablePointer<Float>?
  ) {
    guard let adapter else { preconditionFailure("only an adapter is trained") }
    let n = batch.rowCount
    let layer = decoder.weights.layers[index]
    var operations = 0
    workspace.clock.measure(.backwardMaps) {
      var products: [tk_product_args] = unsafe []
      var dropped: [(pair: TrainedPair, du: UnsafeMutablePointer<Float>)] = unsafe []
      for i in unsafe maps.indices {
        let (projection, dY) = unsafe maps[i]
        if let dX = unsafe dX {
          unsafe products.append(
            layer[projection].product(dY: dY, n: n, into: dX, add: !products.isEmpty))
          operations += 2 * n * layer[projection].rows * layer[projection].columns
        }
        guard let pair = adapter.parameters.places[index][projection.rawValue] else { continue }
        operations += unsafe (dX == nil ? 3 : 4) * n * pair.rank * (pair.input + pair.output)
        let du = unsafe workspace.lowRank[i].reserve(n * pair.rank)
        unsafe adapter.innerBackward(dY, pair, into: du)
        unsafe adapter.addGradients(
          dY, pair, input: x, inner: record.inner[projection.rawValue].start, du: du,
          to: gradient, scratch: workspace.dropped)
        guard let dX = unsafe dX else { continue }
        if adapter.dropout.isActive {
          unsafe dropped.append((pair, du))
        } else {
          unsafe products.append(pair.matrices.a.product(dY: du, n: n, into: dX, add: true))
        }
      }
      unsafe PooledProducts(pool: pool).run(products)
      guard let dX = unsafe dX else { return operations }
      for i in unsafe dropped.indices {
        let (pair, du) = unsafe dropped[i]
        let wide = unsafe workspace.dropped.reserve(n * pair.input)
        unsafe PooledProducts(pool: pool).run([pair.matrices.a.product(dY: du, n: n, into: wide, add: false)])
        unsafe adapter.dropped(wide, pair, into: dX, add: true)
      }
      return operations
    }
  }

  /// Replaces `dp`, the gradient of activation(gate) * up, by that of the gate, and writes that of up.
  @unsafe private func activationBackward(
    _ record: LayerRecord, dp: UnsafeMutablePointer<Float>, du: UnsafeMutablePointer<Float>
  ) {
    let count = batch.rowCount * config.intermediateSize
    let g = unsafe record.arrays.gate.start
    let u = unsafe record.arrays.up.start
    pool.run(count: count, inPiecesOf: 16384) { range in
      let start = range.lowerBound
      switch config.activation {
      case .silu: unsafe tk_swiglu_backward(g + start, u + start, dp + start, du + start, range.count)
      case .geluTanh: unsafe tk_geglu_backward(g + start, u + start, dp + start, du + start, range.count)
      }
    }
  }

  /// Adds the gradient with respect to the input of y = x / rms(x) * weight to `dx`, or writes it there without `adds`.
  /// Without weights there is no norm.
  @unsafe func normBackward(
    _ input: FloatBuffer, _ weight: Vector?, _ dy: UnsafePointer<Float>, rows: Int,
    into dx: UnsafeMutablePointer<Float>, adds: Bool = true
  ) {
    guard let weight else { return }
    let x = unsafe input.start
    let width = weight.count
    let epsilon = config.rmsNormEps
    pool.run(count: rows, inPiecesOf: 16) { rows in
      for row in rows {
        unsafe tk_rmsnorm_backward(
          x + row * width, weight.pointer, dy + row * width, width, epsilon, dx + row * width, adds)
      }
    }
  }
}
