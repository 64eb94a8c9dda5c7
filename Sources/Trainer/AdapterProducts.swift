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
      exact: true)
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
      exact: true)
    unsafe withUnsafePointer(to: map) { unsafe tk_linear(pool.threads, $0, 1) }
  }

  /// Adds to the gradients of A and B, and to dX (unless nil), what dY `[rows, out]` sends back.
  @unsafe func backward(
    _ dY: UnsafePointer<Float>, _ pair: TrainedPair, input x: UnsafePointer<Float>,
    inner u: UnsafePointer<Float>,
    gradient: FloatMemory, into dX: UnsafeMutablePointer<Float>?, scratch: (Scratch, Scratch)
  ) {
    let n = batch.rowCount
    let (rank, width, out) = (pair.rank, pair.input, pair.output)
    let a = unsafe parameters.values.pointer + pair.a
    let b = unsafe parameters.values.pointer + pair.b
    let dA = unsafe gradient.pointer + pair.a
    let dB = unsafe gradient.pointer + pair.b
    let du = unsafe scratch.0.reserve(n * rank)
    pool.run(count: n, inPiecesOf: 128) { rows in
      unsafe Product.plain(
        rows.count, rank, out, dY + rows.lowerBound * out, out, b, rank, du + rows.lowerBound * rank, rank,
        scale: pair.scale)
    }
    pool.run(count: out, inPiecesOf: 256) { columns in
      unsafe Product.firstTransposed(
        columns.count, rank, n, dY + columns.lowerBound, out, u, rank, dB + columns.lowerBound * rank, rank,
        add: true)
    }
    var source = unsafe x
    let wide = dropout.isActive ? unsafe scratch.1.reserve(n * width) : nil
    if let wide = unsafe wide {
      unsafe dropped(x, pair, into: wide)
      unsafe source = UnsafePointer(wide)
    }
    pool.run(count: width, inPiecesOf: 256) { columns in
      unsafe Product.firstTransposed(
        rank, columns.count, n, du, rank, source + columns.lowerBound, width, dA + columns.lowerBound, width,
        add: true)
    }
    guard let dX = unsafe dX else { return }
    let target = unsafe wide ?? dX
    let adds = unsafe wide == nil
    pool.run(count: n, inPiecesOf: 128) { rows in
      unsafe Product.plain(
        rows.count, width, rank, du + rows.lowerBound * rank, rank, a, width,
        target + rows.lowerBound * width,
        width, add: adds)
    }
    if let wide = unsafe wide { unsafe dropped(wide, pair, into: dX, add: true) }
  }
}
