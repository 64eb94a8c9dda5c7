import AdapterFormat
import ModelFiles
import TinaRuntime

/// A module that a run trains: where it is, its rank and its scale.
struct TrainedModule: Sendable, Equatable {
  let layer: Int
  let projection: Projection
  /// The pair's inner dimension, its frozen part included.
  let rank: Int
  let alpha: Double
  let scale: Float
  let origin: LowRankPair.ScaleOrigin
  /// How many of the last ranks stay as they begin.
  var frozenRank = 0

  /// The ranks that learn.
  var trainedRank: Int { rank - frozenRank }

  /// `layers.3.self_attn.q_proj`
  var name: String { projection.module(layer: layer) }

  /// Trained numbers in its two matrices.
  func count(_ config: Architecture) -> Int {
    let (output, input) = projection.shape(config)
    return trainedRank * (output + input)
  }
}

extension [TrainedModule] {
  /// The largest rank; 0 without modules.
  var maxRank: Int { map(\.rank).max() ?? 0 }
}
