import AdapterFormat
package import CKernels
package import ModelFiles

// What the trainer needs of an opened base. It computes its own forward pass with the same kernels in the same
// order, because it must keep what the backward pass needs; nothing of the base is copied for it.

/// The seven linear maps of a block, in the order of their paths.
package enum TrainableProjection: Int, CaseIterable, Sendable {
  case q, k, v, o, gate, up, down

  /// The module's path inside its layer, as PEFT names it.
  package var path: String { projection.path }

  /// `[out, in]` of this map under `config`.
  package func shape(_ config: Qwen2Config) -> (out: Int, input: Int) { projection.shape(config) }

  var projection: Projection {
    switch self {
    case .q: .q
    case .k: .k
    case .v: .v
    case .o: .o
    case .gate: .gate
    case .up: .up
    case .down: .down
    }
  }
}

/// A matrix of the base, `[rows, columns]`, in the type in which it is stored.
package struct FrozenMatrix: Sendable {
  let matrix: Matrix

  package var rows: Int { matrix.rows }
  package var columns: Int { matrix.columns }

  /// The kernel's arguments for `y = self · x (+ bias)` over `n` rows.
  @unsafe package func map(
    x: UnsafePointer<Float>, n: Int, y: UnsafeMutablePointer<Float>, bias: UnsafePointer<Float>? = nil,
    add: Bool = false, terms: UnsafePointer<tk_low_rank>? = nil, termCount: Int = 0
  ) -> tk_linear_args {
    unsafe matrix.map(
      x: x, xStride: columns, n: n, y: y, yStride: rows, bias: bias, add: add, terms: terms,
      termCount: termCount)
  }

  /// Widens whole rows to float32, one after another.
  @unsafe package func widen(rows: Range<Int>, into target: UnsafeMutablePointer<Float>) {
    unsafe matrix.widen(rows: rows, into: target)
  }

  /// The kernel's arguments for `dX (+)= dY · self` over `n` rows: what goes back from the map's output to its input.
  @unsafe package func product(
    dY: UnsafePointer<Float>, n: Int, into dX: UnsafeMutablePointer<Float>, add: Bool
  ) -> tk_product_args {
    unsafe tk_product_args(
      m: n, n: columns, k: rows, scale: 1, a: dY, a_row: rows, a_column: 1, b: matrix.baseAddress,
      type: matrix.type, b_row: columns, b_column: 1, first_row: 0, first_column: 0, c: dX, c_row: columns,
      add: add)
  }
}

/// The weights of one block; pointers live as long as the model.
@safe package struct FrozenLayer: Sendable {
  let layer: Qwen2Layer

  package var inputNorm: UnsafePointer<Float> { unsafe UnsafePointer(layer.inputNorm.pointer) }
  package var postAttentionNorm: UnsafePointer<Float> {
    unsafe UnsafePointer(layer.postAttentionNorm.pointer)
  }
  package subscript(projection: TrainableProjection) -> FrozenMatrix {
    FrozenMatrix(matrix: layer[projection.projection])
  }
  package func bias(_ projection: TrainableProjection) -> UnsafePointer<Float>? {
    guard let vector = layer.biases[projection.projection.rawValue] else { return nil }
    return unsafe UnsafePointer(vector.pointer)
  }
}

extension Model {
  package func frozenLayer(_ index: Int) -> FrozenLayer { FrozenLayer(layer: weights.layers[index]) }
  package var frozenHead: FrozenMatrix { FrozenMatrix(matrix: weights.head) }
  package var frozenFinalNorm: UnsafePointer<Float> { unsafe UnsafePointer(weights.finalNorm.pointer) }
  package var frozenEmbedding: FrozenMatrix { FrozenMatrix(matrix: weights.embedding) }
}

extension CacheType {
  package var trainingKernelType: tk_type { kernelType }
}

/// Cosines and sines, the sampler's own.
package final class TrainingRotary {
  private let table: RotaryTable

  package init(_ config: Qwen2Config) { table = RotaryTable(config) }

  /// Tables `[positions, headDim / 2]` that hold at least `count` positions; valid until the next call.
  @unsafe package func tables(
    positions count: Int
  ) -> (cosine: UnsafePointer<Float>, sine: UnsafePointer<Float>, positions: Int) {
    let (cosine, sine) = unsafe table.tables(positions: count)
    return unsafe (cosine, sine, table.positions)
  }
}

/// Counter-based random numbers, the sampler's generator.
package enum CounterRandom {
  package static func block(
    counter: (UInt32, UInt32, UInt32, UInt32), key: (UInt32, UInt32)
  ) -> (UInt32, UInt32, UInt32, UInt32) {
    Philox.block(counter: counter, key: key)
  }
}
