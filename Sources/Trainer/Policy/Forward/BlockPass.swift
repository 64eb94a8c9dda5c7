import CKernels
import ModelFiles
import TinaRuntime

/// The blocks over the rows of one batch. The forward pass is the sampler's, and keeps records for the backward pass.
struct BlockPass {
  let decoder: Decoder
  let batch: GroupBatch
  /// Nil for the base alone.
  let adapter: AdapterProducts?
  let workspace: Workspace

  var config: Architecture { decoder.config }
  var pool: WorkPool { decoder.pool }
  var queryWidth: Int { config.queryWidth }
  var keyWidth: Int { config.keyWidth }

  /// Memory that passes share.
  final class Workspace {
    /// Pages for the keys and values of one layer at a time.
    let pages: PagePool
    let dropped = FloatBuffer()
    let lowRank = [FloatBuffer(), FloatBuffer(), FloatBuffer()]
    // Gradients with respect to a block's arrays; those that are not alive together share memory.
    let product = FloatBuffer()
    var attended: FloatBuffer { product }
    let up = FloatBuffer()
    var queries: FloatBuffer { up }
    let normed = FloatBuffer()
    let added = FloatBuffer()
    let keysAndValues = FloatBuffer()
    let keyParts = FloatBuffer()
    let valueParts = FloatBuffer()
    let pieces = FloatBufferPool()
    let clock = PassClock()

    init(_ layout: CacheLayout) { pages = PagePool(layout) }
  }

  /// Fills `record`, which holds the block's input already, and writes the block's output. When a record is computed
  /// again, `output` is nil.
  @unsafe func forward(_ index: Int, _ record: LayerRecord, output: UnsafeMutablePointer<Float>?) {
    unsafe decoder.block(index, RecordedRows(pass: self, record: record), record.arrays, output: output)
    // With a norm on the MLP's output, the block computes that projection anyway.
    if unsafe output == nil, config.norms[.feedForwardOutput] == nil, let adapter,
      let pair = adapter.parameters.places[index][Projection.down.rawValue]
    {
      unsafe adapter.inner(
        record.arrays.product.start, pair,
        into: record.inner[Projection.down.rawValue].reserve(batch.rowCount * pair.rank),
        scratch: workspace.dropped)
    }
  }
}

/// A batch's rows in one block, whose arrays go into a record.
struct RecordedRows: BlockRows {
  let pass: BlockPass
  let record: LayerRecord

  private var batch: GroupBatch { pass.batch }
  var positions: [UInt32] { batch.positions }
  var maxKeys: Int { batch.maxKeys }

  /// Under dropout the adapter's input differs from the map's, so its part is added afterwards.
  @unsafe func project(
    _ targets: [(Projection, UnsafeMutablePointer<Float>)], layer: Int, input: UnsafePointer<Float>,
    accumulates: Bool, _ decoder: Decoder
  ) {
    pass.workspace.clock.measure(.maps) {
      var operations = 0
      var dropped: [(TrainedPair, UnsafeMutablePointer<Float>)] = unsafe []
      for i in unsafe targets.indices {
        let (projection, output) = unsafe targets[i]
        unsafe decoder.addMap(
          projection, layer: layer, x: input, count: batch.rowCount, y: output, accumulates: accumulates)
        let (out, width) = projection.shape(decoder.config)
        operations += 2 * batch.rowCount * out * width
        guard let adapter = pass.adapter, let pair = adapter.parameters.places[layer][projection.rawValue]
        else { continue }
        operations += 2 * batch.rowCount * pair.rank * (out + width)
        if adapter.dropout.isActive {
          unsafe dropped.append((pair, output))
        } else {
          unsafe decoder.maps.addTerm(pair.matrices, rows: 0..<batch.rowCount, inner: inner(pair))
        }
      }
      decoder.maps.run()
      for i in unsafe dropped.indices {
        let (pair, output) = unsafe dropped[i]
        let u = unsafe inner(pair)
        unsafe pass.adapter?.inner(input, pair, into: u, scratch: pass.workspace.dropped)
        unsafe pass.adapter?.outer(u, pair, into: output)
      }
      return operations
    }
  }

  @unsafe private func inner(_ pair: TrainedPair) -> UnsafeMutablePointer<Float> {
    unsafe record.inner[pair.projection.rawValue].reserve(batch.rowCount * pair.rank)
  }

  /// Completions share the prompt's full pages and own a copy of its last, partial one.
  @unsafe func attend(layer: Int, _ arrays: BlockArrays, _ decoder: Decoder) {
    // The backward pass needs the keys and values as attention sees them.
    unsafe round(arrays.keys.start)
    unsafe round(arrays.values.start)
    let pages = pass.workspace.pages
    let prompt = SequenceCache(pages)
    var caches = [prompt]
    for (segment, rows) in batch.segments.enumerated() {
      if segment > 0 {
        guard let cache = prompt.fork(tokens: batch.promptCount) else {
          preconditionFailure("the pages have no limit")
        }
        caches.append(cache)
      }
      caches[segment].reserve(tokens: caches[segment].count + rows.count)
      unsafe decoder.attention.add(rows, to: caches[segment], layer: layer, arrays)
      if segment == 0 { prompt.advance(by: rows.count) }
    }
    pass.workspace.clock.measure(.attention) {
      decoder.attention.run(layer: layer, layout: pages.layout)
      return 4 * batch.attendedPairs * pass.queryWidth
    }
    withExtendedLifetime(caches) {}
  }

  /// Rounds keys or values to the cache's type in place.
  @unsafe private func round(_ x: UnsafeMutablePointer<Float>) {
    let type = pass.workspace.pages.layout.type.kernelType
    pass.pool.run(count: batch.rowCount * pass.keyWidth, inPiecesOf: 4096) { piece in
      unsafe pass.workspace.pieces.use(piece.count) { rounded in
        unsafe tk_from_f32(x + piece.lowerBound, rounded, type, piece.count)
        unsafe tk_to_f32(rounded, type, x + piece.lowerBound, piece.count)
      }
    }
  }
}
