import ModelFiles
import TinaRuntime

/// What a block's backward pass needs of its forward pass, `[rows, width]` each.
@safe final class LayerRecord {
  let input = Scratch()  // x
  let normed = Scratch()  // norm(x)
  let queries = Scratch()  // rotated
  let keys = Scratch()  // rotated, rounded to the cache's type
  let values = Scratch()  // rounded
  let attended = Scratch()
  let middle = Scratch()  // x + attention
  let middleNormed = Scratch()
  let gate = Scratch()
  let up = Scratch()
  let product = Scratch()  // silu(gate) * up
  /// The adapter's inner vectors, by projection.
  let inner = TrainableProjection.allCases.map { _ in Scratch() }

  /// Bytes that a record of `rows` rows takes, apart from the input.
  static func bytes(rows: Int, _ config: Qwen2Config, rank: Int) -> Int {
    let queryWidth = config.headCount * config.headDim
    let keyWidth = config.keyValueHeadCount * config.headDim
    return 4 * rows
      * (3 * config.hiddenSize + 2 * queryWidth + 2 * keyWidth + 3 * config.intermediateSize + 7 * rank)
  }
}
