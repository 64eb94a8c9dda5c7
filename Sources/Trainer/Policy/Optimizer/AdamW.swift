import CKernels
import Foundation
import TinaRuntime

/// PyTorch's AdamW, with moments in float32.
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

  /// The factor by which PyTorch's clip_grad_norm_ scales a gradient of this norm.
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
