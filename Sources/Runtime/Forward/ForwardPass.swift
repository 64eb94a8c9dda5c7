import CKernels
import ModelFiles

/// New tokens of one sequence in a step. Their positions follow what the cache holds.
struct Segment {
  let tokens: [Int]
  let cache: SequenceCache
  let adapter: AttachedAdapter?
  /// Which of `tokens` want logits.
  let logits: Range<Int>
}

/// The Qwen2 forward pass over a batch of rows from any number of sequences and adapters.
///
/// Every row's result depends on the weights, its adapter and the tokens before it alone, bit for bit: the
/// kernels sum in one order, and nothing here mixes rows.
@safe final class ForwardPass {
  let config: Qwen2Config
  private let weights: Qwen2Weights
  let pool: OpaquePointer
  private let rotary: RotaryTable
  private var maps: [tk_linear_args] = unsafe []

  // Activations, [rows, width] each.
  private let hidden = FloatBuffer()
  private let normed = FloatBuffer()
  private let queries = FloatBuffer()
  private let keys = FloatBuffer()
  private let values = FloatBuffer()
  private let attended = FloatBuffer()
  private let gate = FloatBuffer()
  private let up = FloatBuffer()
  private let lowRank = FloatBuffer()
  private let lowRankTerms = unsafe Scratch<tk_low_rank>()
  private let lastHidden = FloatBuffer()
  private let logits = FloatBuffer()

  /// - Throws: `RuntimeError.threadsUnavailable`.
  init(config: Qwen2Config, weights: Qwen2Weights, threads: Int) throws(RuntimeError) {
    guard let pool = unsafe tk_pool_create(threads) else { throw .threadsUnavailable(count: threads) }
    self.config = config
    self.weights = weights
    unsafe self.pool = pool
    rotary = RotaryTable(config)
  }

  deinit { unsafe tk_pool_destroy(pool) }

  /// Computes all rows of `segments`, appends their keys and values to the caches, and hands the logits
  /// `[wanted rows, vocabulary]`, in the order of the segments, to `body`. `entering` is told each layer before its
  /// weights are touched, and the number of layers before the head's.
  func run<T>(
    _ segments: [Segment], entering: (Int) -> Void = { _ in }, _ body: (UnsafePointer<Float>, Int) -> T
  ) -> T {
    let batch = Batch(segments)
    let n = batch.rowCount
    let x = unsafe hidden.reserve(n * config.hiddenSize)
    unsafe embed(batch, into: x)
    for segment in segments { segment.cache.reserve(tokens: segment.cache.count + segment.tokens.count) }
    for layer in 0..<config.layerCount {
      entering(layer)
      unsafe block(layer, batch, x)
    }
    for segment in segments { segment.cache.advance(by: segment.tokens.count) }
    entering(config.layerCount)
    return unsafe head(batch, x, body)
  }

  /// Whether two segments of one row each differ in their logits. It stops as soon as the rows are further apart
  /// than `share` of their length, which no rounding further on makes good; when they never are, the logits
  /// themselves are compared.
  func differ(_ segments: [Segment], share: Float = 0x1p-12) -> Bool {
    let batch = Batch(segments)
    let width = config.hiddenSize
    let x = unsafe hidden.reserve(batch.rowCount * width)
    unsafe embed(batch, into: x)
    for segment in segments { segment.cache.reserve(tokens: segment.cache.count + segment.tokens.count) }
    for layer in 0..<config.layerCount {
      unsafe block(layer, batch, x)
      var (apart, length): (Float, Float) = (0, 0)
      for i in 0..<width {
        let (a, b) = unsafe (x[i], x[width + i])
        apart += (a - b) * (a - b)
        length += a * a
      }
      if apart > share * share * length { return true }
    }
    for segment in segments { segment.cache.advance(by: segment.tokens.count) }
    return unsafe head(batch, x) { logits, _ in
      let count = config.vocabSize
      for i in 0..<count where unsafe logits[i].bitPattern != logits[count + i].bitPattern { return true }
      return false
    }
  }

  private func embed(_ batch: Batch, into x: UnsafeMutablePointer<Float>) {
    let table = weights.embedding
    let width = config.hiddenSize
    for (row, token) in batch.tokens.enumerated() {
      unsafe table.widen(rows: token..<token + 1, into: x + row * width)
    }
  }

  /// One transformer block: x += attention(norm(x)); x += mlp(norm(x)).
  private func block(_ index: Int, _ batch: Batch, _ x: UnsafeMutablePointer<Float>) {
    let layer = weights.layers[index]
    let n = batch.rowCount
    let hiddenSize = config.hiddenSize
    let h = unsafe normed.reserve(n * hiddenSize)
    unsafe tk_rmsnorm(pool, x, n, hiddenSize, layer.inputNorm.pointer, config.rmsNormEps, h)

    let queryWidth = config.headCount * config.headDim
    let keyWidth = config.keyValueHeadCount * config.headDim
    let q = unsafe queries.reserve(n * queryWidth)
    let k = unsafe keys.reserve(n * keyWidth)
    let v = unsafe values.reserve(n * keyWidth)
    unsafe project([(.q, q), (.k, k), (.v, v)], index, batch, input: h, add: false)
    unsafe attend(index, batch, q, k, v)
    let a = unsafe attended.reserve(n * queryWidth)
    unsafe project([(.o, x)], index, batch, input: a, add: true)

    unsafe tk_rmsnorm(pool, x, n, hiddenSize, layer.postAttentionNorm.pointer, config.rmsNormEps, h)
    let g = unsafe gate.reserve(n * config.intermediateSize)
    let u = unsafe up.reserve(n * config.intermediateSize)
    unsafe project([(.gate, g), (.up, u)], index, batch, input: h, add: false)
    unsafe tk_swiglu(pool, g, u, n, config.intermediateSize)
    unsafe project([(.down, x)], index, batch, input: g, add: true)
  }

  /// output (+)= W · input + bias, the adapter's scale · B · (A · input) being part of the sum for the rows that
  /// have one. All in one parallel region.
  private func project(
    _ targets: [(Projection, UnsafeMutablePointer<Float>)], _ index: Int, _ batch: Batch,
    input: UnsafePointer<Float>, add: Bool
  ) {
    let layer = weights.layers[index]
    let terms = unsafe lowRankTerms.reserve(targets.count * batch.adapted.count)
    let scratch = unsafe lowRank.reserve(lowRankSize(targets.map(\.0), index, batch))
    var used = (terms: 0, floats: 0)
    unsafe maps.removeAll(keepingCapacity: true)
    for i in unsafe targets.indices {
      let (projection, output) = unsafe targets[i]
      let matrix = layer[projection]
      let first = used.terms
      for (adapter, rows) in batch.adapted {
        guard let pair = adapter.pairs[index][projection.rawValue] else { continue }
        unsafe (terms + used.terms).initialize(
          to: tk_low_rank(
            a: pair.a.baseAddress, b: pair.b.baseAddress, a_type: pair.a.type,
            b_type: pair.b.type, rank: pair.a.rows, scale: pair.scale, first: rows.lowerBound,
            count: rows.count, u: scratch + used.floats))
        used.terms += 1
        used.floats += rows.count * pair.a.rows
      }
      unsafe maps.append(
        matrix.map(
          x: input, xStride: matrix.columns, n: batch.rowCount, y: output, yStride: matrix.rows,
          bias: layer.biases[projection.rawValue].map { unsafe UnsafePointer($0.pointer) }, add: add,
          terms: terms + first, termCount: used.terms - first))
    }
    unsafe tk_linear(pool, maps, maps.count)
  }

  /// Floats that A · input takes for all adapted rows of these projections.
  private func lowRankSize(_ projections: [Projection], _ index: Int, _ batch: Batch) -> Int {
    projections.reduce(0) { sum, projection in
      batch.adapted.reduce(sum) {
        $0 + $1.rows.count * ($1.adapter.pairs[index][projection.rawValue]?.a.rows ?? 0)
      }
    }
  }

  /// Rotates queries and keys, stores keys and values, and attends; the result is in `attended`.
  private func attend(
    _ index: Int, _ batch: Batch, _ q: UnsafeMutablePointer<Float>, _ k: UnsafeMutablePointer<Float>,
    _ v: UnsafeMutablePointer<Float>
  ) {
    let n = batch.rowCount
    let queryWidth = config.headCount * config.headDim
    let keyWidth = config.keyValueHeadCount * config.headDim
    let (cosine, sine) = unsafe rotary.tables(positions: batch.maxKeys)
    unsafe tk_rope(q, n, queryWidth, config.headCount, config.headDim, cosine, sine, batch.positions)
    unsafe tk_rope(k, n, keyWidth, config.keyValueHeadCount, config.headDim, cosine, sine, batch.positions)

    let output = unsafe attended.reserve(n * queryWidth)
    var rows: [tk_attention_row] = unsafe []
    unsafe rows.reserveCapacity(n)
    let window = config.window(layer: index)
    for (segment, first) in zip(batch.segments, batch.firstRows) {
      let start = segment.cache.count
      unsafe segment.cache.store(
        layer: index, start: start, tokens: segment.tokens.count, keys: k + first * keyWidth,
        values: v + first * keyWidth)
      let pages = unsafe segment.cache.pageTable
      for offset in 0..<segment.tokens.count {
        let visible = start + offset + 1
        let row = first + offset
        unsafe rows.append(
          tk_attention_row(
            query: q + row * queryWidth, output: output + row * queryWidth, pages: pages, keys: visible,
            first: window.map { max(0, visible - $0) } ?? 0))
      }
    }
    let layout = batch.segments[0].cache.layout
    var shape = tk_attention_shape(
      heads: config.headCount, kv_heads: config.keyValueHeadCount, head_dim: config.headDim,
      page_tokens: CacheLayout.pageTokens, key_offset: layout.keyOffset(layer: index),
      value_offset: layout.valueOffset(layer: index), type: layout.type.kernelType,
      scale: 1 / Float(config.headDim).squareRoot())
    unsafe tk_attention(pool, &shape, rows, n, batch.maxKeys)
  }

  /// The final norm and the vocabulary projection, for the rows that want logits.
  private func head<T>(
    _ batch: Batch, _ x: UnsafePointer<Float>, _ body: (UnsafePointer<Float>, Int) -> T
  ) -> T {
    let wanted = batch.logitRows
    let width = config.hiddenSize
    let output = unsafe logits.reserve(wanted.count * config.vocabSize)
    if !wanted.isEmpty {
      let rows = unsafe lastHidden.reserve(2 * wanted.count * width)
      let normedRows = unsafe rows + wanted.count * width
      for (i, row) in wanted.enumerated() {
        unsafe (rows + i * width).update(from: x + row * width, count: width)
      }
      unsafe tk_rmsnorm(
        pool, rows, wanted.count, width, weights.finalNorm.pointer, config.rmsNormEps, normedRows)
      let map = unsafe weights.head.map(
        x: normedRows, xStride: width, n: wanted.count, y: output, yStride: config.vocabSize)
      unsafe withUnsafePointer(to: map) { unsafe tk_linear(pool, $0, 1) }
    }
    return unsafe body(output, wanted.count)
  }
}

/// The rows of a step, flattened.
private struct Batch {
  let segments: [Segment]
  var tokens: [Int] = []
  var positions: [UInt32] = []
  var firstRows: [Int] = []
  var logitRows: [Int] = []
  /// Runs of neighbouring rows that share an adapter.
  var adapted: [(adapter: AttachedAdapter, rows: Range<Int>)] = []
  var maxKeys = 0

  var rowCount: Int { tokens.count }

  init(_ segments: [Segment]) {
    self.segments = segments
    for segment in segments {
      let first = tokens.count
      firstRows.append(first)
      tokens += segment.tokens
      positions += segment.tokens.indices.map { UInt32(segment.cache.count + $0) }
      logitRows += segment.logits.map { first + $0 }
      maxKeys = max(maxKeys, segment.cache.count + segment.tokens.count)
      guard let adapter = segment.adapter else { continue }
      if let last = adapted.last, last.adapter === adapter, last.rows.upperBound == first {
        adapted[adapted.count - 1].rows = last.rows.lowerBound..<tokens.count
      } else {
        adapted.append((adapter, first..<tokens.count))
      }
    }
  }
}
