import CKernels
import TinaRuntime

/// Products of a batch with an adapter's pairs, other than the terms of the base's maps: forward under dropout, and
/// backward.
struct AdapterProducts {
  let decoder: Decoder
  let parameters: LoRAParameters
  let batch: GroupBatch
  let dropout: Dropout

  private var pool: WorkPool { decoder.pool }

  /// Writes, or adds, dropout(x), `[rows, in]`.
  @unsafe func dropped(
    _ x: UnsafePointer<Float>, _ pair: TrainedPair, into y: UnsafeMutablePointer<Float>, add: Bool = false
  ) {
    let width = pair.input
    let module = pair.layer * Projection.allCases.count + pair.projection.rawValue
    pool.run(count: batch.rowCount, inPiecesOf: 16) { rows in
      for row in rows {
        unsafe dropout.apply(
          x + row * width, width, module: module, sequence: batch.sequences[row],
          position: batch.positions[row], into: y + row * width, add: add)
      }
    }
  }

  /// dropout(x) in `scratch`; x itself without dropout.
  @unsafe private func input(
    _ x: UnsafePointer<Float>, _ pair: TrainedPair, _ scratch: FloatBuffer
  ) -> UnsafePointer<Float> {
    guard dropout.isActive else { return unsafe x }
    let y = unsafe scratch.reserve(batch.rowCount * pair.input)
    unsafe dropped(x, pair, into: y)
    return unsafe UnsafePointer(y)
  }

  /// u = scale · A · dropout(x), as the sampler computes it.
  @unsafe func inner(
    _ x: UnsafePointer<Float>, _ pair: TrainedPair, into u: UnsafeMutablePointer<Float>, scratch: FloatBuffer
  ) {
    unsafe decoder.maps.add(pair.matrices.a, x: input(x, pair, scratch), count: batch.rowCount, y: u)
    decoder.maps.run()
    unsafe tk_scale(u, pair.scale, batch.rowCount * pair.rank)
  }

  /// y += B · u.
  @unsafe func outer(
    _ u: UnsafePointer<Float>, _ pair: TrainedPair, into y: UnsafeMutablePointer<Float>
  ) {
    unsafe decoder.maps.add(pair.matrices.b, x: u, count: batch.rowCount, y: y, accumulates: true)
    decoder.maps.run()
  }

  /// du = scale · dY · B, the gradient with respect to u, `[rows, rank]`.
  @unsafe func innerBackward(
    _ dY: UnsafePointer<Float>, _ pair: TrainedPair, into du: UnsafeMutablePointer<Float>
  ) {
    let b = unsafe parameters.values.pointer + pair.b
    pool.run(count: batch.rowCount, inPiecesOf: 48) { rows in
      unsafe Product.plain(
        rows.count, pair.rank, pair.output, dY + rows.lowerBound * pair.output, pair.output, b, pair.rank,
        du + rows.lowerBound * pair.rank, pair.rank, scale: pair.scale)
    }
  }

  /// Adds dYᵀ · u to the gradient of B and duᵀ · dropout(x) to that of A.
  @unsafe func addGradients(
    _ dY: UnsafePointer<Float>, _ pair: TrainedPair, input x: UnsafePointer<Float>,
    inner u: UnsafePointer<Float>, du: UnsafePointer<Float>, to gradient: FloatMemory, scratch: FloatBuffer
  ) {
    let n = batch.rowCount
    let (rank, width, out) = (pair.rank, pair.input, pair.output)
    let dA = unsafe gradient.pointer + pair.a
    let dB = unsafe gradient.pointer + pair.b
    // Narrow maps are cut too, so that all threads have work.
    let parts = 2 * pool.count
    pool.run(count: out, inPiecesOf: min(240, max(24, (out + parts - 1) / parts + 11) / 12 * 12)) { columns in
      unsafe Product.firstTransposed(
        columns.count, rank, n, dY + columns.lowerBound, out, u, rank, dB + columns.lowerBound * rank, rank,
        add: true)
    }
    let source = unsafe input(x, pair, scratch)
    pool.run(count: width, inPiecesOf: min(256, max(32, (width + parts - 1) / parts + 31) / 32 * 32)) {
      columns in
      unsafe Product.firstTransposed(
        rank, columns.count, n, du, rank, source + columns.lowerBound, width, dA + columns.lowerBound, width,
        add: true)
    }
  }
}
