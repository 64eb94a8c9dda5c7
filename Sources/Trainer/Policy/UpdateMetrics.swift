/// Numbers of one step.
struct UpdateMetrics: Sendable {
  var loss = 0.0
  var gradientNorm = 0.0
  var learningRate = 0.0
  var kl: Double?
  var entropy = 0.0
  var lowClipMean = 0.0
  var lowClipMin = 0.0
  var highClipMean = 0.0
  var highClipMax = 0.0
  var regionClipMean = 0.0
  /// Share of tokens that were the most probable ones; nil where they were sampled.
  var accuracy: Double?
  /// Tokens whose log-probability was compared with the sampler's, and how many of them differ in a bit.
  var checkedTokens = 0
  var differingTokens = 0
  /// How far a sampler with other numbers is from the trainer; nil in steps that sample nothing, and where the bits
  /// agree.
  var mismatch: SamplingMismatch?
  /// Norm of the change of the adapter's matrices.
  var changeNorm = 0.0
  /// Why the step was not taken; nil if it was.
  var skipped: String?
  /// Billions of operations a second, in products with weights and adapter, and over whole passes.
  var productRate: Double?
  var passRate: Double?
}
