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

  mutating func read(_ reader: inout RecipeReader) throws(TrainerError) {
    try reader.read("learning_rate", into: &learningRate, 0...10)
    try reader.read("adam_beta1", into: &beta1, 0...0.999999)
    try reader.read("adam_beta2", into: &beta2, 0...0.9999999)
    try reader.read("adam_epsilon", into: &epsilon, 1e-30...1)
    try reader.read("weight_decay", into: &weightDecay, 0...1)
    try reader.read("max_grad_norm", into: &maxGradNorm, 0...1e9)
  }
}
