import CKernels
import TinaRuntime

/// Row-major matrix products of the backward pass, on the calling thread.
///
/// Each element's order of summation is fixed (tk_product.h): a gradient's bits depend neither on the machine nor on
/// how the work is cut.
enum Product {
  /// C `[m, n]` (+)= scale · A `[m, k]` · B `[k, n]`. Beside each address stands the distance between rows.
  @unsafe static func plain(
    _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<Float>, _ lda: Int, _ b: UnsafePointer<Float>,
    _ ldb: Int, _ c: UnsafeMutablePointer<Float>, _ ldc: Int, scale: Float = 1, add: Bool = false
  ) {
    unsafe run(m, n, k, scale, (a, lda, 1), (b, ldb, 1), c, ldc, add)
  }

  /// C `[m, n]` (+)= scale · A `[m, k]` · B `[n, k]`ᵀ.
  @unsafe static func secondTransposed(
    _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<Float>, _ lda: Int, _ b: UnsafePointer<Float>,
    _ ldb: Int, _ c: UnsafeMutablePointer<Float>, _ ldc: Int, scale: Float = 1, add: Bool = false
  ) {
    unsafe run(m, n, k, scale, (a, lda, 1), (b, 1, ldb), c, ldc, add)
  }

  /// C `[m, n]` (+)= scale · A `[k, m]`ᵀ · B `[k, n]`.
  @unsafe static func firstTransposed(
    _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<Float>, _ lda: Int, _ b: UnsafePointer<Float>,
    _ ldb: Int, _ c: UnsafeMutablePointer<Float>, _ ldc: Int, scale: Float = 1, add: Bool = false
  ) {
    unsafe run(m, n, k, scale, (a, 1, lda), (b, ldb, 1), c, ldc, add)
  }

  private typealias Operand = (start: UnsafePointer<Float>, row: Int, column: Int)

  @unsafe private static func run(
    _ m: Int, _ n: Int, _ k: Int, _ scale: Float, _ a: Operand, _ b: Operand,
    _ c: UnsafeMutablePointer<Float>, _ ldc: Int, _ add: Bool
  ) {
    var arguments = unsafe tk_product_args(
      m: m, n: n, k: k, scale: scale, a: a.start, a_row: a.row, a_column: a.column, b: b.start, type: TK_F32,
      b_row: b.row, b_column: b.column, first_row: 0, first_column: 0, c: c, c_row: ldc, add: add)
    unsafe tk_product(&arguments)
  }
}

extension Matrix {
  /// The arguments for dX (+)= dY · self over `n` rows: a map's gradient with respect to its input.
  @unsafe func product(
    dY: UnsafePointer<Float>, n: Int, into dX: UnsafeMutablePointer<Float>, add: Bool
  ) -> tk_product_args {
    unsafe tk_product_args(
      m: n, n: columns, k: rows, scale: 1, a: dY, a_row: rows, a_column: 1, b: baseAddress, type: type,
      b_row: columns, b_column: 1, first_row: 0, first_column: 0, c: dX, c_row: columns, add: add)
  }
}

/// Products of many rows, on all threads.
struct PooledProducts {
  let pool: WorkPool

  /// Runs products that add up in one C `[m, n]`, one after another within each part of C.
  ///
  /// B stays in its file's type; each part widens the columns that it needs. Parts are small enough for all threads to
  /// have some, and large enough for many rows and columns to share the packing.
  @unsafe func run(_ products: [tk_product_args]) {
    guard let first = unsafe products.first, unsafe first.m > 0, unsafe first.n > 0 else { return }
    let (m, n) = unsafe (first.m, first.n)
    let (height, width) = Self.cut(m, n, threads: pool.count)
    let rowParts = (m + height - 1) / height
    let columnParts = (n + width - 1) / width
    pool.run(rowParts * columnParts) { chunk in
      let row = chunk % rowParts * height
      let column = chunk / rowParts * width
      for i in unsafe products.indices {
        var part = unsafe products[i]
        unsafe part.a += row * part.a_row
        unsafe part.c += row * part.c_row + column
        unsafe part.first_column += column
        unsafe part.m = min(height, m - row)
        unsafe part.n = min(width, n - column)
        unsafe tk_product(&part)
      }
    }
  }

  /// Rows and columns of a part. Columns are a multiple of the longest quantised block.
  static func cut(_ m: Int, _ n: Int, threads: Int) -> (height: Int, width: Int) {
    let wanted = 3 * threads
    var result = (height: 24, width: 256)
    for (width, least) in [(512, 120), (256, 120), (256, 60), (256, 24)] {
      let columns = (n + width - 1) / width
      let most = max(1, m / least)
      let rows = max((m + 515) / 516, min(most, (wanted + columns - 1) / columns))
      result = ((m + rows - 1) / rows, width)
      if rows * columns >= wanted { break }
    }
    // Whole tiles for both register sizes.
    return ((result.height + 11) / 12 * 12, result.width)
  }
}
