import AdapterFormat
import Foundation
import Grading
import ModelFiles
import Synchronization
public import TinaRuntime
import Tokenization
import Support

/// A request to end a run after the step that it is in; may be made from a signal's handler.
public final class StopRequest: Sendable {
  private let flag = Atomic<Bool>(false)
  /// A request that nobody has made yet.
  public init() {}
  /// Makes it.
  public func stop() { flag.store(true, ordering: .relaxed) }
  /// Whether it was made.
  public var isMade: Bool { flag.load(ordering: .relaxed) }
}

/// What a run does beside its recipe.
public struct TrainingOptions: Sendable {
  /// The run's folder.
  public var output: String
  /// Whether a run that the folder holds goes on; otherwise it is an error.
  public var resumes = true
  /// Goes on where a stop with an explanation would follow.
  public var ignoresMissingSignal = false
  /// Ends the run when the phase transition is certain.
  public var untilTransition = false
  /// Writes PEFT's files into each checkpoint too.
  public var peft = false
  /// What an hour costs, for the health line.
  public var dollarsPerHour = 0.0
  /// How the sampler keeps keys and values.
  public var cacheType = CacheType.f16
  /// Bytes that the run may take; 70 % of what is free when nil.
  public var memory: Int?

  /// The defaults, writing to `output`.
  public init(output: String) { self.output = output }
}

/// How a run ended.
public struct TrainingResult: Sendable {
  /// Steps done in all.
  public let step: Int
  /// The last checkpoint's adapter.
  public let adapter: String
  /// Why it ended.
  public let reason: String
}

/// A GRPO run: rollouts by this process's engine, steps by this process, one set of weights for both.
public final class TrainingRun {
  let recipe: Recipe
  let options: TrainingOptions
  let model: Model
  let source: any CompletionSource
  let builder: PromptBuilder
  let problems: ProblemSet
  let heldOut: ProblemSet?
  let parameters: LoRAParameters
  let update: PolicyUpdate
  let reward: RewardFunction
  let totalSteps: Int
  let stopStep: Int
  let grader = Grader()
  let base: BaseIdentity
  var state = Checkpoint.State()
  var log: MetricsLog
  var transition = PhaseTransition()
  var marks = RunMarks()
  /// Told one line a step.
  public var onLine: (String) -> Void = { _ in }
  private var skippedInRow = 0
  private var truncatedInRow = 0

  /// Opens everything that the recipe names, and refuses what cannot work, before anything is computed.
  ///
  /// - Parameters:
  ///   - recipe: what is to be done.
  ///   - model: the base.
  ///   - options: what is not the recipe's.
  ///   - completions: where they come from; an engine of this process when nil.
  ///   - gradients: how they are added up.
  /// - Throws: ``TrainerError``, and the errors of model, tokenizer and files.
  public init(
    _ recipe: Recipe, model: Model, options: TrainingOptions, completions: (any CompletionSource)? = nil,
    gradients: any GradientSum = SingleProcess()
  ) throws {
    self.recipe = recipe
    self.options = options
    self.model = model
    if let tensor = model.directory.weights.blocks.values.min(by: { $0.name < $1.name }) {
      throw TrainerError(
        .recipe, place: model.directory.path,
        found: "a base quantised to \(tensor.type.name) (\(tensor.name))",
        expected: "a base in F32, F16 or BF16",
        advice:
          "An adapter that is trained on a quantised base learns to make up for its rounding errors, and fits "
          + "no other. Train on the base it was made from; the adapter can be attached to the quantised one.")
    }
    builder = try PromptBuilder(recipe, model)
    let folder = NSString(string: recipe.path).deletingLastPathComponent
    func resolve(_ path: String) -> String {
      if path.hasPrefix("/") || FileManager.default.fileExists(atPath: path) { return path }
      return (folder.isEmpty ? "." : folder) + "/" + path
    }
    guard let dataset = recipe.datasetPath else {
      throw TrainerError(
        .recipe, place: recipe.path + ": dataset_path", found: "no data set", expected: "a file of problems",
        advice: "Give one with --data, as JSON lines with problem and solution or answer.")
    }
    problems = try ProblemSet(path: resolve(dataset))
    heldOut = try recipe.heldOutPath.map { (path) throws(TrainerError) in try ProblemSet(path: resolve(path))
    }
    totalSteps = recipe.totalSteps(problems: problems.problems.count)
    stopStep = min(recipe.stopStep ?? totalSteps, totalSteps)
    reward = RewardFunction(recipe.rewards, settings: recipe.rewardSettings)
    let candidate = try openedBase(model.directory)
    base = try BaseIdentity(of: candidate)
    if recipe.rewards.contains(where: \.kind.needsAnswer),
      let index = problems.problems.firstIndex(where: { $0.gold == nil })
    {
      throw TrainerError(
        .data, place: "\(problems.path), problem \(index + 1)", found: "no answer",
        expected: "a solution or answer",
        advice: "The recipe's rewards ask whether answers are right.")
    }
    let context = recipe.maxPromptLength + recipe.maxCompletionLength
    let plan = try MemoryPlan(recipe, model, limit: options.memory)
    parameters = try LoRAParameters(recipe.lora, for: model.config)
    state = Checkpoint.State(
      recipe: recipe.digest, data: problems.digest, base: base.digestText, seed: recipe.seed,
      rowLimit: plan.rowLimit)
    log = MetricsLog(folder: options.output)
    let last = try Self.prepareFolder(options, expecting: state)
    if let last { state = last }
    source =
      completions
      ?? LocalCompletions(
        Engine(
          model: model, cacheType: options.cacheType, contextLimit: min(context, model.config.maxPositions),
          batchLimit: 256, memoryBudget: plan.cacheBytes))
    let pass = try PolicyPass(model, cacheType: options.cacheType, activationLimit: plan.activationBytes)
    var settings = UpdateSettings()
    settings.loss = recipe.loss
    settings.optimizer = recipe.optimizer
    settings.scaling = recipe.scaling
    settings.groupsPerMicroBatch = recipe.batchSize / recipe.generations
    settings.iterations = recipe.iterations
    settings.masksTruncated = recipe.masksTruncated
    settings.temperature = recipe.scalesLogits ? recipe.sampling.temperature : 1
    settings.seed = recipe.seed
    settings.rowLimit = state.rowLimit
    update = PolicyUpdate(
      pass, parameters, settings, recipe.schedule(totalSteps: totalSteps), exchange: gradients)
    if let last {
      try Checkpoint.restore(update, last, run: options.output)
      try log.cut(after: last.step)
      marks = RunMarks.read(options.output)
      for line in log.lines() { observe(line) }
    } else {
      parameters.initialise(seed: recipe.seed)
      try log.cut(after: 0)
    }
    for note in recipe.notes + plan.notes { notes.append(note) }
    if let last { notes.append("going on after step \(last.step)") }
  }

  /// What should be known before the run starts, one sentence each.
  public private(set) var notes: [String] = []

  /// The last whole checkpoint's state if the folder holds a run of this recipe, data and base.
  private static func prepareFolder(
    _ options: TrainingOptions, expecting state: Checkpoint.State
  ) throws -> Checkpoint.State? {
    try FileManager.default.createDirectory(atPath: options.output, withIntermediateDirectories: true)
    Checkpoint.sweep(options.output)
    guard let step = Checkpoint.steps(in: options.output).last else { return nil }
    guard options.resumes else {
      throw TrainerError(
        .checkpoint, place: options.output, found: "a run at step \(step)", expected: "an empty folder",
        advice: "Name another folder with --output, or leave out --no-resume to go on.")
    }
    let last = try Checkpoint.state(run: options.output, step: step)
    let pairs = [
      ("recipe", last.recipe, state.recipe), ("data set", last.data, state.data),
      ("base", last.base, state.base),
      ("seed", "\(last.seed)", "\(state.seed)"),
    ]
    for (what, found, expected) in pairs where found != expected {
      throw TrainerError(
        .checkpoint, place: options.output, found: "a run of another \(what) (\(found.prefix(12)))",
        expected: "this one (\(expected.prefix(12)))", advice: "Name another folder with --output.")
    }
    return last
  }

  /// Runs to the end, to a request to stop, or to an error that needs a person.
  public func run(_ stop: StopRequest = StopRequest()) async throws -> TrainingResult {
    if state.step == 0 { try await evaluateHeldOut() }
    var reason = "all steps are done"
    while state.step < stopStep {
      if stop.isMade {
        reason = "stopped as asked"
        break
      }
      let begin = ContinuousClock.now
      let before = state.step
      var rollout = try await rollOut()
      rollout.seconds = (ContinuousClock.now - begin).inSeconds
      try checkSignal(rollout)
      let generation = try update.prepare(rollout.groups)
      for iteration in 0..<recipe.iterations where state.step < stopStep {
        let start = iteration == 0 ? begin : ContinuousClock.now
        let metrics = try update.step(generation, iteration: iteration)
        state.step += 1
        try take(metrics, rollout, seconds: (ContinuousClock.now - start).inSeconds)
      }
      let crossed = { (every: Int) in before / every != self.state.step / every }
      let isEnd = state.step >= stopStep
      if crossed(recipe.saveSteps) || isEnd || stop.isMade { try save(isLast: isEnd || stop.isMade) }
      if isEnd || recipe.evalSteps.map(crossed) ?? false { try await evaluateHeldOut() }
      if options.untilTransition, let turn = transition.turn {
        try save(isLast: true)
        reason = "the phase transition was at step \(turn)"
        break
      }
    }
    if Checkpoint.steps(in: options.output).last != state.step { try save(isLast: true) }
    return TrainingResult(
      step: state.step, adapter: Checkpoint.folder(options.output, state.step) + "/adapter.tina",
      reason: reason)
  }

  private func take(_ metrics: UpdateMetrics, _ rollout: Rollout, seconds: Double) throws {
    state.spentSeconds += seconds
    state.tokens += rollout.tokens
    if let why = metrics.skipped {
      state.skipped += 1
      skippedInRow += 1
      onLine("step \(state.step): not made, because \(why); the adapter is as it was")
    } else {
      skippedInRow = 0
    }
    let values = MetricsLog.values(self, metrics, rollout, seconds: seconds)
    try log.write(step: state.step, values)
    try log.writeSamples(step: state.step, rollout)
    let line = MetricsLog.Line(step: state.step, values: Dictionary(values) { $1 })
    observe(line)
    onLine(MetricsLog.health(self, metrics, rollout, seconds: seconds))
    if metrics.differingTokens > 0 {
      throw TrainerError(
        .notFinite, place: "step \(state.step)",
        found:
          "\(metrics.differingTokens) of \(metrics.checkedTokens) log-probabilities of the sampler that differ from the trainer's",
        expected: "the same bits", advice: "This is a defect of the program; please report it.")
    }
    if skippedInRow >= 3 {
      throw TrainerError(
        .notFinite, place: "step \(state.step)",
        found: "three steps in a row that could not be made (\(metrics.skipped ?? ""))",
        expected: "finite numbers",
        advice: "Lower learning_rate or max_grad_norm and go on from the last checkpoint.")
    }
  }

  /// Feeds the detector; also with what was logged before a resumption.
  private func observe(_ line: MetricsLog.Line) {
    guard let format = line.values["rewards/format_reward/mean"],
      let length = line.values["completions/mean_length"]
    else { return }
    if transition.add(step: line.step, format: format, length: length) {
      marks.transition = transition.turn
      marks.beforeTransition = Checkpoint.steps(in: options.output).last { $0 <= transition.turn ?? 0 }
      try? marks.write(options.output)
      if let step = marks.beforeTransition {
        try? Checkpoint.detach(step, initialSeed: recipe.seed, run: options.output)
      }
      onLine("phase transition at step \(transition.turn ?? 0), certain at step \(line.step)")
    }
  }

  /// Stops a run that would teach nothing.
  private func checkSignal(_ rollout: Rollout) throws(TrainerError) {
    if options.ignoresMissingSignal { return }
    let flag = " Give --ignore-missing-signal to go on all the same."
    truncatedInRow = rollout.truncatedShare > 0.5 ? truncatedInRow + 1 : 0
    if rollout.truncatedShare > 0.5, state.step == 0 || truncatedInRow >= 3 {
      throw TrainerError(
        .noSignal, place: "step \(state.step + 1)",
        found:
          "\(Int(100 * rollout.truncatedShare)) % of completions cut off at \(recipe.maxCompletionLength) tokens",
        expected: "at most half", advice: "Raise max_completion_length." + flag)
    }
    guard state.step == 0 else { return }
    for (component, row) in zip(reward.components, rollout.values) {
      let all = row.flatMap { $0 }
      guard let first = all.first, all.allSatisfy({ $0 == first }) else { continue }
      let sample = rollout.texts.first?.first ?? ""
      throw TrainerError(
        .noSignal, place: "step 1: the reward " + component.kind.rawValue,
        found: "\(first.map { "\($0)" } ?? "undecided") for all \(all.count) completions",
        expected: "values that differ",
        advice: "A constant component teaches nothing. The first completion ended in: "
          + "\"\(sample.suffix(120).replacingOccurrences(of: "\n", with: "\\n"))\"." + flag)
    }
  }

  /// Every so many checkpoints a file needs no other, so that no chain of differences is longer.
  static let chain = 8

  /// - Parameter isLast: whether the run ends here: the file then needs no other.
  func save(isLast: Bool) throws {
    let steps = Checkpoint.steps(in: options.output).filter { $0 < state.step }
    let isKey = isLast || state.step / recipe.saveSteps % Self.chain == 0
    let training = JSONObject([
      ("algorithm", .string("grpo")), ("step", JSONValue(state.step)),
      ("recipe_sha256", .string(recipe.digest)),
      ("loss_type", .string(recipe.loss.type.rawValue)),
      ("rewards", .array(recipe.rewards.map { .string($0.kind.rawValue) })),
      ("reward_weights", .array(recipe.rewards.map { JSONValue($0.weight) })),
      ("data", .string(recipe.datasetName)), ("data_sha256", .string(problems.digest)),
      ("seed", JSONValue(Int(clamping: recipe.seed))),
    ])
    state.optimizerSteps = update.optimizer.step
    state.passes = update.passes
    let name = NSString(string: model.directory.path).lastPathComponent
    try Checkpoint.save(
      state, update, archive: parameters.archive(baseModelName: name, base: base, training: training),
      initialSeed: recipe.seed, parent: isKey ? nil : steps.last, peft: options.peft, run: options.output)
    if let limit = recipe.saveLimit {
      let kept = [marks.best, marks.beforeTransition, steps.last { $0 <= transition.candidate }]
      let old = Checkpoint.steps(in: options.output).filter { !kept.contains($0) }.dropLast(limit)
      for step in old { try Checkpoint.remove(step, initialSeed: recipe.seed, run: options.output) }
    }
  }
}
