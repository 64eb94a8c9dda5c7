import AdapterFormat
import Foundation
import Judging
import ModelFiles
import Problems
import Support
import TinaRuntime
import Tokenization

/// What a run needs, opened and checked before anything is computed.
struct RunSetup {
  let recipe: Recipe
  let model: Model
  /// What samples in this process.
  let engine: Engine
  let builder: PromptBuilder
  let data: TrainingData
  let heldOut: ProblemSet?
  let base: BaseIdentity
  let plan: MemoryPlan
  /// The adapter that the run starts from; nil to start from nothing.
  let start: StartingAdapter?
  /// What is trained.
  let modules: [TrainedModule]
  /// Steps of the learning-rate schedule.
  let totalSteps: Int
  /// The step after which the run ends.
  let stopStep: Int
  /// The commands of rewards, with the digests of their files.
  private let rewardCommands: JSONObject

  /// - Parameter options: what is not the recipe's.
  /// - Throws: ``TrainerError`` for a recipe, base, data set or machine that does not fit the run; errors of tokenizer
  ///   and files.
  init(_ recipe: Recipe, _ model: Model, _ options: TrainingOptions) throws {
    self.recipe = recipe
    self.model = model
    rewardCommands = JSONObject(
      recipe.rewardCommands.map { (key: $0.name, value: .object($0.identity)) })
    try Self.checkBase(model)
    try Self.checkActivations(recipe, model)
    guard let dataset = recipe.datasetPath else {
      throw TrainerError(
        .recipe, place: recipe.path + ": dataset_path", found: "no data set", expected: "a file of problems",
        advice: "Give one with --data, as JSON lines with problem and solution or answer.")
    }
    start = try recipe.initAdapter.map { try StartingAdapter(path: $0, recipe, model) }
    if recipe.reference == .initial, start == nil {
      throw TrainerError(
        .recipe, place: recipe.path + ": reference", found: "init without an adapter to start from",
        expected: "init_adapter, or reference: base",
        advice: "KL from the beginning of a new adapter is KL from the base.")
    }
    modules = try start?.modules ?? recipe.lora.modules(for: model.config)
    plan = try MemoryPlan(
      recipe, modules, model, keepsReference: recipe.reference == .initial,
      hasDrafter: options.drafter != nil, limit: options.memory)
    let context = min(recipe.maxPromptLength + recipe.maxCompletionLength, model.config.maxPositions)
    engine = Engine(
      model: model, cacheType: options.cacheType, contextLimit: context, batchLimit: 256,
      memoryBudget: plan.cacheBytes, speculation: options.speculation,
      drafter: options.drafter)
    builder = try PromptBuilder(recipe, engine)
    data = try TrainingData(path: recipe.resolve(dataset), recipe, builder, model)
    heldOut = try recipe.heldOutPath.map { (path) throws(TrainerError) in
      try ProblemSet(path: recipe.resolve(path), names: recipe.heldOutColumns)
    }
    totalSteps = recipe.totalSteps(problems: data.count)
    // A rollout is learned from as a whole, so that a run goes on where one begins.
    let rollout = recipe.method == .grpo ? recipe.stepsPerRollout : 1
    let stop = recipe.stopStep.map { ($0 + rollout - 1) / rollout * rollout } ?? totalSteps
    stopStep = min(stop, totalSteps)
    base = try BaseIdentity(of: StoredBase(model.directory))
  }

  private static func checkBase(_ model: Model) throws(TrainerError) {
    guard let tensor = model.directory.quantisedTensor else { return }
    throw TrainerError(
      .recipe, place: model.directory.path,
      found: "a base quantised to \(tensor.elementType.rawValue) (\(tensor.name))",
      expected: "a base in F32, F16 or BF16",
      advice:
        "An adapter that is trained on a quantised base learns to make up for its rounding errors, and fits "
        + "no other. Train on the base it was made from; the adapter can be attached to the quantised one.")
  }

  private static func checkActivations(_ recipe: Recipe, _ model: Model) throws(TrainerError) {
    let wanted = recipe.activations.rawValue
    guard model.activations.rawValue != wanted else { return }
    let place = recipe.path + ": activations"
    guard recipe.activations == .bf16, !model.directory.matrixTypes.contains(.bf16) else {
      throw TrainerError(
        .recipe, place: place, found: "a base opened with \(model.activations.rawValue) activations",
        expected: "\(wanted), as the recipe says",
        advice: "Open the base with the recipe's activations.choice.")
    }
    let types = model.directory.matrixTypes.map(\.rawValue).sorted().joined(separator: ", ")
    throw TrainerError(
      .recipe, place: place, found: "bf16 for a base in \(types)", expected: "a base in BF16",
      advice: "Only BF16 weights meet activations in bf16. Leave the key out, or name a base in BF16.")
  }

  /// The state in which a new run begins.
  ///
  /// - Parameter rowLimit: the rows of a pass that every process of the run has room for.
  func firstState(rowLimit: Int) -> RunState {
    RunState(
      recipe: recipe.digest, data: data.digest, base: base.digestText, seed: recipe.seed,
      rowLimit: rowLimit, activations: recipe.activations, origin: start?.digest, flops: 0,
      rewards: recipe.ownRewards, rewardFiles: rewardFiles)
  }

  /// A digest of the commands of rewards and of the files that they name; nil if there are none.
  private var rewardFiles: String? {
    rewardCommands.keys.isEmpty ? nil : Digest.text(of: [JSONValue.object(rewardCommands).text()])
  }

  /// Remarks on the run before its first step.
  func advice(_ advice: inout RunAdvice) -> [RunAdvice.Note] {
    advice.beforeTheRun(
      recipe, recipe.schedule(totalSteps: totalSteps),
      adapter: (
        rank: modules.map(\.trainedRank).max() ?? 0,
        parameters: modules.reduce(0) { $0 + $1.count(model.config) }
      ),
      told: data.told(recipe, steps: totalSteps))
  }

  /// The adapter after a step, as files hold it, with a record of its training.
  ///
  /// - Parameter flops: floating-point operations up to the step.
  func archive(_ parameters: LoRAParameters, step: Int, flops: Double?) -> AdapterArchive {
    let commands: [(key: String, value: JSONValue)] =
      rewardCommands.keys.isEmpty ? [] : [("reward_commands", .object(rewardCommands))]
    let rewards: [(key: String, value: JSONValue)] =
      recipe.method == .sft
      ? []
      : [
        ("rewards", .array(recipe.rewards.map { .string($0.name) })),
        ("reward_weights", .array(recipe.rewards.map { JSONValue($0.weight) })),
      ] + commands
    var training = JSONObject(
      [
        ("algorithm", .string(recipe.method.rawValue)), ("step", JSONValue(step)),
        ("recipe_sha256", .string(recipe.digest)), ("loss_type", .string(recipe.lossName)),
      ] + rewards + [
        ("data", .string(recipe.datasetName)), ("data_sha256", .string(data.digest)),
        ("seed", JSONValue(Int(clamping: recipe.seed))),
        ("activations", .string(recipe.activations.rawValue)),
      ] + (flops.map { [("flops", JSONValue($0))] } ?? []))
    if let start { training = training.with("init", .object(start.ancestry)) }
    let name = NSString(string: model.directory.path).lastPathComponent
    return parameters.archive(baseModelName: name, base: base, training: training)
  }
}

/// What a run learns from.
enum TrainingData {
  case problems(ProblemSet)
  case documents(DocumentSet)

  init(path: String, _ recipe: Recipe, _ builder: PromptBuilder, _ model: Model) throws {
    guard recipe.method == .grpo else {
      let end = try Tokenizer.eosToken(path: model.directory.path)
      self = .documents(try DocumentSet(path: path, recipe, builder.prompts, endText: end))
      return
    }
    let set = try ProblemSet(
      path: path, names: recipe.columns, keepsColumns: recipe.rewards.contains { $0.kind == nil })
    if recipe.rewards.contains(where: \.needsAnswer),
      let index = set.problems.firstIndex(where: { $0.gold == nil })
    {
      throw TrainerError(
        .data, place: "\(set.path), problem \(index + 1)", found: "no answer",
        expected: "a solution or answer", advice: "The recipe's rewards ask whether answers are right.")
    }
    self = .problems(set)
  }

  /// The file.
  var path: String {
    switch self {
    case .problems(let set): set.path
    case .documents(let set): set.path
    }
  }

  /// SHA-256 of the file.
  var digest: String {
    switch self {
    case .problems(let set): set.digest
    case .documents(let set): set.digest
    }
  }

  /// Number of problems, or of places for documents.
  var count: Int {
    switch self {
    case .problems(let set): set.problems.count
    case .documents(let set): set.places.count
    }
  }

  /// About how many bits a run of that many steps is told: one by a completion's reward, one by a token that counts.
  func told(_ recipe: Recipe, steps: Int) -> Int {
    switch self {
    case .problems:
      return (steps + recipe.stepsPerRollout - 1) / recipe.stepsPerRollout * recipe.completionsPerStep
    case .documents(let set):
      let tokens = set.places.reduce(0) { $0 + $1.reduce(0) { $0 + $1.labelCount } }
      let share = min(1, Double(steps) * Double(recipe.stepSize) / Double(max(set.places.count, 1)))
      return Int(Double(tokens) * share)
    }
  }

  /// Facts that a person should know.
  var notes: [String] {
    switch self {
    case .problems: []
    case .documents(let set): set.notes
    }
  }
}

extension Recipe {
  /// Completions that a step learns from.
  package var completionsPerStep: Int { promptsPerStep * generations }

  /// The steps that a run makes, and the number of its held-out problems. Reads files of problems where it must.
  package func plannedSize() throws(TrainerError) -> (steps: Int, heldOut: Int) {
    var problems = 0
    if maxSteps == nil {
      guard let datasetPath else {
        throw TrainerError(
          .recipe, place: path + ": dataset_path", found: "no data set", expected: "a file of problems")
      }
      problems = try recordCount(resolve(datasetPath))
    }
    let total = totalSteps(problems: problems)
    let heldOut = try heldOutPath.map { (path) throws(TrainerError) in
      try ProblemSet(path: resolve(path), names: heldOutColumns).problems.count
    }
    return (min(stopStep ?? total, total), heldOut ?? 0)
  }

  /// The rewards of one's own and their weights, for a run's state; nil if there are none.
  fileprivate var ownRewards: String? {
    let own = rewards.filter { $0.kind == nil }.map { "\($0.name)=\($0.weight)" }
    return own.isEmpty ? nil : own.joined(separator: ",")
  }

  /// Problems of a file, or records of documents.
  private func recordCount(_ path: String) throws(TrainerError) -> Int {
    guard method == .sft else { return try ProblemSet(path: path, names: columns).problems.count }
    do throws(ProblemError) {
      return try TextRecords(path, names: columns).count
    } catch {
      throw TrainerError(
        .data, place: error.location, found: error.found, expected: error.expected, advice: error.remedy)
    }
  }

  /// The names for the held-out problems: those of the data set, unless that holds documents.
  var heldOutColumns: DataColumns { method == .grpo ? columns : DataColumns() }

  /// The loss that the recipe's method has.
  var lossName: String { method == .sft ? supervision.loss.rawValue : loss.type.rawValue }

  /// Resolves a path in the recipe: as it stands if such a file exists, otherwise from the recipe's folder.
  fileprivate func resolve(_ name: String) -> String {
    if name.hasPrefix("/") || FileManager.default.fileExists(atPath: name) { return name }
    let folder = NSString(string: path).deletingLastPathComponent
    return (folder.isEmpty ? "." : folder) + "/" + name
  }
}
