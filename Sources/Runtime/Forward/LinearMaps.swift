import CKernels

/// Linear maps that run in one parallel region: y (+)= W · x + bias + Σ scale · B · (A · x).
///
/// The sampler and the trainer build every map here, so that both give the kernel the same sums.
@safe package final class LinearMaps {
  private let pool: WorkPool
  private var maps: [tk_linear_args] = unsafe []
  private var terms: [tk_low_rank] = unsafe []
  /// By term: where its A · x begins in `inner`; nil when the caller keeps it.
  private var places: [Int?] = []
  private var innerCount = 0
  private let inner = FloatBuffer()
  /// Maps whose sums are multiplied before bias and old value join them: they are made in `products` first.
  private var scaled: [ScaledMap] = unsafe []
  private var productCount = 0
  private let products = FloatBuffer()

  init(_ pool: WorkPool) { self.pool = pool }

  /// Adds a map over `count` rows of `x`, `[count, columns]`, to `y`, `[count, rows]`.
  ///
  /// - Parameters:
  ///   - accumulates: whether `y` is added to instead of being replaced.
  ///   - factors: what each output's sum is multiplied by, low-rank terms included, the bias not.
  @unsafe package func add(
    _ matrix: Matrix, bias: Vector? = nil, x: UnsafePointer<Float>, count: Int,
    y: UnsafeMutablePointer<Float>,
    accumulates: Bool = false, factors: Vector? = nil
  ) {
    if let factors {
      unsafe scaled.append(
        ScaledMap(
          map: maps.count, place: productCount, y: y, bias: bias, accumulates: accumulates, factors: factors))
      productCount += count * matrix.rows
    }
    let bias = factors == nil ? bias : nil
    let accumulates = accumulates && factors == nil
    unsafe maps.append(
      tk_linear_args(
        weights: matrix.baseAddress, type: matrix.type, rows: matrix.rows, columns: matrix.columns,
        bias: bias.map { unsafe UnsafePointer($0.pointer) }, x: x, x_stride: matrix.columns, n: count, y: y,
        y_stride: matrix.rows, add: accumulates, terms: nil, term_count: 0,
        activations: matrix.activations.kernelType))
  }

  /// Adds a low-rank term to the sums of some rows of the map that was added last.
  ///
  /// - Parameter inner: room for scale · A · x, `[rows, rank]`, if it is wanted afterwards.
  @unsafe package func addTerm(
    _ pair: LoRAPair, rows: Range<Int>, inner: UnsafeMutablePointer<Float>? = nil
  ) {
    let last = unsafe maps.count - 1
    // Without room of its own the term gets a part of the shared buffer when the maps run.
    let room = unsafe inner ?? maps[last].y
    unsafe places.append(inner == nil ? innerCount : nil)
    if unsafe inner == nil { innerCount += rows.count * pair.a.rows }
    unsafe terms.append(
      tk_low_rank(
        a: pair.a.baseAddress, b: pair.b.baseAddress, a_type: pair.a.type, b_type: pair.b.type,
        rank: pair.a.rows, scale: pair.scale, first: rows.lowerBound, count: rows.count, u: room))
    unsafe maps[last].term_count += 1
  }

  /// Runs the maps that were added and forgets them.
  package func run() {
    let shared = unsafe inner.reserve(innerCount)
    for (i, place) in places.enumerated() { if let place { unsafe terms[i].u = shared + place } }
    let made = unsafe products.reserve(productCount)
    for i in unsafe scaled.indices { unsafe maps[scaled[i].map].y = made + scaled[i].place }
    unsafe terms.withUnsafeBufferPointer { terms in
      var first = 0
      for i in unsafe maps.indices {
        unsafe maps[i].terms = terms.baseAddress.map { unsafe $0 + first }
        unsafe first += maps[i].term_count
      }
      unsafe tk_linear(pool.threads, maps, maps.count)
    }
    for i in unsafe scaled.indices {
      let map = unsafe scaled[i]
      let count = unsafe maps[map.map].n
      pool.run(count: count, inPiecesOf: 4) { unsafe map.finish(made + map.place, rows: $0) }
    }
    unsafe scaled.removeAll(keepingCapacity: true)
    productCount = 0
    unsafe maps.removeAll(keepingCapacity: true)
    unsafe terms.removeAll(keepingCapacity: true)
    places.removeAll(keepingCapacity: true)
    innerCount = 0
  }
}

/// A map whose sums are multiplied by a factor for each output.
@unsafe private struct ScaledMap {
  let map: Int
  /// Where its sums begin.
  let place: Int
  let y: UnsafeMutablePointer<Float>
  let bias: Vector?
  let accumulates: Bool
  let factors: Vector

  /// y (+)= factor · sum + bias, for some rows.
  func finish(_ sums: UnsafePointer<Float>, rows: Range<Int>) {
    let width = unsafe factors.count
    let factor = unsafe factors.pointer
    for row in rows {
      let (from, to) = unsafe (sums + row * width, y + row * width)
      for i in 0..<width {
        var value = unsafe from[i] * factor[i]
        if let bias = unsafe bias { value += unsafe bias.pointer[i] }
        unsafe to[i] = accumulates ? to[i] + value : value
      }
    }
  }
}
