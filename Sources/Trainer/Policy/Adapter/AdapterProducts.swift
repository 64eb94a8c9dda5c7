import CKernels
import TinaRuntime

/// Products of a batch with an adapter's pairs, other than the terms of the base's maps.
struct AdapterProducts {
  let decoder: Decoder
  let parameters: LoRAParameters
  let batch: GroupBatch
  let dropout: Dropout

  var pool: WorkPool { decoder.pool }

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
  @unsafe func input(
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
}
