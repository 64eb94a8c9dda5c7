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
  /// Most rows of a pass; a single longer completion is a pass of its own.
  var rowLimit: Int

  /// Steps from one generation to the next.
  var stepsPerGeneration: Int { parts * iterations }

  init(_ recipe: Recipe, rowLimit: Int) {
    loss = recipe.loss
    scaling = recipe.scaling
    batchSize = recipe.batchSize
    parts = recipe.rolloutParts
    iterations = recipe.iterations
    masksTruncated = recipe.masksTruncated
    temperature = recipe.scalesLogits ? recipe.sampling.temperature : 1
    self.rowLimit = rowLimit
  }
}
