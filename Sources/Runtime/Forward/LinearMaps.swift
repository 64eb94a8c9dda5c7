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

  init(_ pool: WorkPool) { self.pool = pool }

  /// Adds a map over `count` rows of `x`, `[count, columns]`, to `y`, `[count, rows]`.
  ///
  /// - Parameter accumulates: whether `y` is added to instead of being replaced.
  @unsafe package func add(
    _ matrix: Matrix, bias: Vector? = nil, x: UnsafePointer<Float>, count: Int,
    y: UnsafeMutablePointer<Float>,
    accumulates: Bool = false
  ) {
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
    unsafe terms.withUnsafeBufferPointer { terms in
      var first = 0
      for i in unsafe maps.indices {
        unsafe maps[i].terms = terms.baseAddress.map { unsafe $0 + first }
        unsafe first += maps[i].term_count
      }
      unsafe tk_linear(pool.threads, maps, maps.count)
    }
    unsafe maps.removeAll(keepingCapacity: true)
    unsafe terms.removeAll(keepingCapacity: true)
    places.removeAll(keepingCapacity: true)
    innerCount = 0
  }
}
