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

  /// Stores rotated keys and values and attends, through `decoder.attention`.
  @unsafe func attend(layer: Int, _ arrays: BlockArrays, _ decoder: Decoder)
}

/// The arrays of one block's forward pass, `[rows, width]` each.
package final class BlockArrays {
  package let input = FloatBuffer()  // x
  package let normed: FloatBuffer  // norm(x)
  package let queries = FloatBuffer()  // rotated
  package let keys = FloatBuffer()  // rotated
  package let values = FloatBuffer()
  package let attended = FloatBuffer()
  package let middle: FloatBuffer  // x + attention
  package let middleNormed: FloatBuffer
  package let gate: FloatBuffer
  package let up = FloatBuffer()
  package let product: FloatBuffer  // silu(gate) * up

  /// - Parameter keepsAll: whether every array outlives the forward pass, as a backward pass needs it. Otherwise arrays
  ///   that serve one after another share memory.
  package init(keepsAll: Bool) {
    normed = FloatBuffer()
    middleNormed = keepsAll ? FloatBuffer() : normed
    middle = keepsAll ? FloatBuffer() : input
    gate = FloatBuffer()
    product = keepsAll ? FloatBuffer() : gate
  }

  /// Floats of one row in all arrays that are kept, but for the input.
  package static func rowCount(_ config: Qwen2Config) -> Int {
    3 * config.hiddenSize + 2 * config.queryWidth + 2 * config.keyWidth + 3 * config.intermediateSize
  }
}

/// The model's forward pass over rows, as both the sampler and the trainer compute it.
///
/// The order of every sum is decided here and in the kernels. Nothing here mixes rows: what a row becomes depends on
/// the weights, its adapter and the tokens before it alone, bit for bit.
package final class Decoder {
  package let config: Qwen2Config
  package let weights: Qwen2Weights
  package let pool: WorkPool
  package let maps: LinearMaps
  package let attention: Attention
  private let rotary: RotaryTable
  private let normed = FloatBuffer()

  /// - Throws: `RuntimeError.threadsUnavailable`.
  package init(_ config: Qwen2Config, _ weights: Qwen2Weights, threads: Int) throws(RuntimeError) {
    self.config = config
    self.weights = weights
    pool = try WorkPool(threads: threads)
    maps = LinearMaps(pool)
    attention = Attention(config, pool)
    rotary = RotaryTable(config)
  }

  /// Writes the tokens' embeddings, `[tokens, hidden]`.
  @unsafe package func embed(_ tokens: [Int], into x: UnsafeMutablePointer<Float>) {
    for (row, token) in tokens.enumerated() {
      unsafe weights.embedding.widen(rows: token..<token + 1, into: x + row * config.hiddenSize)
    }
  }

  /// One block: m = x + attention(norm(x)), then m + mlp(norm(m)).
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
    unsafe norm(x, layer.inputNorm, rows: n, into: h)
    let q = unsafe arrays.queries.reserve(n * config.queryWidth)
    let k = unsafe arrays.keys.reserve(n * config.keyWidth)
    let v = unsafe arrays.values.reserve(n * config.keyWidth)
    unsafe rows.project([(.q, q), (.k, k), (.v, v)], layer: index, input: h, accumulates: false, self)
    unsafe rotate(q, heads: config.headCount, rows)
    unsafe rotate(k, heads: config.keyValueHeadCount, rows)
    let a = unsafe arrays.attended.reserve(n * config.queryWidth)
    unsafe rows.attend(layer: index, arrays, self)
    let m = unsafe arrays.middle.reserve(width)
    unsafe copy(x, to: m, width)
    unsafe rows.project([(.o, m)], layer: index, input: a, accumulates: true, self)

    let h2 = unsafe arrays.middleNormed.reserve(width)
    unsafe norm(m, layer.postAttentionNorm, rows: n, into: h2)
    let g = unsafe arrays.gate.reserve(inner)
    let u = unsafe arrays.up.reserve(inner)
    unsafe rows.project([(.gate, g), (.up, u)], layer: index, input: h2, accumulates: false, self)
    let p = unsafe arrays.product.reserve(inner)
    unsafe copy(g, to: p, inner)
    unsafe tk_swiglu(pool.threads, p, u, n, config.intermediateSize)
    guard let output = unsafe output else { return }
    unsafe copy(m, to: output, width)
    unsafe rows.project([(.down, output)], layer: index, input: p, accumulates: true, self)
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

  /// The rotary embedding in place, or its inverse, which is its transpose.
  @unsafe package func rotate(
    _ x: UnsafeMutablePointer<Float>, heads: Int, _ rows: some BlockRows, inverse: Bool = false
  ) {
    let (cosine, sine) = unsafe rotary.tables(positions: rows.maxKeys, inverse: inverse)
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
    if rows.isEmpty { return }
    let width = config.hiddenSize
    for (i, row) in rows.enumerated() {
      unsafe (gathered + i * width).update(from: x + row * width, count: width)
    }
    let h = unsafe normed.reserve(rows.count * width)
    unsafe norm(gathered, weights.finalNorm, rows: rows.count, into: h)
    unsafe maps.add(weights.head, x: h, count: rows.count, y: logits)
    maps.run()
  }

  @unsafe private func norm(
    _ x: UnsafePointer<Float>, _ weight: Vector, rows: Int, into y: UnsafeMutablePointer<Float>
  ) {
    unsafe tk_rmsnorm(pool.threads, x, rows, config.hiddenSize, weight.pointer, config.rmsNormEps, y)
  }

  /// Copies unless both are the same memory.
  @unsafe private func copy(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, _ count: Int) {
    if unsafe x != UnsafePointer(y) { unsafe y.update(from: x, count: count) }
  }
}
