import ModelFiles

/// Settings of AdamW.
public struct OptimizerSettings: Sendable, Equatable {
  /// The largest step size.
  public var learningRate: Double
  /// Decay of the mean of gradients.
  public var beta1: Double
  /// Decay of the mean of squared gradients.
  public var beta2: Double
  /// Added to the root of the mean square.
  public var epsilon: Double
  /// Decay of the weights, decoupled from the gradient.
  public var weightDecay: Double
  /// Largest norm of a gradient; larger ones are scaled down. 0: no limit.
  public var maxGradNorm: Double

  /// Defaults: those of Hugging Face's trainer, with Tina's step size.
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

  mutating func read(_ reader: inout RecipeReader) throws(TrainerError) {
    learningRate = try reader.number("learning_rate", 0...10) ?? learningRate
    beta1 = try reader.number("adam_beta1", 0...0.999999) ?? beta1
    beta2 = try reader.number("adam_beta2", 0...0.9999999) ?? beta2
    epsilon = try reader.number("adam_epsilon", 1e-30...1) ?? epsilon
    weightDecay = try reader.number("weight_decay", 0...1) ?? weightDecay
    maxGradNorm = try reader.number("max_grad_norm", 0...1e9) ?? maxGradNorm
  }
}
