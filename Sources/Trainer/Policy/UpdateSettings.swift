import TinaRuntime

/// Settings of a run's steps.
struct UpdateSettings: Sendable {
  var loss: LossSettings
  var optimizer: OptimizerSettings
  var scaling: RewardScaling
  /// Groups over which token losses are averaged together.
  var groupsPerMicroBatch: Int
  /// Steps on the same completions.
  var iterations: Int
  var masksTruncated: Bool
  /// Divides the logits in the loss; 1 as in Tina.
  var temperature: Float
  var seed: UInt64
  /// Most rows of a pass; a single longer completion is a pass of its own.
  var rowLimit: Int

  init(_ recipe: Recipe, rowLimit: Int) {
    loss = recipe.loss
    optimizer = recipe.optimizer
    scaling = recipe.scaling
    groupsPerMicroBatch = recipe.batchSize / recipe.generations
    iterations = recipe.iterations
    masksTruncated = recipe.masksTruncated
    temperature = recipe.scalesLogits ? recipe.sampling.temperature : 1
    seed = recipe.seed
    self.rowLimit = rowLimit
  }
}
