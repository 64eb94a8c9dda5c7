import CKernels
package import ModelFiles

/// The rows of a pass, as blocks meet them: which low-rank terms join a map's sum, and who keeps keys and values.
package protocol BlockRows {
  /// Each row's position in its sequence.
  var positions: [UInt32] { get }
  /// More than the largest position.
  var maxKeys: Int { get }

  /// Runs maps of one input with their low-rank terms, through `decoder.maps`.
  @unsafe func project(
    _ targets: [(Projection, UnsafeMutablePointer<Float>)], layer: Int, input: UnsafePointer<Float>,
    accumulates: Bool, _ decoder: Decoder)

  /// All rows in runs, each with the weights that replace the base's; empty where nothing is replaced.
  var weightRuns: [(rows: Range<Int>, weights: ModelWeights?)] { get }

  /// Stores rotated keys and values and attends, through `decoder.attention`.
  @unsafe func attend(layer: Int, _ arrays: BlockArrays, _ decoder: Decoder)
}

extension BlockRows {
  package var weightRuns: [(rows: Range<Int>, weights: ModelWeights?)] { [] }
}

/// Neighbouring rows and the adapter that changes what they meet, if one does.
struct AdapterRun {
  let adapter: AttachedAdapter?
  var rows: Range<Int>
}

/// The arrays of one block's forward pass, `[rows, width]` each.
package final class BlockArrays {
  package let input = FloatBuffer()  // x
  package let normed: FloatBuffer  // norm(x)
  package let rawQueries: FloatBuffer  // before a norm on each head, where there is one
  package let rawKeys: FloatBuffer
  package let queries = FloatBuffer()  // rotated
  package let keys = FloatBuffer()  // rotated
  package let values = FloatBuffer()
  package let attended = FloatBuffer()
  package let attentionOutput = FloatBuffer()  // before a norm on it, where there is one
  package let middle: FloatBuffer  // x + attention
  package let middleNormed: FloatBuffer
  package let gate: FloatBuffer
  package let up = FloatBuffer()
  package let product: FloatBuffer  // activation(gate) * up, made again by `Decoder.activate`
  package let feedForwardOutput = FloatBuffer()  // before a norm on it, where there is one

  /// - Parameters:
  ///   - keepsAll: whether every array outlives the forward pass, as a backward pass needs it. Otherwise arrays that
  ///     serve one after another share memory.
  ///   - sharedProduct: memory for the product that other blocks use too.
  package init(keepsAll: Bool, sharedProduct: FloatBuffer? = nil) {
    normed = FloatBuffer()
    middleNormed = keepsAll ? FloatBuffer() : normed
    middle = keepsAll ? FloatBuffer() : input
    rawQueries = keepsAll ? FloatBuffer() : queries
    rawKeys = keepsAll ? FloatBuffer() : keys
    gate = FloatBuffer()
    product = sharedProduct ?? (keepsAll ? FloatBuffer() : gate)
  }

  /// Floats of one row in all arrays that are kept, but for the input and a shared product.
  package static func rowCount(_ config: Architecture) -> Int {
    var count =
      3 * config.hiddenSize + 2 * config.queryWidth + 2 * config.keyWidth + 2 * config.intermediateSize
    if config.norms[.query] != nil { count += config.queryWidth }
    if config.norms[.key] != nil { count += config.keyWidth }
    for place in [NormPlace.attentionOutput, .feedForwardOutput] where config.norms[place] != nil {
      count += config.hiddenSize
    }
    return count
  }
}

/// The model's forward pass over rows, as both the sampler and the trainer compute it.
///
/// The order of every sum is decided here and in the kernels. Nothing here mixes rows: what a row becomes depends on
/// the weights, its adapter and the tokens before it alone, bit for bit.
package final class Decoder {
  package let config: Architecture
  package let weights: ModelWeights
  package let pool: WorkPool
  package let maps: LinearMaps
  package let attention: Attention
  /// One for each rotary embedding of the model.
  private let tables: [RotaryTable]
  /// Each layer's place in `tables`; nil where nothing is rotated.
  private let tableIndex: [Int?]
  private let normed = FloatBuffer()

  /// - Throws: `RuntimeError.threadsUnavailable`.
  package init(_ config: Architecture, _ weights: ModelWeights, threads: Int) throws(RuntimeError) {
    self.config = config
    self.weights = weights
    pool = try WorkPool(threads: threads)
    maps = LinearMaps(pool)
    attention = Attention(config, pool)
    let rotaries = config.rotaries
    tables = rotaries.map { RotaryTable($0, headDim: config.headDim) }
    tableIndex = config.attention.map { layer in layer.rotary.flatMap { rotaries.firstIndex(of: $0) } }
  }

  /// Writes the tokens' embeddings, `[tokens, hidden]`.
  @unsafe package func embed(_ tokens: [Int], into x: UnsafeMutablePointer<Float>) {
    unsafe embed(tokens, [AdapterRun(adapter: nil, rows: tokens.indices)], into: x)
  }

  @unsafe func embed(_ tokens: [Int], _ runs: [AdapterRun], into x: UnsafeMutablePointer<Float>) {
    let width = config.hiddenSize
    for run in runs {
      let binding = run.adapter?.binding
      let table = (binding?.weights ?? weights).embedding
      for row in run.rows {
        let token = tokens[row]
        unsafe table.widen(rows: token..<token + 1, into: x + row * width)
        unsafe binding?.table?.add(token: token, to: x + row * width, width: width)
      }
    }
    if config.embeddingScale != 1 {
      unsafe tk_scale(x, config.embeddingScale, tokens.count * config.hiddenSize)
    }
  }

  /// One block: m = x + attention(norm(x)), then m + mlp(norm(m)). Where a family has norms on what is added, they come
  /// before the sum.
  ///
  /// - Parameters:
  ///   - arrays: hold the block's input already.
  ///   - output: receives the block's output, and may be the input; nil when only the arrays are wanted.
  @unsafe package func block(
    _ index: Int, _ rows: some BlockRows, _ arrays: BlockArrays, output: UnsafeMutablePointer<Float>?
  ) {
    let layer = weights.layers[index]
    let n = rows.positions.count
    let (width, inner) = (n * config.hiddenSize, n * config.intermediateSize)
    let x = unsafe arrays.input.start
    let h = unsafe arrays.normed.reserve(width)
    unsafe norm(x, .input, index, rows, into: h)
    let (queryNorm, keyNorm) = (layer[.query], layer[.key])
    let q = unsafe arrays.queries.reserve(n * config.queryWidth)
    let k = unsafe arrays.keys.reserve(n * config.keyWidth)
    let v = unsafe arrays.values.reserve(n * config.keyWidth)
    let rawQ = queryNorm == nil ? unsafe q : unsafe arrays.rawQueries.reserve(n * config.queryWidth)
    let rawK = keyNorm == nil ? unsafe k : unsafe arrays.rawKeys.reserve(n * config.keyWidth)
    unsafe rows.project([(.q, rawQ), (.k, rawK), (.v, v)], layer: index, input: h, accumulates: false, self)
    unsafe norm(rawQ, .query, index, rows, heads: config.headCount, into: q)
    unsafe norm(rawK, .key, index, rows, heads: config.keyValueHeadCount, into: k)
    unsafe rotate(q, heads: config.headCount, rows, layer: index)
    unsafe rotate(k, heads: config.keyValueHeadCount, rows, layer: index)
    let a = unsafe arrays.attended.reserve(n * config.queryWidth)
    unsafe rows.attend(layer: index, arrays, self)
    let m = unsafe arrays.middle.reserve(width)
    unsafe copy(x, to: m, width)
    unsafe add(.o, of: a, to: m, .attentionOutput, arrays.attentionOutput, layer: index, rows)

    let h2 = unsafe arrays.middleNormed.reserve(width)
    unsafe norm(m, .feedForward, index, rows, into: h2)
    let g = unsafe arrays.gate.reserve(inner)
    let u = unsafe arrays.up.reserve(inner)
    unsafe rows.project([(.gate, g), (.up, u)], layer: index, input: h2, accumulates: false, self)
    let p = unsafe activate(arrays, rows: n)
    if let output = unsafe output {
      unsafe copy(m, to: output, width)
      unsafe add(
        .down, of: p, to: output, .feedForwardOutput, arrays.feedForwardOutput, layer: index, rows)
    } else if layer[.feedForwardOutput] != nil {
      let added = unsafe arrays.feedForwardOutput.reserve(width)
      unsafe rows.project([(.down, added)], layer: index, input: p, accumulates: false, self)
    }
  }

  /// Writes a block's product from its gate and up.
  @discardableResult
  @unsafe package func activate(_ arrays: BlockArrays, rows n: Int) -> UnsafeMutablePointer<Float> {
    let inner = n * config.intermediateSize
    let p = unsafe arrays.product.reserve(inner)
    unsafe copy(arrays.gate.start, to: p, inner)
    switch config.activation {
    case .silu: unsafe tk_swiglu(pool.threads, p, arrays.up.start, n, config.intermediateSize)
    case .geluTanh: unsafe tk_geglu(pool.threads, p, arrays.up.start, n, config.intermediateSize)
    }
    return unsafe p
  }

  /// Adds a projection to `sum`, directly, or by way of `added` where a norm stands between.
  @unsafe private func add(
    _ projection: Projection, of input: UnsafePointer<Float>, to sum: UnsafeMutablePointer<Float>,
    _ place: NormPlace, _ added: FloatBuffer, layer index: Int, _ rows: some BlockRows
  ) {
    guard weights.layers[index][place] != nil else {
      unsafe rows.project([(projection, sum)], layer: index, input: input, accumulates: true, self)
      return
    }
    let n = rows.positions.count
    let width = n * config.hiddenSize
    let output = unsafe added.reserve(width)
    unsafe rows.project([(projection, output)], layer: index, input: input, accumulates: false, self)
    let h = unsafe normed.reserve(width)
    unsafe norm(output, place, index, rows, into: h)
    pool.run(count: width, inPiecesOf: 16384) { piece in
      unsafe tk_add(sum + piece.lowerBound, h + piece.lowerBound, piece.count)
    }
  }

  /// Adds a projection of the base to the maps that run next.
  @unsafe package func addMap(
    _ projection: Projection, layer index: Int, x: UnsafePointer<Float>, count: Int,
    y: UnsafeMutablePointer<Float>, accumulates: Bool
  ) {
    let layer = weights.layers[index]
    unsafe maps.add(
      layer[projection], bias: layer.biases[projection.rawValue], x: x, count: count, y: y,
      accumulates: accumulates)
  }

  /// Adds a projection of runs of rows, each with its adapter's weights and pair.
  ///
  /// - Parameters:
  ///   - x: all rows' inputs.
  ///   - y: all rows' outputs.
  @unsafe func addMaps(
    _ projection: Projection, layer index: Int, x: UnsafePointer<Float>, _ runs: [AdapterRun],
    y: UnsafeMutablePointer<Float>, accumulates: Bool
  ) {
    for run in runs {
      let layer = (run.adapter?.binding.weights ?? weights).layers[index]
      let pair = run.adapter?.pairs[index][projection.rawValue]
      let (matrix, first) = (layer[projection], run.rows.lowerBound)
      unsafe maps.add(
        matrix, bias: layer.biases[projection.rawValue], x: x + first * matrix.columns, count: run.rows.count,
        y: y + first * matrix.rows, accumulates: accumulates, factors: pair?.outputs)
      if let pair { unsafe maps.addTerm(pair, rows: 0..<run.rows.count) }
    }
  }

  /// The layer's rotary embedding in place, or its transpose with `inverse`.
  @unsafe package func rotate(
    _ x: UnsafeMutablePointer<Float>, heads: Int, _ rows: some BlockRows, layer: Int, inverse: Bool = false
  ) {
    guard let table = tableIndex[layer].map({ tables[$0] }) else { return }
    let (cosine, sine) = unsafe table.tables(positions: rows.maxKeys, inverse: inverse)
    let width = heads * config.headDim
    unsafe rows.positions.withUnsafeBufferPointer { positions in
      guard let positions = positions.baseAddress else { return }
      pool.run(count: rows.positions.count, inPiecesOf: 64) { piece in
        unsafe tk_rope(
          x + piece.lowerBound * width, piece.count, width, heads, config.headDim, cosine, sine,
          positions + piece.lowerBound)
      }
    }
  }

  /// The final norm and the vocabulary's map for some rows of the last block's output `x`.
  ///
  /// - Parameters:
  ///   - gathered: receives these rows, `[rows, hidden]`.
  ///   - logits: receives `[rows, vocabulary]`.
  @unsafe package func head(
    _ rows: some Collection<Int>, of x: UnsafePointer<Float>, gathered: UnsafeMutablePointer<Float>,
    into logits: UnsafeMutablePointer<Float>
  ) {
    let all = AdapterRun(adapter: nil, rows: 0..<rows.count)
    unsafe head(rows, [all], of: x, gathered: gathered, into: logits)
  }

  /// The same for runs of wanted rows, counted from 0, each with its adapter's head.
  @unsafe func head(
    _ rows: some Collection<Int>, _ runs: [AdapterRun], of x: UnsafePointer<Float>,
    gathered: UnsafeMutablePointer<Float>, into logits: UnsafeMutablePointer<Float>
  ) {
    if rows.isEmpty { return }
    let width = config.hiddenSize
    for (i, row) in rows.enumerated() {
      unsafe (gathered + i * width).update(from: x + row * width, count: width)
    }
    let h = unsafe normed.reserve(rows.count * width)
    for run in runs {
      let weights = run.adapter?.binding.weights ?? weights
      let (first, count) = (run.rows.lowerBound, run.rows.count)
      let normed = unsafe h + first * width
      unsafe norm(gathered + first * width, weights.finalNorm, rows: count, into: normed)
      let pair = run.adapter?.binding.head
      unsafe maps.add(
        weights.head, x: normed, count: count, y: logits + first * config.vocabSize, factors: pair?.outputs)
      if let pair { unsafe maps.addTerm(pair, rows: 0..<count) }
    }
    maps.run()
  }

  /// A layer's norm of all rows, each of `heads` parts that are normed by themselves.
  @unsafe private func norm(
    _ x: UnsafePointer<Float>, _ place: NormPlace, _ layer: Int, _ rows: some BlockRows, heads: Int = 1,
    into y: UnsafeMutablePointer<Float>
  ) {
    let runs = rows.weightRuns
    guard !runs.isEmpty else {
      unsafe norm(x, weights.layers[layer][place], rows: rows.positions.count * heads, into: y)
      return
    }
    for run in runs {
      let start = run.rows.lowerBound * heads * config.width(place)
      let weight = (run.weights ?? weights).layers[layer][place]
      unsafe norm(x + start, weight, rows: run.rows.count * heads, into: y + start)
    }
  }

  /// Norms of rows as wide as the weights. Without weights there is no norm, and `y` holds its values already.
  @unsafe private func norm(
    _ x: UnsafePointer<Float>, _ weight: Vector?, rows: Int, into y: UnsafeMutablePointer<Float>
  ) {
    guard let weight else { return }
    unsafe tk_rmsnorm(pool.threads, x, rows, weight.count, weight.pointer, config.rmsNormEps, y)
  }

  /// Copies unless both are the same memory.
  @unsafe private func copy(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, _ count: Int) {
    if unsafe x == UnsafePointer(y) { return }
    pool.run(count: count, inPiecesOf: 65536) { piece in
      unsafe (y + piece.lowerBound).update(from: x + piece.lowerBound, count: piece.count)
    }
  }
}
