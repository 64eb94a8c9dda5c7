import AdapterFormat
import Foundation
import ModelFiles
import Problems
import TinaRuntime

/// What a run needs, opened and checked before anything is computed.
struct RunSetup {
  let recipe: Recipe
  let model: Model
  /// What samples in this process.
  let engine: Engine
  let builder: PromptBuilder
  let problems: ProblemSet
  let heldOut: ProblemSet?
  let base: BaseIdentity
  let plan: MemoryPlan
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
    problems = try ProblemSet(path: recipe.resolve(dataset))
    heldOut = try recipe.heldOutPath.map { (path) throws(TrainerError) in
      try ProblemSet(path: recipe.resolve(path))
    }
    totalSteps = recipe.totalSteps(problems: problems.problems.count)
    stopStep = min(recipe.stopStep ?? totalSteps, totalSteps)
    base = try BaseIdentity(of: StoredBase(model.directory))
    if recipe.rewards.contains(where: \.kind.needsAnswer),
      let index = problems.problems.firstIndex(where: { $0.gold == nil })
    {
      throw TrainerError(
        .data, place: "\(problems.path), problem \(index + 1)", found: "no answer",
        expected: "a solution or answer", advice: "The recipe's rewards ask whether answers are right.")
    }
    plan = try MemoryPlan(recipe, model, limit: options.memory)
    let context = min(recipe.maxPromptLength + recipe.maxCompletionLength, model.config.maxPositions)
    engine = Engine(
      model: model, cacheType: options.cacheType, contextLimit: context, batchLimit: 256,
      memoryBudget: plan.cacheBytes, speculation: options.speculation)
    builder = try PromptBuilder(recipe, engine)
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
  var firstState: RunState {
    RunState(
      recipe: recipe.digest, data: problems.digest, base: base.digestText, seed: recipe.seed,
      rowLimit: plan.rowLimit, activations: recipe.activations)
  }

  /// What the report of a run says of it: `about.json`.
  var about: JSONObject {
    JSONObject([
      ("base", .string(NSString(string: model.directory.path).lastPathComponent)),
      ("data", .string(recipe.datasetName)), ("algorithm", .string("grpo")),
      ("loss_type", .string(recipe.loss.type.rawValue)), ("seed", .string("\(recipe.seed)")),
      ("template", .string(builder.about.template)),
      ("system", builder.about.system.map { .string($0) } ?? .null),
    ])
  }

  /// The adapter after a step, as files hold it, with a record of its training.
  func archive(_ parameters: LoRAParameters, step: Int) -> AdapterArchive {
    let training = JSONObject([
      ("algorithm", .string("grpo")), ("step", JSONValue(step)), ("recipe_sha256", .string(recipe.digest)),
      ("loss_type", .string(recipe.loss.type.rawValue)),
      ("rewards", .array(recipe.rewards.map { .string($0.kind.rawValue) })),
      ("reward_weights", .array(recipe.rewards.map { JSONValue($0.weight) })),
      ("data", .string(recipe.datasetName)), ("data_sha256", .string(problems.digest)),
      ("seed", JSONValue(Int(clamping: recipe.seed))), ("activations", .string(recipe.activations.rawValue)),
    ])
    let name = NSString(string: model.directory.path).lastPathComponent
    return parameters.archive(baseModelName: name, base: base, training: training)
  }
}

extension Recipe {
  /// Resolves a path in the recipe: as it stands if such a file exists, otherwise from the recipe's folder.
  fileprivate func resolve(_ name: String) -> String {
    if name.hasPrefix("/") || FileManager.default.fileExists(atPath: name) { return name }
    let folder = NSString(string: path).deletingLastPathComponent
    return (folder.isEmpty ? "." : folder) + "/" + name
  }
}
