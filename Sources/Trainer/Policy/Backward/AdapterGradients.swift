import CKernels
import TinaRuntime

extension AdapterProducts {
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
