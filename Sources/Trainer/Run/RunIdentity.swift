import ModelFiles
import Processes
import Support
import TinaRuntime

/// What the processes of a run must have alike to give the same bits.
struct RunIdentity {
  let facts: [(name: String, value: String)]

  /// - Parameter isExact: whether the sampler's log-probabilities are the trainer's bits.
  init(_ setup: RunSetup, _ options: TrainingOptions, isExact: Bool) {
    let about = setup.builder.about
    facts = [
      ("recipe", setup.recipe.digest), ("seed", String(setup.recipe.seed)),
      ("base", setup.base.digestText), ("data", setup.data.digest),
      ("held-out problems", setup.heldOut?.digest ?? "none"),
      ("adapter to start from", setup.start?.digest ?? "none"), ("template", about.template),
      ("system message", about.system ?? "none"),
      ("activations", setup.model.activations.rawValue), ("cache type", options.cacheType.rawValue),
      ("last step", String(setup.stopStep)), ("rollouts", isExact ? "the trainer's bits" : "other programs'"),
      ("end at the phase transition", options.untilTransition ? "yes" : "no"),
    ]
  }

  /// What the kernels of this machine make of the base: log-probabilities and gradients of a few tokens under the
  /// adapter of a new run.
  ///
  /// The learner's gradient serves as memory.
  static func arithmetic(of learner: AdapterLearner, vocabulary: Int) throws(TrainerError) -> String {
    func tokens(_ count: Int, _ seed: Int) -> [Int] { (0..<count).map { ($0 * 7 + seed) * 31 % vocabulary } }
    let batch = GroupBatch(prompt: tokens(19, 1), completions: [tokens(13, 2), tokens(5, 3)])
    learner.gradient.clear()
    defer { learner.gradient.clear() }
    let values = try learner.pass.logProbabilities(
      batch, adapter: learner.parameters, dropout: .none, gradient: learner.gradient
    ) { $0.logProbabilities.map { $0.map { _ in 1 } } }
    var digest = Digest()
    digest.update(Message { $0.add(values.logProbabilities.flatMap { $0 }) }.bytes)
    let gradient = learner.gradient.bytes
    digest.update(gradient.bytes)
    return hexadecimal(digest.finish())
  }
}
