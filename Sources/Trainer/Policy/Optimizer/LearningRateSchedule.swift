import Foundation

/// The step size over a run, under the names of Hugging Face's trainer.
public struct LearningRateSchedule: Sendable, Equatable {
  /// The shape of a schedule.
  public enum Kind: String, Sendable, CaseIterable {
    case constant
    case constantWithWarmup = "constant_with_warmup"
    case linear
    case cosine
    case cosineWithMinLR = "cosine_with_min_lr"
  }

  /// The shape.
  public var kind: Kind
  /// Steps over which the rate rises from 0.
  public var warmupSteps: Int
  /// Steps of the whole schedule.
  public var totalSteps: Int
  /// Where `cosine_with_min_lr` ends, as a share of the largest rate.
  public var minimumShare: Double

  /// Makes a schedule.
  public init(_ kind: Kind, warmupSteps: Int, totalSteps: Int, minimumShare: Double = 0) {
    self.kind = kind
    self.warmupSteps = warmupSteps
    self.totalSteps = totalSteps
    self.minimumShare = minimumShare
  }

  /// The step size of step number `step`, counted from 0, as a share of the largest.
  public func share(_ step: Int) -> Double {
    if kind == .constant { return 1 }
    if step < warmupSteps { return Double(step) / Double(max(1, warmupSteps)) }
    let rest = Double(max(1, totalSteps - warmupSteps))
    let progress = Double(step - warmupSteps) / rest
    switch kind {
    case .constant, .constantWithWarmup: return 1
    case .linear: return max(0, Double(totalSteps - step) / rest)
    case .cosine: return max(0, 0.5 * (1 + cos(.pi * progress)))
    case .cosineWithMinLR:
      let factor = 0.5 * (1 + cos(.pi * progress))
      return max(0, factor * (1 - minimumShare) + minimumShare)
    }
  }
}
