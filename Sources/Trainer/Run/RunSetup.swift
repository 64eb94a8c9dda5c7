import AdapterFormat
import Foundation
import ModelFiles
import Problems
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

  /// - Parameter options: what is not the recipe's.
  /// - Throws: ``TrainerError`` for a recipe, base, data set or machine that does not fit the run; errors of tokenizer
  ///   and files.
  init(_ recipe: Recipe, _ model: Model, _ options: TrainingOptions) throws {
    self.recipe = recipe
    self.model = model
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
      recipe, modules, model, keepsReference: recipe.reference == .initial, limit: options.memory)
    let context = min(recipe.maxPromptLength + recipe.maxCompletionLength, model.config.maxPositions)
    engine = Engine(
      model: model, cacheType: options.cacheType, contextLimit: context, batchLimit: 256,
      memoryBudget: plan.cacheBytes, speculation: options.speculation)
    builder = try PromptBuilder(recipe, engine)
    data = try TrainingData(path: recipe.resolve(dataset), recipe, builder, model)
    heldOut = try recipe.heldOutPath.map { (path) throws(TrainerError) in
      try ProblemSet(path: recipe.resolve(path))
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
      rowLimit: rowLimit, activations: recipe.activations, origin: start?.digest)
  }

  /// What the report of a run says of it: `about.json`.
  var about: JSONObject {
    JSONObject([
      ("base", .string(NSString(string: model.directory.path).lastPathComponent)),
      ("data", .string(recipe.datasetName)), ("algorithm", .string(recipe.method.rawValue)),
      ("loss_type", .string(recipe.lossName)), ("seed", .string("\(recipe.seed)")),
      ("template", .string(builder.about.template)),
      ("system", builder.about.system.map { .string($0) } ?? .null),
    ])
  }

  /// The adapter after a step, as files hold it, with a record of its training.
  func archive(_ parameters: LoRAParameters, step: Int) -> AdapterArchive {
    let rewards: [(key: String, value: JSONValue)] =
      recipe.method == .sft
      ? []
      : [
        ("rewards", .array(recipe.rewards.map { .string($0.kind.rawValue) })),
        ("reward_weights", .array(recipe.rewards.map { JSONValue($0.weight) })),
      ]
    var training = JSONObject(
      [
        ("algorithm", .string(recipe.method.rawValue)), ("step", JSONValue(step)),
        ("recipe_sha256", .string(recipe.digest)), ("loss_type", .string(recipe.lossName)),
      ] + rewards + [
        ("data", .string(recipe.datasetName)), ("data_sha256", .string(data.digest)),
        ("seed", JSONValue(Int(clamping: recipe.seed))),
        ("activations", .string(recipe.activations.rawValue)),
      ])
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
    let set = try ProblemSet(path: path)
    if recipe.rewards.contains(where: \.kind.needsAnswer),
      let index = set.problems.firstIndex(where: { $0.gold == nil })
    {
      throw TrainerError(
        .data, place: "\(set.path), problem \(index + 1)", found: "no answer",
        expected: "a solution or answer", advice: "The recipe's rewards ask whether answers are right.")
    }
    self = .problems(set)
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
      problems = try ProblemSet(path: resolve(datasetPath)).problems.count
    }
    let total = totalSteps(problems: problems)
    let heldOut = try heldOutPath.map { (path) throws(TrainerError) in
      try ProblemSet(path: resolve(path)).problems.count
    }
    return (min(stopStep ?? total, total), heldOut ?? 0)
  }

  /// The loss that the recipe's method has.
  var lossName: String { method == .sft ? supervision.loss.rawValue : loss.type.rawValue }

  /// Resolves a path in the recipe: as it stands if such a file exists, otherwise from the recipe's folder.
  fileprivate func resolve(_ name: String) -> String {
    if name.hasPrefix("/") || FileManager.default.fileExists(atPath: name) { return name }
    let folder = NSString(string: path).deletingLastPathComponent
    return (folder.isEmpty ? "." : folder) + "/" + name
  }
}
