import ModelFiles
import Processes
import TinaRuntime

/// What every way of learning shares: an adapter's matrices, the pass through the model, gradient and optimiser.
@safe final class AdapterLearner {
  let pass: PolicyPass
  let parameters: LoRAParameters
  let schedule: LearningRateSchedule
  let optimizer: AdamW
  /// The sum over all pieces of a step.
  let gradient: FloatMemory
  let processes: any ProcessGroup
  /// Number of passes with dropout so far; each has its own mask.
  var passes: UInt32 = 0
  /// The gradient of one piece.
  private let part: FloatMemory
  private let seed: UInt64

  /// Matrices and moments, which a checkpoint stores.
  var memories: [FloatMemory] { [parameters.values, optimizer.first, optimizer.second] }

  init(
    _ pass: PolicyPass, _ parameters: LoRAParameters, _ optimizer: OptimizerSettings,
    _ schedule: LearningRateSchedule, seed: UInt64, processes: any ProcessGroup
  ) {
    self.pass = pass
    self.parameters = parameters
    self.schedule = schedule
    self.optimizer = AdamW(optimizer, count: parameters.count)
    self.processes = processes
    self.seed = seed
    gradient = FloatMemory(parameters.count)
    part = FloatMemory(parameters.count)
  }

  /// The dropout of a piece of the step that comes next, or is being made.
  func dropout(ofPiece piece: Int) -> Dropout {
    let pass = passes &+ UInt32(truncatingIfNeeded: piece) &+ 1
    return Dropout(probability: parameters.settings.dropout, seed: seed, pass: pass)
  }

  /// Takes one optimiser step. A loss or gradient that is not finite leaves the adapter as it is.
  ///
  /// The step is cut into pieces, each of which goes through the model once. The gradient of each piece is summed by
  /// itself, and the pieces' gradients one after another. So the sum has the same bits whichever process has which
  /// piece.
  ///
  /// - Parameters:
  ///   - metrics: numbers of the step that are known before.
  ///   - pieces: the number of pieces.
  ///   - learn: adds the gradient of a piece to some memory that is zero, and returns the piece's other numbers.
  ///   - fold: enters the numbers of all pieces, in their order, into the metrics.
  /// - Throws: errors of the exchange with other processes, and ``TrainerError`` when a finite step leads to an adapter
  ///   that is not finite.
  func step(
    _ metrics: UpdateMetrics, pieces: Int,
    learn: (_ piece: Int, _ dropout: Dropout, _ gradient: FloatMemory) throws(TrainerError) -> [Double],
    fold: (_ numbers: [[Double]], _ metrics: inout UpdateMetrics) -> Void
  ) throws -> UpdateMetrics {
    var metrics = metrics
    metrics.learningRate = optimizer.settings.learningRate * schedule.share(optimizer.step)
    pass.clock.reset()
    let mine = try addUp(pieces, learn)
    parameters.clearFrozen(in: gradient)
    passes &+= UInt32(truncatingIfNeeded: pieces)
    let results = try processes.gather(PieceResult.bytes(mine)).flatMap { try PieceResult.read($0) }
      .sorted { $0.piece < $1.piece }
    if let failure = results.first(where: { $0.failure != nil })?.failure {
      metrics.loss = .nan
      metrics.skipped = failure
      // What it is depends on which pieces came after.
      metrics.gradientNorm = .nan
    } else {
      fold(results.map(\.numbers), &metrics)
      metrics.gradientNorm = gradient.norm
    }
    metrics.productRate = pass.clock.rate([.maps, .backwardMaps, .head])
    metrics.passRate = pass.clock.wholeRate
    if !metrics.loss.isFinite {
      metrics.skipped = metrics.skipped ?? "the loss is \(metrics.loss)"
    } else if !metrics.gradientNorm.isFinite {
      let pair = parameters.pairs.first {
        !gradient.isFinite($0.a..<$0.a + $0.aCount) || !gradient.isFinite($0.b..<$0.b + $0.bCount)
      }
      metrics.skipped =
        "the gradient's norm is \(metrics.gradientNorm)" + (pair.map { ", not finite in " + $0.name } ?? "")
    } else {
      metrics.changeNorm = optimizer.update(
        parameters.values, gradient: gradient, factor: optimizer.clipFactor(norm: metrics.gradientNorm),
        rate: metrics.learningRate, pool: pass.pool)
      try processes.together {
        guard !metrics.changeNorm.isFinite else { return }
        throw TrainerError(
          .notFinite, place: "step \(optimizer.step)", found: "matrices that overflowed",
          expected: "finite numbers",
          advice: "Lower learning_rate and go on from the last checkpoint.")
      }
    }
    return metrics
  }

  /// Sums the gradients of all pieces. The processes take turns: in each round each of them has one piece.
  ///
  /// - Returns: what this process found in its own pieces.
  private func addUp(
    _ pieces: Int, _ learn: (Int, Dropout, FloatMemory) throws(TrainerError) -> [Double]
  ) throws -> [PieceResult] {
    var results: [PieceResult] = []
    gradient.clear()
    let sum = unsafe UnsafeMutableBufferPointer(start: gradient.pointer, count: gradient.count)
    for first in stride(from: 0, to: pieces, by: processes.count) {
      let piece = first + processes.rank
      part.clear()
      if piece < pieces, results.allSatisfy({ $0.failure == nil }) {
        do throws(TrainerError) {
          results.append(
            PieceResult(piece: piece, numbers: try learn(piece, dropout(ofPiece: piece), part)))
        } catch {
          guard error.kind == .notFinite else { throw error }
          results.append(PieceResult(piece: piece, failure: error.found))
        }
      }
      unsafe try processes.add(
        UnsafeMutableBufferPointer(start: part.pointer, count: part.count),
        parts: min(processes.count, pieces - first), to: sum)
    }
    unsafe try processes.complete(sum)
    return results
  }
}
