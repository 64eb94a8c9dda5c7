import COpenBLAS
public import ModelFiles

/// A matrix of doubles in LAPACK's order: column after column.
public struct ColumnMatrix: Sendable {
  /// Number of rows.
  public let rows: Int
  /// Number of columns.
  public let columns: Int
  /// `values[column · rows + row]`.
  public var values: [Double]

  /// Makes a matrix.
  ///
  /// - Precondition: as many values as rows times columns.
  public init(rows: Int, columns: Int, values: [Double]) {
    precondition(values.count == rows * columns)
    self.rows = rows
    self.columns = columns
    self.values = values
  }

  /// A matrix of zeros.
  public init(rows: Int, columns: Int) {
    self.init(rows: rows, columns: columns, values: [Double](repeating: 0, count: rows * columns))
  }

  /// An element.
  public subscript(row: Int, column: Int) -> Double {
    get { values[column * rows + row] }
    set { values[column * rows + row] = newValue }
  }

  /// Square root of the sum of squares.
  public var frobeniusNorm: Double {
    // Scaled, so that squares neither overflow nor vanish.
    let largest = values.reduce(0) { max($0, abs($1)) }
    guard largest > 0, largest.isFinite else { return largest }
    return largest * values.reduce(0) { $0 + ($1 / largest) * ($1 / largest) }.squareRoot()
  }
}

/// ΔW = U · diag(σ) · Vᵀ of a low-rank update, ΔW itself never formed.
public struct LowRankDecomposition: Sendable {
  /// Orthonormal columns, `[out, k]`.
  public let u: ColumnMatrix
  /// Singular values, the largest first; k = min(rank, in, out) of them.
  public let sigma: [Double]
  /// Orthonormal columns, `[in, k]`.
  public let v: ColumnMatrix
}

/// Linear algebra on updates ΔW = scale · B · A through QR of the thin factors and the SVD of an r × r core,
/// in double precision. The cost is that of the factors: `(in + out) · r²`.
public enum LowRankAlgebra {
  /// Singular values of the pair's ΔW with its scale, the largest first; min(rank, in, out) of them.
  ///
  /// - Precondition: every number is finite, the types are F32, F16 or BF16.
  public static func singularValues(_ pair: LowRankPair) -> [Double] {
    svd(core(pair), vectors: false).sigma
  }

  /// Singular value decomposition of the pair's ΔW with its scale.
  ///
  /// - Precondition: every number is finite, the types are F32, F16 or BF16.
  public static func decomposition(_ pair: LowRankPair) -> LowRankDecomposition {
    let (qB, rB) = qr(tall(columnsOf: pair.b))
    let (qA, rA) = qr(tall(rowsOf: pair.a))
    let small = svd(multiply(rB, rA, scale: Double(pair.scale), transposed: true), vectors: true)
    return LowRankDecomposition(
      u: multiply(qB, small.u, scale: 1, transposed: false), sigma: small.sigma,
      v: multiply(qA, small.v, scale: 1, transposed: false))
  }

  /// How far two updates of one shape are apart.
  ///
  /// - Returns: ‖ΔW₁ − ΔW₂‖ and the norms of both, all Frobenius.
  /// - Precondition: the same inputs and outputs, every number finite.
  public static func distance(
    _ first: LowRankPair, _ second: LowRankPair
  ) -> (difference: Double, first: Double, second: Double) {
    precondition(first.inputCount == second.inputCount && first.outputCount == second.outputCount)
    // [B₁ B₂] · diag(s₁, −s₂) · [A₁; A₂]: one QR of the joined factors, so that no squares cancel.
    let b1 = tall(columnsOf: first.b)
    let b2 = tall(columnsOf: second.b)
    let a1 = tall(rowsOf: first.a)
    let a2 = tall(rowsOf: second.a)
    func scaled(_ values: [Double], _ scale: Float) -> [Double] { values.map { $0 * Double(scale) } }
    let b = ColumnMatrix(
      rows: b1.rows, columns: b1.columns + b2.columns,
      values: scaled(b1.values, first.scale) + scaled(b2.values, -second.scale))
    let a = ColumnMatrix(rows: a1.rows, columns: a1.columns + a2.columns, values: a1.values + a2.values)
    let rB = triangle(b)
    let rA = triangle(a)
    func norm(_ range: Range<Int>) -> Double {
      multiply(columns(range, rB), columns(range, rA), scale: 1, transposed: true).frobeniusNorm
    }
    return (norm(0..<b.columns), norm(0..<b1.columns), norm(b1.columns..<b.columns))
  }

  /// Frobenius norm of the pair's ΔW with its scale.
  public static func norm(_ pair: LowRankPair) -> Double { core(pair).frobeniusNorm }

  /// The Gram matrix of a tall matrix's columns: MᵀM.
  public static func gram(_ matrix: ColumnMatrix) -> ColumnMatrix {
    multiply(matrix, matrix, scale: 1, leftTransposed: true)
  }

  /// The matrix whose columns are a factor's rows: A `[r, in]` as `in × r`.
  ///
  /// - Precondition: F32, F16 or BF16. Dimensions beyond the second count as columns.
  public static func tall(rowsOf tensor: Tensor) -> ColumnMatrix {
    let rows = tensor.shape.first ?? 1
    let values = tensor.floats().map { Double($0) }
    return ColumnMatrix(rows: rows == 0 ? 0 : values.count / rows, columns: rows, values: values)
  }

  /// A factor `[out, r]` as `out × r`.
  ///
  /// - Precondition: F32, F16 or BF16. Dimensions beyond the second count as columns.
  public static func tall(columnsOf tensor: Tensor) -> ColumnMatrix {
    let rows = tensor.shape.first ?? 1
    let floats = tensor.floats()
    let columns = rows == 0 ? 0 : floats.count / rows
    var matrix = ColumnMatrix(rows: rows, columns: columns)
    for row in 0..<rows {
      for column in 0..<columns {
        matrix.values[column * rows + row] = Double(floats[row * columns + column])
      }
    }
    return matrix
  }

  private static func core(_ pair: LowRankPair) -> ColumnMatrix {
    multiply(
      triangle(tall(columnsOf: pair.b)), triangle(tall(rowsOf: pair.a)), scale: Double(pair.scale),
      transposed: true)
  }

  private static func columns(_ range: Range<Int>, _ matrix: ColumnMatrix) -> ColumnMatrix {
    ColumnMatrix(
      rows: matrix.rows, columns: range.count,
      values: Array(matrix.values[range.lowerBound * matrix.rows..<range.upperBound * matrix.rows]))
  }
}

// Calls of LAPACK and BLAS.
extension LowRankAlgebra {
  /// Turns off OpenBLAS's own threads: callers divide the work by module.
  private static let singleThread: Void = openblas_set_num_threads(1)

  /// `scale · left · right`, or `scale · left · rightᵀ`.
  static func multiply(
    _ left: ColumnMatrix, _ right: ColumnMatrix, scale: Double, transposed: Bool
  ) -> ColumnMatrix {
    multiply(left, right, scale: scale, rightTransposed: transposed)
  }

  /// leftᵀ · right.
  static func product(_ left: ColumnMatrix, _ right: ColumnMatrix) -> ColumnMatrix {
    multiply(left, right, scale: 1, leftTransposed: true)
  }

  static func multiply(
    _ left: ColumnMatrix, _ right: ColumnMatrix, scale: Double, leftTransposed: Bool = false,
    rightTransposed: Bool = false
  ) -> ColumnMatrix {
    _ = singleThread
    let m = leftTransposed ? left.columns : left.rows
    let k = leftTransposed ? left.rows : left.columns
    let n = rightTransposed ? right.rows : right.columns
    precondition(k == (rightTransposed ? right.columns : right.rows))
    var product = ColumnMatrix(rows: m, columns: n)
    guard m > 0, n > 0, k > 0 else { return product }
    unsafe cblas_dgemm(
      CblasColMajor, leftTransposed ? CblasTrans : CblasNoTrans, rightTransposed ? CblasTrans : CblasNoTrans,
      Int32(m), Int32(n), Int32(k), scale, left.values, Int32(left.rows), right.values, Int32(right.rows), 0,
      &product.values, Int32(m))
    return product
  }

  /// Householder's vectors and the upper triangle, as LAPACK packs them.
  private static func factorise(_ matrix: ColumnMatrix) -> (packed: ColumnMatrix, tau: [Double]) {
    _ = singleThread
    var packed = matrix
    var m = Int32(matrix.rows)
    var n = Int32(matrix.columns)
    let k = min(matrix.rows, matrix.columns)
    var tau = [Double](repeating: 0, count: max(k, 1))
    guard k > 0 else { return (packed, tau) }
    var info: Int32 = 0
    var size: Int32 = -1
    var work = [0.0]
    var stride = m
    unsafe dgeqrf_(&m, &n, &packed.values, &stride, &tau, &work, &size, &info)
    size = Int32(work[0])
    work = [Double](repeating: 0, count: Int(size))
    unsafe dgeqrf_(&m, &n, &packed.values, &stride, &tau, &work, &size, &info)
    precondition(info == 0, "dgeqrf: argument \(-info)")
    return (packed, tau)
  }

  private static func upper(_ packed: ColumnMatrix) -> ColumnMatrix {
    let k = min(packed.rows, packed.columns)
    var r = ColumnMatrix(rows: k, columns: packed.columns)
    for column in 0..<packed.columns {
      for row in 0..<min(column + 1, k) { r[row, column] = packed[row, column] }
    }
    return r
  }

  /// R of a QR factorisation, `min(m, n) × n`.
  static func triangle(_ matrix: ColumnMatrix) -> ColumnMatrix { upper(factorise(matrix).packed) }

  /// Q `m × k` with orthonormal columns and R `k × n`, k = min(m, n).
  public static func qr(_ matrix: ColumnMatrix) -> (q: ColumnMatrix, r: ColumnMatrix) {
    let (packed, tau) = factorise(matrix)
    let r = upper(packed)
    var m = Int32(matrix.rows)
    var k = Int32(min(matrix.rows, matrix.columns))
    var q = ColumnMatrix(
      rows: matrix.rows, columns: Int(k), values: Array(packed.values.prefix(matrix.rows * Int(k))))
    guard k > 0 else { return (q, r) }
    var n = k
    var stride = m
    var info: Int32 = 0
    var size: Int32 = -1
    var work = [0.0]
    unsafe dorgqr_(&m, &n, &k, &q.values, &stride, tau, &work, &size, &info)
    size = Int32(work[0])
    work = [Double](repeating: 0, count: Int(size))
    unsafe dorgqr_(&m, &n, &k, &q.values, &stride, tau, &work, &size, &info)
    precondition(info == 0, "dorgqr: argument \(-info)")
    return (q, r)
  }

  /// Thin singular value decomposition; `u` and `v` are empty unless asked for.
  ///
  /// - Precondition: every number is finite.
  public static func svd(_ matrix: ColumnMatrix, vectors: Bool) -> LowRankDecomposition {
    _ = singleThread
    let k = min(matrix.rows, matrix.columns)
    let none = ColumnMatrix(rows: 0, columns: 0)
    guard k > 0 else { return LowRankDecomposition(u: none, sigma: [], v: none) }
    precondition(matrix.values.allSatisfy(\.isFinite), "svd() of numbers that are not finite")
    var a = matrix
    var m = Int32(matrix.rows)
    var n = Int32(matrix.columns)
    var sigma = [Double](repeating: 0, count: k)
    var u = ColumnMatrix(rows: vectors ? matrix.rows : 1, columns: vectors ? k : 1)
    var vt = ColumnMatrix(rows: vectors ? k : 1, columns: vectors ? matrix.columns : 1)
    var job = CChar(bitPattern: UInt8(ascii: vectors ? "S" : "N"))
    var (strideA, strideU, strideV) = (m, Int32(u.rows), Int32(vt.rows))
    var integers = [Int32](repeating: 0, count: 8 * k)
    var info: Int32 = 0
    var size: Int32 = -1
    var work = [0.0]
    for _ in 0..<2 {
      unsafe dgesdd_(
        &job, &m, &n, &a.values, &strideA, &sigma, &u.values, &strideU, &vt.values, &strideV, &work, &size,
        &integers, &info)
      guard size == -1 else { break }
      size = Int32(work[0])
      work = [Double](repeating: 0, count: Int(size))
    }
    // A positive number would mean no convergence, which happens only with infinities and NaN.
    precondition(info == 0, "dgesdd: \(info)")
    guard vectors else { return LowRankDecomposition(u: none, sigma: sigma, v: none) }
    var v = ColumnMatrix(rows: matrix.columns, columns: k)
    for column in 0..<k {
      for row in 0..<matrix.columns { v[row, column] = vt[column, row] }
    }
    return LowRankDecomposition(u: u, sigma: sigma, v: v)
  }
}
