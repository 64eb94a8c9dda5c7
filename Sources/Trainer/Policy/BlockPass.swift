import CKernels
import ModelFiles
import TinaRuntime

/// The Qwen2 blocks over the rows of one batch, forward with the sampler's kernels in the sampler's order.
@safe final class BlockPass {
  let model: Model
  let config: Qwen2Config
  let batch: GroupBatch
  let pool: WorkPool
  /// Nil for the base alone.
  let adapter: AdapterProducts?
  let pages: KeyValuePages
  let cacheType: CacheType
  private let rotary: TrainingRotary
  let workspace: Workspace

  /// Memory that passes share: it is as large as the largest of them needed.
  @safe final class Workspace {
    let dropped = Scratch()
    let lowRank = [Scratch(), Scratch(), Scratch()]
    let negativeSine = Scratch()
    let a = Scratch()
    let b = Scratch()
    let c = Scratch()
    let d = Scratch()
    let keyParts = Scratch()
    let valueParts = Scratch()
    let scores = SharedScratch()
    let clock = PassClock()
  }

  init(
    _ model: Model, _ batch: GroupBatch, adapter: LoRAParameters?, dropout: Dropout, pool: WorkPool,
    cacheType: CacheType, rotary: TrainingRotary, workspace: Workspace
  ) {
    self.model = model
    config = model.config
    self.batch = batch
    self.pool = pool
    self.adapter = adapter.map { AdapterProducts(pool: pool, parameters: $0, batch: batch, dropout: dropout) }
    self.cacheType = cacheType
    self.rotary = rotary
    self.workspace = workspace
    pages = KeyValuePages(
      batch, width: model.config.keyValueHeadCount * model.config.headDim, type: cacheType.trainingKernelType)
  }

  var queryWidth: Int { config.headCount * config.headDim }
  var keyWidth: Int { config.keyValueHeadCount * config.headDim }

  /// Fills `record` from the block's input, which it must hold already, and writes the block's output unless
  /// that is nil because only the record is wanted again.
  @unsafe func forward(_ index: Int, _ record: LayerRecord, output: UnsafeMutablePointer<Float>?) {
    let layer = model.frozenLayer(index)
    let n = batch.rowCount
    let hidden = config.hiddenSize
    let x = unsafe record.input.reserve(n * hidden)
    let h = unsafe record.normed.reserve(n * hidden)
    unsafe tk_rmsnorm(pool.threads, x, n, hidden, layer.inputNorm, config.rmsNormEps, h)
    let q = unsafe record.queries.reserve(n * queryWidth)
    let k = unsafe record.keys.reserve(n * keyWidth)
    let v = unsafe record.values.reserve(n * keyWidth)
    unsafe project([(.q, q), (.k, k), (.v, v)], index, record, input: h, add: false)
    unsafe rotate(q, heads: config.headCount, inverse: false)
    unsafe rotate(k, heads: config.keyValueHeadCount, inverse: false)
    unsafe pages.store(keys: k, values: v)
    let a = unsafe record.attended.reserve(n * queryWidth)
    unsafe attend(index, q, a)

    let m = unsafe record.middle.reserve(n * hidden)
    unsafe m.update(from: x, count: n * hidden)
    unsafe project([(.o, m)], index, record, input: a, add: true)
    let h2 = unsafe record.middleNormed.reserve(n * hidden)
    unsafe tk_rmsnorm(pool.threads, m, n, hidden, layer.postAttentionNorm, config.rmsNormEps, h2)
    let inner = n * config.intermediateSize
    let g = unsafe record.gate.reserve(inner)
    let u = unsafe record.up.reserve(inner)
    unsafe project([(.gate, g), (.up, u)], index, record, input: h2, add: false)
    let p = unsafe record.product.reserve(inner)
    unsafe p.update(from: g, count: inner)
    unsafe tk_swiglu(pool.threads, p, u, n, config.intermediateSize)
    if let output = unsafe output {
      unsafe output.update(from: m, count: n * hidden)
      unsafe project([(.down, output)], index, record, input: p, add: true)
    } else if let adapter, let pair = adapter.parameters.places[index][TrainableProjection.down.rawValue] {
      unsafe adapter.inner(
        p, pair, into: record.inner[pair.projection.rawValue].reserve(n * pair.rank),
        scratch: workspace.dropped)
    }
  }

  /// output (+)= W · input + bias, with the adapter's B · (scale · (A · input)) as a term of the same sum.
  ///
  /// With dropout the adapter's input is another than the map's, and its part is added afterwards.
  @unsafe private func project(
    _ targets: [(TrainableProjection, UnsafeMutablePointer<Float>)], _ index: Int, _ record: LayerRecord,
    input: UnsafePointer<Float>, add: Bool
  ) {
    workspace.clock.measure(.maps) {
      unsafe projectNow(targets, index, record, input: input, add: add)
      return unsafe operations(targets.map { unsafe $0.0 }, index)
    }
  }

  /// What the maps and their adapters cost.
  private func operations(_ projections: [TrainableProjection], _ index: Int) -> Int {
    projections.reduce(0) { sum, projection in
      let (out, input) = projection.shape(config)
      let rank = adapter?.parameters.places[index][projection.rawValue]?.rank ?? 0
      return sum + 2 * batch.rowCount * (out * input + rank * (out + input))
    }
  }

  @unsafe private func projectNow(
    _ targets: [(TrainableProjection, UnsafeMutablePointer<Float>)], _ index: Int, _ record: LayerRecord,
    input: UnsafePointer<Float>, add: Bool
  ) {
    let layer = model.frozenLayer(index)
    var terms: [tk_low_rank] = unsafe []
    var starts = [0]
    for i in unsafe targets.indices {
      let projection = unsafe targets[i].0
      if let adapter, !adapter.dropout.isActive,
        let pair = adapter.parameters.places[index][projection.rawValue]
      {
        let u = unsafe record.inner[projection.rawValue].reserve(batch.rowCount * pair.rank)
        unsafe terms.append(adapter.term(pair, u: u))
      }
      unsafe starts.append(terms.count)
    }
    unsafe terms.withUnsafeBufferPointer { terms in
      var maps: [tk_linear_args] = unsafe []
      for i in unsafe targets.indices {
        let (projection, output) = unsafe targets[i]
        unsafe maps.append(
          layer[projection].map(
            x: input, n: batch.rowCount, y: output, bias: layer.bias(projection), add: add,
            terms: terms.baseAddress.map { unsafe $0 + starts[i] }, termCount: starts[i + 1] - starts[i]))
      }
      unsafe tk_linear(pool.threads, maps, maps.count)
    }
    guard let adapter, adapter.dropout.isActive else { return }
    for i in unsafe targets.indices {
      let (projection, output) = unsafe targets[i]
      guard let pair = adapter.parameters.places[index][projection.rawValue] else { continue }
      let u = unsafe record.inner[projection.rawValue].reserve(batch.rowCount * pair.rank)
      unsafe adapter.inner(input, pair, into: u, scratch: workspace.dropped)
      unsafe adapter.outer(u, pair, into: output)
    }
  }

  /// Rotary embedding in place, or its inverse, which is its transpose.
  @unsafe func rotate(_ x: UnsafeMutablePointer<Float>, heads: Int, inverse: Bool) {
    let (cosine, positiveSine, positions) = unsafe rotary.tables(positions: batch.maxKeys)
    var sine = unsafe positiveSine
    if inverse {
      let count = positions * config.headDim / 2
      let negative = unsafe workspace.negativeSine.reserve(count)
      for i in 0..<count { unsafe negative[i] = -positiveSine[i] }
      unsafe sine = UnsafePointer(negative)
    }
    let width = heads * config.headDim
    unsafe batch.positions.withUnsafeBufferPointer { buffer in
      guard let places = buffer.baseAddress else { return }
      pool.run(count: batch.rowCount, inPiecesOf: 64) { rows in
        unsafe tk_rope(
          x + rows.lowerBound * width, rows.count, width, heads, config.headDim, cosine, sine,
          places + rows.lowerBound)
      }
    }
  }

  @unsafe private func attend(_ index: Int, _ q: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>)
  {
    let window = config.window(layer: index)
    var rows: [tk_attention_row] = unsafe []
    unsafe rows.reserveCapacity(batch.rowCount)
    for (segment, range) in batch.segments.enumerated() {
      let pages = unsafe pages.table(segment)
      for row in range {
        let visible = Int(batch.positions[row]) + 1
        unsafe rows.append(
          tk_attention_row(
            query: q + row * queryWidth, output: output + row * queryWidth, pages: pages, keys: visible,
            first: window.map { max(0, visible - $0) } ?? 0))
      }
    }
    var shape = tk_attention_shape(
      heads: config.headCount, kv_heads: config.keyValueHeadCount, head_dim: config.headDim,
      page_tokens: KeyValuePages.pageTokens, key_offset: 0, value_offset: pages.valueOffset,
      type: cacheType.trainingKernelType, scale: 1 / Float(config.headDim).squareRoot())
    workspace.clock.measure(.attention) {
      unsafe tk_attention(pool.threads, &shape, rows, unsafe rows.count, batch.maxKeys)
      return 4 * batch.attendedPairs * queryWidth
    }
  }
}
