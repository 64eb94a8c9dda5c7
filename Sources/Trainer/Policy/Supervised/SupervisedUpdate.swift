import Foundation
import ModelFiles
import TinaRuntime

/// Supervised fine-tuning: the mean loss over all tokens of a step that count, as TRL's `SFTTrainer` computes it.
struct SupervisedUpdate {
  let learner: AdapterLearner
  let loss: SupervisionSettings.Loss
  /// Most rows of a pass; a single longer document is a pass of its own.
  let rowLimit: Int

  /// Takes one optimiser step on the documents of each micro-batch.
  ///
  /// - Throws: as ``AdapterLearner/step(_:pieces:learn:fold:)``.
  func step(_ microBatches: [[Document]]) throws -> UpdateMetrics {
    var metrics = UpdateMetrics()
    metrics.accuracy = 0
    let all = Double(max(microBatches.reduce(0) { $0 + $1.reduce(0) { $0 + $1.labelCount } }, 1))
    let pieces = PieceOrder.longestFirst(
      microBatches.indices.flatMap { m in passes(microBatches[m]).map { (microBatch: m, documents: $0) } }
    ) { piece in piece.documents.reduce(0) { $0 + $1.tokens.count } }
    return try learner.step(metrics, pieces: pieces.count) {
      (index, dropout, gradient) throws(TrainerError) in
      try learn(pieces[index].documents, dropout, gradient, labels: all)
    } fold: { numbers, metrics in
      let share = 1 / Double(max(microBatches.count, 1))
      var sums = microBatches.map { _ in [0.0, 0.0, 0.0] }
      for (piece, numbers) in zip(pieces, numbers) where numbers.count == 4 {
        metrics.loss += numbers[0]
        for i in 0..<3 { sums[piece.microBatch][i] += numbers[1 + i] }
      }
      for sums in sums {
        metrics.entropy += share * sums[2] / max(sums[0], 1)
        metrics.accuracy? += share * sums[1] / max(sums[0], 1)
      }
    }
  }

  /// Adds the gradient of some documents; returns their part of the loss, their labelled tokens, how many of these were
  /// the likeliest, and their entropy.
  private func learn(
    _ documents: [Document], _ dropout: Dropout, _ gradient: FloatMemory, labels: Double
  ) throws(TrainerError) -> [Double] {
    let batch = GroupBatch(documents: documents)
    var sum = 0.0
    let values = try learner.pass.logProbabilities(
      batch, adapter: learner.parameters, dropout: dropout, gradient: gradient
    ) { values in
      values.logProbabilities.map { tokens in
        tokens.map { logProbability in
          let (value, slope) = self.loss.term(Double(logProbability))
          sum += value / labels
          return Float(slope / labels)
        }
      }
    }
    let entropy = values.entropies.reduce(0) { $0 + $1.reduce(0) { $0 + Double($1) } }
    return [sum, Double(batch.targets.count), Double(values.topCount), entropy]
  }

  /// Divides the documents of a micro-batch into runs that fit into one pass.
  private func passes(_ documents: [Document]) -> [[Document]] {
    var result: [[Document]] = []
    var rows = 0
    for document in documents {
      let count = document.tokens.count - 1
      if result.isEmpty || rows + count > rowLimit {
        result.append([])
        rows = 0
      }
      result[result.count - 1].append(document)
      rows += count
    }
    return result
  }
}

extension SupervisionSettings.Loss {
  /// The loss of a token of this ln p, and its derivative.
  fileprivate func term(_ logProbability: Double) -> (loss: Double, slope: Double) {
    switch self {
    case .nll: (-logProbability, -1)
    case .dft: (-logProbability * exp(logProbability), -exp(logProbability))
    }
  }
}
