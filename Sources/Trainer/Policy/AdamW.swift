import CKernels
import Foundation

/// How matrices follow their gradients.
public struct OptimizerSettings: Sendable, Equatable {
  /// The largest step size.
  public var learningRate: Double
  /// Decay of the mean of gradients.
  public var beta1: Double
  /// Decay of the mean of squared gradients.
  public var beta2: Double
  /// Added to the root of the mean square.
  public var epsilon: Double
  /// Decay of the weights themselves, decoupled from the gradient.
  public var weightDecay: Double
  /// The gradient is scaled down to this norm; 0 leaves it.
  public var maxGradNorm: Double

  /// The defaults of Hugging Face's trainer, with Tina's step size.
  public init(
    learningRate: Double = 1e-6, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    weightDecay: Double = 0, maxGradNorm: Double = 1
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.maxGradNorm = maxGradNorm
  }
}

/// AdamW as PyTorch has it, moments in float32.
@safe final class AdamW {
  let settings: OptimizerSettings
  let first: FloatMemory
  let second: FloatMemory
  /// Steps taken.
  var step = 0

  init(_ settings: OptimizerSettings, count: Int) {
    self.settings = settings
    first = FloatMemory(count)
    second = FloatMemory(count)
  }

  /// What PyTorch's clip_grad_norm_ multiplies a gradient of this norm by.
  func clipFactor(norm: Double) -> Double {
    settings.maxGradNorm > 0 ? min(1, settings.maxGradNorm / (norm + 1e-6)) : 1
  }

  /// One step of size `rate` along `gradient · factor`; returns the norm of the change.
  func update(_ values: FloatMemory, gradient: FloatMemory, factor: Double, rate: Double, pool: WorkPool)
    -> Double
  {
    step += 1
    let s = settings
    let correction1 = 1 - pow(s.beta1, Double(step))
    let correction2 = (1 - pow(s.beta2, Double(step))).squareRoot()
    let kernel = tk_adamw(
      factor: Float(factor), b1: Float(s.beta1), c1: Float(1 - s.beta1), b2: Float(s.beta2),
      c2: Float(1 - s.beta2), keep: Float(1 - rate * s.weightDecay), step: Float(rate / correction1),
      root: Float(correction2), epsilon: Float(s.epsilon))
    let piece = 16384
    var changes = [Double](repeating: 0, count: (values.count + piece - 1) / piece)
    unsafe changes.withUnsafeMutableBufferPointer { changes in
      pool.run(count: values.count, inPiecesOf: piece) { range in
        let start = range.lowerBound
        unsafe changes[start / piece] = withUnsafePointer(to: kernel) { kernel in
          unsafe tk_adamw_step(
            kernel, gradient.pointer + start, values.pointer + start, first.pointer + start,
            second.pointer + start, range.count)
        }
      }
    }
    return changes.reduce(0, +).squareRoot()
  }
}

/// How the step size changes over a run.
public struct LearningRateSchedule: Sendable, Equatable {
  /// The schedules' names in Hugging Face's trainer.
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

  /// The share of the largest rate that step number `step` takes, counted from 0.
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
