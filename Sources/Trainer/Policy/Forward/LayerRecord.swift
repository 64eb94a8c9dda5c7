import ModelFiles
import TinaRuntime

/// What a block's backward pass needs of its forward pass.
struct LayerRecord {
  let arrays = BlockArrays(keepsAll: true)
  /// The adapter's scale · A · x, `[rows, rank]`, by projection.
  let inner = Projection.allCases.map { _ in FloatBuffer() }

  /// Bytes that a record of `rows` rows takes, apart from the input.
  static func bytes(rows: Int, _ config: Qwen2Config, rank: Int) -> Int {
    4 * rows * (BlockArrays.rowCount(config) + Projection.allCases.count * rank)
  }
}
