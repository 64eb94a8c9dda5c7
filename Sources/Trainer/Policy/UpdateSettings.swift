import TinaRuntime

/// Settings of a run's steps.
struct UpdateSettings: Sendable {
  var loss: LossSettings
  var scaling: RewardScaling
  /// Completions over which token losses are averaged together.
  var batchSize: Int
  /// Parts of a generation, each of which one step learns from.
  var parts: Int
  /// Steps on the same completions.
  var iterations: Int
  var masksTruncated: Bool
  /// Divides the logits in the loss; 1 as in Tina.
  var temperature: Float
  /// For a sampler whose log-probabilities are not the trainer's; nil where they are its bits.
  var correction: SamplingCorrection?
  /// Most rows of a pass; a single longer completion is a pass of its own.
  var rowLimit: Int

  /// Steps from one generation to the next.
  var stepsPerGeneration: Int { parts * iterations }

  /// - Parameter isExact: whether the sampler's log-probabilities are the trainer's bits.
  init(_ recipe: Recipe, rowLimit: Int, isExact: Bool = true) {
    loss = recipe.loss
    scaling = recipe.scaling
    batchSize = recipe.batchSize
    parts = recipe.rolloutParts
    iterations = recipe.iterations
    masksTruncated = recipe.masksTruncated
    temperature = recipe.scalesLogits ? recipe.sampling.temperature : 1
    correction = isExact ? nil : recipe.correction
    self.rowLimit = rowLimit
  }
}
