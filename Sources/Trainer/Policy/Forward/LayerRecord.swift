import ModelFiles
import TinaRuntime

/// Arrays of a block's forward pass that its backward pass needs.
struct LayerRecord {
  let arrays: BlockArrays
  /// The adapter's scale · A · x, `[rows, rank]`, by projection.
  let inner = Projection.allCases.map { _ in FloatBuffer() }

  /// - Parameter product: memory that all records share.
  init(product: FloatBuffer) { arrays = BlockArrays(keepsAll: true, sharedProduct: product) }

  /// Bytes of a record of `rows` rows, apart from the input and the product.
  static func bytes(rows: Int, _ config: Architecture, rank: Int) -> Int {
    4 * rows * (BlockArrays.rowCount(config) + Projection.allCases.count * rank)
  }
}
