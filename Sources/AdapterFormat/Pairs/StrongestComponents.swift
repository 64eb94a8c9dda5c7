import COpenBLAS

extension LowRankAlgebra {
  /// The strongest components of a matrix that need not have a low rank.
  ///
  /// They come from the eigenvectors of the smaller Gram matrix, at a fraction of a whole decomposition's time and
  /// memory. Squaring costs digits of the weakest components alone: those below 1e-7 of the strongest.
  ///
  /// - Parameter count: how many, at most the smaller side.
  /// - Returns: the largest singular values, the largest first, and their vectors.
  /// - Precondition: every number is finite.
  public static func strongest(_ matrix: ColumnMatrix, count: Int) -> LowRankDecomposition {
    precondition(count >= 1 && count <= min(matrix.rows, matrix.columns))
    precondition(matrix.values.allSatisfy(\.isFinite), "strongest() of numbers that are not finite")
    let isTall = matrix.rows >= matrix.columns
    let gram = multiply(matrix, matrix, scale: 1, leftTransposed: isTall, rightTransposed: !isTall)
    let short = eigenvectors(of: gram, count: count)
    var long = multiply(matrix, short, scale: 1, leftTransposed: !isTall)
    var sigma: [Double] = []
    for column in 0..<count {
      let range = column * long.rows..<(column + 1) * long.rows
      let norm = ColumnMatrix(rows: long.rows, columns: 1, values: Array(long.values[range])).frobeniusNorm
      sigma.append(norm)
      if norm > 0 { for i in range { long.values[i] /= norm } }
    }
    return isTall
      ? LowRankDecomposition(u: long, sigma: sigma, v: short)
      : LowRankDecomposition(u: short, sigma: sigma, v: long)
  }

  /// The eigenvectors of the largest eigenvalues of a symmetric matrix, the largest first.
  private static func eigenvectors(of matrix: ColumnMatrix, count: Int) -> ColumnMatrix {
    var a = matrix.values
    var n = Int32(matrix.rows)
    var (first, last) = (n - Int32(count) + 1, n)
    var (job, range, half) = (
      CChar(bitPattern: UInt8(ascii: "V")), CChar(bitPattern: UInt8(ascii: "I")),
      CChar(bitPattern: UInt8(ascii: "U"))
    )
    // Bounds of values, which this range does not use, and the tolerance that stands for the best one.
    var (low, high, tolerance) = (0.0, 0.0, 0.0)
    var found: Int32 = 0
    var values = [Double](repeating: 0, count: matrix.rows)
    var vectors = ColumnMatrix(rows: matrix.rows, columns: count)
    var support = [Int32](repeating: 0, count: 2 * count)
    var (work, integers) = ([0.0], [Int32(0)])
    var (size, integerSize): (Int32, Int32) = (-1, -1)
    var info: Int32 = 0
    var stride = n
    for _ in 0..<2 {
      unsafe dsyevr_(
        &job, &range, &half, &n, &a, &stride, &low, &high, &first, &last, &tolerance, &found, &values,
        &vectors.values, &stride, &support, &work, &size, &integers, &integerSize, &info)
      guard size == -1 else { break }
      (size, integerSize) = (Int32(work[0]), integers[0])
      work = [Double](repeating: 0, count: Int(size))
      integers = [Int32](repeating: 0, count: Int(integerSize))
    }
    precondition(info == 0 && found == Int32(count), "dsyevr: \(info)")
    var sorted = ColumnMatrix(rows: matrix.rows, columns: count)
    for column in 0..<count {
      let source = (count - 1 - column) * matrix.rows
      for row in 0..<matrix.rows { sorted[row, column] = vectors.values[source + row] }
    }
    return sorted
  }
}
