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
  /// - Throws: as ``AdapterLearner/step(_:learn:)``.
  func step(_ microBatches: [[Document]]) throws -> UpdateMetrics {
    var metrics = UpdateMetrics()
    metrics.accuracy = 0
    let all = microBatches.reduce(0) { $0 + $1.reduce(0) { $0 + $1.labelCount } }
    let share = 1 / Double(max(microBatches.count, 1))
    return try learner.step(metrics) { (metrics) throws(TrainerError) in
      for m in learner.exchange.share(ofMicroBatches: microBatches.count) {
        var (tokens, top, entropy) = (0, 0, 0.0)
        for documents in passes(microBatches[m]) {
          let batch = GroupBatch(documents: documents)
          let values = try learner.pass.logProbabilities(
            batch, adapter: learner.parameters, dropout: learner.nextDropout(), gradient: learner.gradient
          ) { values in
            values.logProbabilities.map { tokens in
              tokens.map { logProbability in
                let (value, slope) = self.loss.term(Double(logProbability))
                metrics.loss += value / Double(max(all, 1))
                return Float(slope / Double(max(all, 1)))
              }
            }
          }
          tokens += batch.targets.count
          top += values.topCount
          entropy += values.entropies.reduce(0) { $0 + $1.reduce(0) { $0 + Double($1) } }
        }
        metrics.entropy += share * entropy / Double(max(tokens, 1))
        metrics.accuracy? += share * Double(top) / Double(max(tokens, 1))
      }
    }
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
