import COpenBLAS
import TinaRuntime

/// Matrix products of the backward pass, row-major, one thread each.
enum Product {
  /// C `[m, n]` (+)= scale · A `[m, k]` · B `[k, n]`; the last two arguments of each operand are its address and the
  /// distance between its rows.
  @unsafe static func plain(
    _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<Float>, _ lda: Int, _ b: UnsafePointer<Float>,
    _ ldb: Int,
    _ c: UnsafeMutablePointer<Float>, _ ldc: Int, scale: Float = 1, add: Bool = false
  ) {
    unsafe call(CblasNoTrans, CblasNoTrans, m, n, k, scale, a, lda, b, ldb, add, c, ldc)
  }

  /// C `[m, n]` (+)= scale · A `[m, k]` · B `[n, k]`ᵀ.
  @unsafe static func secondTransposed(
    _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<Float>, _ lda: Int, _ b: UnsafePointer<Float>,
    _ ldb: Int,
    _ c: UnsafeMutablePointer<Float>, _ ldc: Int, scale: Float = 1, add: Bool = false
  ) {
    unsafe call(CblasNoTrans, CblasTrans, m, n, k, scale, a, lda, b, ldb, add, c, ldc)
  }

  /// C `[m, n]` (+)= scale · A `[k, m]`ᵀ · B `[k, n]`.
  @unsafe static func firstTransposed(
    _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<Float>, _ lda: Int, _ b: UnsafePointer<Float>,
    _ ldb: Int,
    _ c: UnsafeMutablePointer<Float>, _ ldc: Int, scale: Float = 1, add: Bool = false
  ) {
    unsafe call(CblasTrans, CblasNoTrans, m, n, k, scale, a, lda, b, ldb, add, c, ldc)
  }

  @unsafe private static func call(
    _ transA: CBLAS_TRANSPOSE, _ transB: CBLAS_TRANSPOSE, _ m: Int, _ n: Int, _ k: Int, _ scale: Float,
    _ a: UnsafePointer<Float>, _ lda: Int, _ b: UnsafePointer<Float>, _ ldb: Int, _ add: Bool,
    _ c: UnsafeMutablePointer<Float>, _ ldc: Int
  ) {
    if m == 0 || n == 0 || k == 0 { return }
    unsafe cblas_sgemm(
      CblasRowMajor, transA, transB, blasint(m), blasint(n), blasint(k), scale, a, blasint(lda), b,
      blasint(ldb),
      add ? 1 : 0, c, blasint(ldc))
  }
}

/// The gradient with respect to a linear map's input: dX `[n, columns]` (+)= dY `[n, rows]` · W.
///
/// W stays in its file's type; blocks of it are widened as they are needed. A block's size depends on the
/// shapes alone, and no sum is split between threads.
struct FrozenProducts {
  let pool: WorkPool
  static let columnBlock = 384
  static let rowBlock = 1024  // of W: the length of a partial sum

  @unsafe func backward(
    _ dY: UnsafePointer<Float>, _ n: Int, _ matrix: FrozenMatrix, into dX: UnsafeMutablePointer<Float>,
    add: Bool
  ) {
    unsafe backward([(dY, matrix)], n, into: dX, add: add)
  }

  /// The sum over several maps that share an input.
  @unsafe func backward(
    _ maps: [(dY: UnsafePointer<Float>, matrix: FrozenMatrix)], _ n: Int,
    into dX: UnsafeMutablePointer<Float>,
    add: Bool
  ) {
    guard let columns = unsafe maps.first?.matrix.columns, n > 0 else { return }
    let columnBlock = min(Self.columnBlock, max(64, (columns + 3) / 4 + 15 & ~15))
    let inputBlock = n > 1024 ? 1024 : max(32, (n + 1) / 2)
    let columnBlocks = (columns + columnBlock - 1) / columnBlock
    let inputBlocks = (n + inputBlock - 1) / inputBlock
    pool.run(columnBlocks * inputBlocks) { chunk in
      let c = chunk % columnBlocks * columnBlock
      let width = min(columnBlock, columns - c)
      let i = chunk / columnBlocks * inputBlock
      let height = min(inputBlock, n - i)
      var isFirst = !add
      unsafe withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.rowBlock * width) { block in
        guard let wide = block.baseAddress else { return }
        for m in unsafe maps.indices {
          let (dY, matrix) = unsafe maps[m]
          for r in stride(from: 0, to: matrix.rows, by: Self.rowBlock) {
            let rows = r..<min(r + Self.rowBlock, matrix.rows)
            unsafe matrix.widen(rows: rows, columns: c..<c + width, into: wide)
            unsafe Product.plain(
              height, width, rows.count, dY + i * matrix.rows + r, matrix.rows, wide, width,
              dX + i * columns + c, columns, add: !isFirst)
            isFirst = false
          }
        }
      }
    }
  }
}
