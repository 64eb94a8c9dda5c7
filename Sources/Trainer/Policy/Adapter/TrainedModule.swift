import AdapterFormat
import ModelFiles
import TinaRuntime

/// A module that a run trains: where it is, its rank and its scale.
struct TrainedModule: Sendable, Equatable {
  let layer: Int
  let projection: Projection
  let rank: Int
  let alpha: Double
  let scale: Float
  let origin: LowRankPair.ScaleOrigin

  /// `layers.3.self_attn.q_proj`
  var name: String { projection.module(layer: layer) }

  /// Numbers in its two matrices.
  func count(_ config: Architecture) -> Int {
    let (output, input) = projection.shape(config)
    return rank * (output + input)
  }
}

extension [TrainedModule] {
  /// The largest rank; 0 without modules.
  var maxRank: Int { map(\.rank).max() ?? 0 }
}
