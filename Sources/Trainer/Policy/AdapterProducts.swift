import CKernels
import TinaRuntime

/// A module's place in a pass: its pair and the memory of its inner vectors u = scale · A · x, `[rows, rank]`.
struct AdapterProducts {
  let pool: WorkPool
  let parameters: LoRAParameters
  let batch: GroupBatch
  let dropout: Dropout

  private func module(_ pair: TrainedPair) -> Int { pair.layer * 7 + pair.projection.rawValue }

  /// The adapter's input with some elements dropped, `[rows, in]`.
  @unsafe func dropped(
    _ x: UnsafePointer<Float>, _ pair: TrainedPair, into y: UnsafeMutablePointer<Float>, add: Bool = false
  ) {
    let width = pair.input
    pool.run(count: batch.rowCount, inPiecesOf: 16) { rows in
      for row in rows {
        unsafe dropout.apply(
          x + row * width, width, module: module(pair), sequence: batch.sequences[row],
          position: batch.positions[row], into: y + row * width, add: add)
      }
    }
  }

  /// u = scale · A · dropout(x), as the sampler computes it.
  @unsafe func inner(
    _ x: UnsafePointer<Float>, _ pair: TrainedPair, into u: UnsafeMutablePointer<Float>, scratch: Scratch
  ) {
    let n = batch.rowCount
    var input = unsafe x
    if dropout.isActive {
      let y = unsafe scratch.reserve(n * pair.input)
      unsafe dropped(x, pair, into: y)
      unsafe input = UnsafePointer(y)
    }
    let map = unsafe tk_linear_args(
      weights: parameters.values.pointer + pair.a, type: TK_F32, rows: pair.rank, columns: pair.input,
      bias: nil,
      x: input, x_stride: pair.input, n: n, y: u, y_stride: pair.rank, add: false, terms: nil, term_count: 0,
      activations: TK_ACTIVATIONS_F32)
    unsafe withUnsafePointer(to: map) { unsafe tk_linear(pool.threads, $0, 1) }
    unsafe tk_scale(u, pair.scale, n * pair.rank)
  }

  /// The pair as a term of its map's sum, which is how the sampler computes it; u is left in `u`.
  @unsafe func term(_ pair: TrainedPair, u: UnsafeMutablePointer<Float>) -> tk_low_rank {
    unsafe tk_low_rank(
      a: parameters.values.pointer + pair.a, b: parameters.values.pointer + pair.b, a_type: TK_F32,
      b_type: TK_F32, rank: pair.rank, scale: pair.scale, first: 0, count: batch.rowCount, u: u)
  }

  /// y += B · u.
  @unsafe func outer(
    _ u: UnsafePointer<Float>, _ pair: TrainedPair, into y: UnsafeMutablePointer<Float>
  ) {
    let map = unsafe tk_linear_args(
      weights: parameters.values.pointer + pair.b, type: TK_F32, rows: pair.output, columns: pair.rank,
      bias: nil,
      x: u, x_stride: pair.rank, n: batch.rowCount, y: y, y_stride: pair.output, add: true, terms: nil,
      term_count: 0,
      activations: TK_ACTIVATIONS_F32)
    unsafe withUnsafePointer(to: map) { unsafe tk_linear(pool.threads, $0, 1) }
  }

  /// du = scale · dY · B, what goes back to the inner vectors, `[rows, rank]`.
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
    inner u: UnsafePointer<Float>, du: UnsafePointer<Float>, to gradient: FloatMemory, scratch: Scratch
  ) {
    let n = batch.rowCount
    let (rank, width, out) = (pair.rank, pair.input, pair.output)
    let dA = unsafe gradient.pointer + pair.a
    let dB = unsafe gradient.pointer + pair.b
    // Narrow maps are cut too, so that all threads have something to do.
    let parts = 2 * pool.count
    pool.run(count: out, inPiecesOf: min(240, max(24, (out + parts - 1) / parts + 11) / 12 * 12)) { columns in
      unsafe Product.firstTransposed(
        columns.count, rank, n, dY + columns.lowerBound, out, u, rank, dB + columns.lowerBound * rank, rank,
        add: true)
    }
    var source = unsafe x
    if dropout.isActive {
      let y = unsafe scratch.reserve(n * width)
      unsafe dropped(x, pair, into: y)
      unsafe source = UnsafePointer(y)
    }
    pool.run(count: width, inPiecesOf: min(256, max(32, (width + parts - 1) / parts + 31) / 32 * 32)) {
      columns in
      unsafe Product.firstTransposed(
        rank, columns.count, n, du, rank, source + columns.lowerBound, width, dA + columns.lowerBound, width,
        add: true)
    }
  }

  /// The arguments for dX (+)= du · A, what goes back to the adapter's input.
  @unsafe func product(
    _ du: UnsafePointer<Float>, _ pair: TrainedPair, into dX: UnsafeMutablePointer<Float>, add: Bool
  ) -> tk_product_args {
    unsafe tk_product_args(
      m: batch.rowCount, n: pair.input, k: pair.rank, scale: 1, a: du, a_row: pair.rank, a_column: 1,
      b: parameters.values.pointer + pair.a, type: TK_F32, b_row: pair.input, b_column: 1, first_row: 0,
      first_column: 0, c: dX, c_row: pair.input, add: add)
  }
}
