import AdapterFormat
import Judging
import ModelFiles
package import Processes
import Support
public import TinaRuntime

/// A training run: samples, scores and learns, on one copy of the weights.
///
/// Several processes may share it. Each samples and learns its share of a step, and all take the same step; the first
/// one writes. The run's files do not depend on how many there are.
public final class TrainingRun {
  private let processes: any ProcessGroup
  private let setup: RunSetup
  private let options: TrainingOptions
  private let folder: RunFolder
  /// Held from the beginning to the end of the run.
  private var lock: FolderLock?
  private let sampler: RolloutSampler
  /// The processes of reward commands; none but in the first process.
  private let judges: [Judge]
  private let parameters: LoRAParameters
  private let learner: AdapterLearner
  private let update: PolicyUpdate
  private var state: RunState
  /// The records beside the checkpoints, which the first process writes; nil in the others.
  private var journal: RunJournal?
  private var check: SignalCheck

  private var recipe: Recipe { setup.recipe }

  /// Receives one line a step.
  public var onLine: (String) -> Void {
    get { journal?.onLine ?? { _ in } }
    set { journal?.onLine = newValue }
  }

  /// Facts that a person should know before the run starts, one sentence each.
  public let notes: [String]

  /// Opens everything that the recipe names, and refuses what can't work, before anything is computed.
  ///
  /// - Parameters:
  ///   - recipe: the recipe.
  ///   - model: the base.
  ///   - options: what the recipe does not hold.
  ///   - completions: the source of completions; an engine of this process when nil.
  ///   - rewards: rewards beside the recipe's.
  /// - Throws: ``TrainerError``, `JudgeError` for a reward command that is not there, and the errors of model,
  ///   tokenizer and files.
  public convenience init(
    _ recipe: Recipe, model: Model, options: TrainingOptions, completions: (any CompletionSource)? = nil,
    rewards: [OwnReward] = []
  ) throws {
    try self.init(
      recipe, model: model, options: options, completions: completions, rewards: rewards,
      processes: SingleProcess())
  }

  /// As the other one, for a run that several processes share.
  ///
  /// - Throws: also `ProcessError`: an exchange failed, or a process would give other bits.
  package init(
    _ recipe: Recipe, model: Model, options: TrainingOptions, completions: (any CompletionSource)? = nil,
    rewards: [OwnReward] = [], processes: any ProcessGroup
  ) throws {
    let recipe = try processes.together { try recipe.adding(rewards) }
    // The first process alone asks commands, and tells the others.
    let judges = try processes.together { () throws -> [Judge] in
      try processes.isFirst ? recipe.rewardCommands.map { try Judge($0) } : []
    }
    let setup = try processes.together { try RunSetup(recipe, model, options) }
    try processes.compare(
      RunIdentity(setup, options, isExact: completions?.isExact ?? true).facts,
      advice: "Give every process the same command, and the same files under its names.")
    parameters = LoRAParameters(setup.start?.settings ?? recipe.lora, setup.modules, for: model.config)
    let learner = AdapterLearner(
      try PolicyPass(model, cacheType: options.cacheType, activationLimit: setup.plan.activationBytes),
      parameters, recipe.optimizer, recipe.schedule(totalSteps: setup.totalSteps), seed: recipe.seed,
      processes: processes)
    parameters.initialise(seed: recipe.seed)
    if processes.count > 1 {
      let arithmetic = try processes.together {
        try RunIdentity.arithmetic(of: learner, vocabulary: model.config.vocabSize)
      }
      try processes.compare(
        [("results of the kernels", arithmetic)],
        advice:
          "This is a defect of the program or of that machine; leave the machine out, and please report it.")
    }
    let first = setup.firstState(rowLimit: try processes.least(setup.plan.rowLimit))
    let folder = RunFolder(path: options.output, seed: recipe.seed)
    var lock: FolderLock?
    let saved = try processes.fromFirst {
      lock = try folder.lock()
      let last = try folder.open(expecting: first, resumes: options.resumes)
      let about = options.output + "/about.json"
      try RunFolder.write(
        setup.about(
          goingOnAfter: last?.step ?? 0, last.flatMap { _ in try? JSON.object(path: about) }, options),
        to: about)
      try RunFolder.write(setup.resolved.text, to: options.output + "/" + ResolvedRecipe.name)
      guard let last else { return [] }
      try folder.restore(learner, last)
      return last.bytes
    }
    let last = saved.isEmpty ? nil : try RunState(reading: saved)
    state = last ?? first
    state.rewardFiles = first.rewardFiles
    if let last {
      for memory in learner.memories {
        unsafe try processes.spread(
          UnsafeMutableRawBufferPointer(start: memory.pointer, count: memory.count * 4))
      }
      learner.optimizer.step = last.optimizerSteps
      learner.passes = last.passes
    } else if let start = setup.start {
      start.write(to: parameters)
    } else if recipe.lora.initialisation == .pissa {
      // Decompositions may differ in their last bits from machine to machine: the first process's count.
      if processes.isFirst { PrincipalBeginning.write(to: parameters, of: model) }
      unsafe try processes.spread(
        UnsafeMutableRawBufferPointer(start: parameters.values.pointer, count: parameters.values.count * 4))
    }
    let source = completions ?? LocalCompletions(setup.engine)
    sampler = RolloutSampler(
      recipe, setup.builder,
      processes.count > 1 ? SharedCompletions(source: source, processes: processes) : source,
      own: processes.isFirst ? recipe.ownRewards(judges, rewards) : [], processes: processes)
    var reference: LoRAParameters?
    if recipe.reference == .initial, let start = setup.start {
      let frozen = LoRAParameters(start.settings, setup.modules, for: model.config)
      start.write(to: frozen)
      reference = frozen
    }
    update = PolicyUpdate(
      learner, UpdateSettings(recipe, rowLimit: state.rowLimit, isExact: source.isExact), reference: reference
    )
    var advice: [String] = []
    journal = try processes.together { () throws -> RunJournal? in
      guard processes.isFirst else { return nil }
      var journal = try RunJournal(
        folder, RunAdvice(recipe, totalSteps: setup.totalSteps), goingOnAfter: last?.step)
      advice = try journal.advise { setup.advice(&$0) }
      return journal
    }
    check = SignalCheck(recipe, isIgnored: options.ignoresMissingSignal)
    notes =
      recipe.notes + (recipe.lossNote.map { [$0] } ?? []) + (setup.start?.notes ?? []) + setup.data.notes
      + setup.plan.notes + advice + (last.map { ["going on after step \($0.step)"] } ?? [])
      + (last.map { $0.rewardFiles != first.rewardFiles } ?? false
        ? ["the files of a reward command are others than when this run was saved; it goes on with them"]
        : [])
    self.setup = setup
    self.options = options
    self.folder = folder
    self.lock = lock
    self.judges = judges
    self.learner = learner
    self.processes = processes
  }

  /// Runs to the last step, to a request to stop, or to an error.
  public func run(_ stop: StopRequest = StopRequest()) async throws -> TrainingResult {
    try processes.together { if lock == nil, processes.isFirst { lock = try folder.lock() } }
    defer { lock = nil }
    for judge in judges { judge.start() }
    do {
      let result = try await steps(until: stop)
      for judge in judges { await judge.end() }
      return result
    } catch {
      for judge in judges { judge.cancel() }
      throw error
    }
  }

  private func steps(until stop: StopRequest) async throws -> TrainingResult {
    // A process that was killed may have saved a checkpoint without evaluating it.
    let isMissing = try processes.first(!(journal?.evaluated.contains(state.step) ?? true))
    if isEvaluated(state.step), isMissing { try await evaluateHeldOut() }
    var reason =
      setup.stopStep < setup.totalSteps
      ? "this was the step to stop at; \(setup.totalSteps) are planned"
      : "all \(setup.totalSteps) steps are done"
    while state.step < setup.stopStep {
      if try processes.any(stop.isMade) {
        reason = "stopped as asked"
        break
      }
      let before = state.step
      switch setup.data {
      case .problems(let problems): try await learnFromRollout(problems)
      case .documents(let documents): try learn(from: documents)
      }
      let crossed = { (every: Int) in before / every != self.state.step / every }
      let isEnd = state.step >= setup.stopStep
      let isStopped = try processes.any(stop.isMade)
      if crossed(recipe.saveSteps) || isEnd || isStopped { try save(isLast: isEnd || isStopped) }
      if isEnd || recipe.evalSteps.map(crossed) ?? false { try await evaluateHeldOut() }
      if options.untilTransition, try processes.first(journal?.transition.turn != nil) {
        try save(isLast: true)
        reason = "the phase transition was at step \(journal?.transition.turn ?? state.step)"
        break
      }
    }
    if try processes.first(folder.steps.last != state.step) { try save(isLast: true) }
    // A process that was killed may have saved without removing.
    try processes.together { try removeOldCheckpoints() }
    return TrainingResult(step: state.step, adapter: folder.adapter(state.step), reason: reason)
  }

  /// Samples completions once, and takes the recipe's number of steps on them.
  private func learnFromRollout(_ problems: ProblemSet) async throws {
    var start = ContinuousClock.now
    let first = state.asked ?? state.step / recipe.stepsPerRollout * recipe.promptsPerStep
    // The first step is made only if its rewards can teach something; then learning need not wait for the last one.
    let defers = state.step > 0 || options.ignoresMissingSignal
    var rollout = try await sampler.sample(problems, from: first, attached(), defers: defers)
    if recipe.refillsGroups { state.asked = first + rollout.asked }
    try processes.together { try check.check(rollout, step: state.step + 1) }
    let generation = try update.prepare(rollout.groups, pending: rollout.pending)
    for number in 0..<recipe.stepsPerRollout where state.step < setup.stopStep {
      let metrics = try update.step(generation, number: number)
      if let pending = rollout.pending { rollout = try pending.complete(rollout) }
      for note in judges.flatMap({ $0.takeNotes() }) { journal?.onLine(note) }
      try compare(metrics, rollout)
      // Nothing is kept that was learnt from weights that changed.
      try setup.model.checkFiles()
      state.step += 1
      let seconds = (ContinuousClock.now - start).inSeconds
      state.tokens += rollout.tokens
      try record(
        StepReport(
          recipe: recipe, state: spent(seconds, metrics), metrics: metrics, rollout: rollout,
          seconds: seconds, isExact: update.settings.correction == nil,
          adapterNorm: parameters.values.norm, flops: StepFlops(setup.model, parameters)))
      start = .now
    }
  }

  /// Takes one step on the next documents.
  private func learn(from documents: DocumentSet) throws {
    let start = ContinuousClock.now
    let batches = documents.microBatches(step: state.step, recipe)
    let update = SupervisedUpdate(learner: learner, loss: recipe.supervision.loss, rowLimit: state.rowLimit)
    let metrics = try update.step(batches)
    try compare(metrics, nil)
    try setup.model.checkFiles()
    state.step += 1
    let seconds = (ContinuousClock.now - start).inSeconds
    let tokens = batches.reduce(0) { $0 + $1.reduce(0) { $0 + $1.tokens.count } }
    state.tokens += tokens
    try record(
      SupervisedReport(
        state: spent(seconds, metrics), metrics: metrics,
        epoch: Double(state.step) / Double(recipe.stepsPerEpoch(documents: documents.places.count)),
        documents: batches.reduce(0) { $0 + $1.count }, flops: operations(of: batches), tokens: tokens,
        seconds: seconds,
        adapterNorm: parameters.values.norm))
  }

  private func operations(of batches: [[Document]]) -> [(String, Double)] {
    let groups = batches.joined().map { document in
      (prompt: document.tokens.count - document.labelCount, completions: [document.labelCount])
    }
    return StepFlops(setup.model, parameters).values(groups, samples: false, hasReference: false)
  }

  /// The state, with a step's time and whether it was made.
  private func spent(_ seconds: Double, _ metrics: UpdateMetrics) -> RunState {
    if let price = recipe.dollarsPerHour {
      state.dollars = (state.dollars ?? state.spentSeconds / 3600 * price) + seconds / 3600 * price
    }
    state.spentSeconds += seconds
    if metrics.skipped != nil { state.skipped += 1 }
    return state
  }

  /// Refuses to go on when the processes are no longer alike.
  private func compare(_ metrics: UpdateMetrics, _ rollout: Rollout?) throws {
    guard processes.count > 1 else { return }
    let rewards = Message { message in
      for group in rollout?.groups ?? [] { message.add(group.rewards.map { $0 ?? .nan }) }
    }
    let bits = [metrics.gradientNorm, metrics.changeNorm, metrics.loss, parameters.values.norm].map(
      \.bitPattern)
    try processes.compare(
      [("rewards", hexadecimal(Digest.sha256(rewards.bytes))), ("numbers of the step", "\(bits)")],
      place: "step \(state.step + 1)",
      advice:
        "That machine computes wrongly, or this is a defect of the program; earlier checkpoints are sound.")
  }

  private func record(_ report: some StepRecord) throws {
    let step = report.values.first { $0.0 == "flops/step" }?.1 ?? 0
    state.flops = state.flops.map { $0 + step }
    try processes.together {
      try journal?.write(
        report, traffic: processes.count > 1 ? processes.traffic : nil,
        line: report.line(stopStep: setup.stopStep), totals: state.costs)
      try check.check(report.metrics, step: state.step)
    }
  }

  private func evaluateHeldOut() async throws {
    guard let heldOut = setup.heldOut else { return }
    let score = try await sampler.evaluate(heldOut, attached())
    try processes.together { try journal?.write(score, step: state.step) }
  }

  /// Whether an undisturbed run evaluates the adapter after a step.
  private func isEvaluated(_ step: Int) -> Bool {
    let before = max(step - recipe.iterations, 0)
    return step == 0 || step >= setup.stopStep || recipe.evalSteps.map { before / $0 != step / $0 } ?? false
  }

  /// The adapter as it is now, for the sampler.
  private func attached() throws -> AttachedAdapter {
    try parameters.attach(to: setup.model, step: state.step)
  }

  /// One in so many checkpoints stores a whole file, so that no chain of differences is longer.
  private static let chain = 8

  /// Saves a checkpoint, and removes those above the recipe's limit.
  ///
  /// - Parameter isLast: whether the run ends here: the adapter's file then stores no differences.
  private func save(isLast: Bool) throws {
    state.optimizerSteps = learner.optimizer.step
    state.passes = learner.passes
    try processes.together {
      guard processes.isFirst else { return }
      // A checkpoint that only a stop has made is no parent: files are then the same as without the stop.
      let earlier = folder.steps.filter { $0 < state.step && isPlanned($0) }
      let needsNoOther = isLast || state.step / recipe.saveSteps % Self.chain == 0
      try folder.save(
        state, learner, setup.archive(parameters, step: state.step, flops: state.flops),
        parent: needsNoOther ? nil : earlier.last,
        peft: options.peft)
      try removeOldCheckpoints()
    }
  }

  /// Removes the checkpoints above the recipe's limit, and those that only a stop has made, once a later one is there.
  private func removeOldCheckpoints() throws {
    guard let journal else { return }
    let marks = journal.marks
    let steps = folder.steps
    let kept = [
      marks.best, marks.beforeTransition,
      steps.last { $0 < state.step && $0 <= journal.transition.candidate },
    ]
    let others = steps.filter { !kept.contains($0) }
    let stopped = others.dropLast().filter { !isPlanned($0) }
    let planned = others.filter { !stopped.contains($0) }
    for step in stopped + planned.dropLast(recipe.saveLimit ?? planned.count) { try folder.remove(step) }
  }

  /// Whether a run that nobody stops saves a checkpoint at a step.
  private func isPlanned(_ step: Int) -> Bool {
    step / recipe.saveSteps != max(step - (recipe.method == .grpo ? recipe.stepsPerRollout : 1), 0)
      / recipe.saveSteps || step == setup.totalSteps
  }
}
