public import ArgumentParser
import Foundation
import Hub
import Processes
import TinaRuntime
public import Trainer

extension Recipe.TrainedActivations: ExpressibleByArgument {}
extension RecipeChange: ExpressibleByArgument {
  /// Reads `key=value`.
  public init?(argument: String) { self.init(argument) }
}

struct Train: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Trains an adapter as a recipe says: with GRPO, or on given texts.",
    discussion: """
      The recipe is YAML with the keys of Tina's recipes; see Recipes/ and docs/guide/train.md. Rollouts and steps \
      happen in this process on one copy of the weights. When the output folder holds a run of the same recipe, data \
      and base, that run continues from its last checkpoint, to the same bits as without a stop. Ctrl-C (or SIGTERM) \
      ends the run after its step and saves it. Started by mpirun, processes on one or many machines share the run, \
      and its files are the same; see docs/guide/machines.md.

      EXAMPLES:
        tina train Recipes/pico.yaml
        tina train Recipes/tina-open-rs2.yaml --model ~/models/DeepSeek-R1-Distill-Qwen-1.5B --data open-rs.jsonl
        tina train Recipes/pico.yaml --output runs/second --seed 7
        tina train Recipes/pico.yaml --output runs/rank-4 --set lora_r=4 --set lora_alpha=16
        tina train Recipes/pico.yaml --set 'rollout_servers=["http://node1:8000", "http://node2:8000"]'
        tina train Recipes/pico-sft.yaml
        tina train Recipes/pico-after-sft.yaml --from runs/pico-sft/checkpoint-64/adapter.tina
        mpirun --hostfile hosts --map-by node --bind-to none tina train Recipes/tina-open-rs2.yaml
        tina report runs/second
      """)

  @Argument(help: "The recipe.", completion: .file(extensions: ["yaml", "yml"]))
  var recipe: String

  @Option(help: "The base, instead of the recipe's model_name_or_path.", completion: .model)
  var model: String?

  @Option(
    help: "Problems as JSON lines, a JSON array or CSV, instead of the recipe's dataset_path.",
    completion: .lines)
  var data: String?

  @Option(
    help: "Starts from an adapter of any format, instead of the recipe's init_adapter.",
    completion: .modelOrAdapter)
  var from: AdapterSource?

  @Option(help: "The run's folder; runs/ and the recipe's name unless given.", completion: .directory)
  var output: String?

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "A value in the place of the recipe's, in YAML; repeatable.", valueName: "key=value"))
  var changes: [RecipeChange] = []

  @Option(help: "Instead of the recipe's seed.")
  var seed: UInt64?

  @Option(
    help: "Instead of the recipe's activations: f32 or bf16, in rollouts and in the forward pass alike.")
  var activations: Recipe.TrainedActivations?

  @Option(help: "Ends after this step, the schedule unchanged.")
  var stopAt: Int?

  @Flag(help: "Ends the run once the phase transition is certain.")
  var untilTransition = false

  @Flag(inversion: .prefixedNo, help: "Goes on with a run that the output folder holds.")
  var resume = true

  @Flag(help: "Goes on although a reward is constant or most completions are cut off.")
  var ignoreMissingSignal = false

  @Flag(help: "Writes PEFT's files into every checkpoint too.")
  var peft = false

  @Option(help: "What an hour of this machine costs in dollars, instead of the recipe's dollars_per_hour.")
  var dollarsPerHour: Double?

  @Option(help: "Gigabytes that the run may take, each process of it; 70 % of what is free unless given.")
  var memory: Double?

  @Option(
    help: ArgumentHelp(
      "A file whose first line is the key of rollout_servers; the environment variable TINA_API_KEY unless given.",
      valueName: "file"), completion: .file())
  var apiKeyFile: String?

  @OptionGroup var threads: ThreadOptions

  @OptionGroup var speculation: SpeculationOptions

  @Option(help: "How keys and values are kept: f32, f16 or bf16.")
  var cacheType: CacheType = .f16

  func validate() throws {
    if let stopAt, stopAt < 1 { throw ValidationError("--stop-at: found \(stopAt), expected 1 or more.") }
    if let memory, !(memory > 0 && memory < 1e6) {
      throw ValidationError("--memory: found \(memory), expected gigabytes above 0.")
    }
    if let dollarsPerHour, !(dollarsPerHour >= 0 && dollarsPerHour <= 1e9) {
      throw ValidationError("--dollars-per-hour: found \(dollarsPerHour), expected 0 or more.")
    }
  }

  func run() async throws {
    guard let crew = try Crew.join() else { return try await train(SingleProcess(), nil) }
    try await train(crew.processes, crew)
  }

  /// - Parameter crew: the processes that share the run; nil for one alone.
  private func train(_ processes: any ProcessGroup, _ crew: Crew?) async throws {
    let (recipe, base, options) = try processes.together { try opened(crew) }
    let servers = try await servers(of: recipe, base, options, processes)
    let training = try TrainingRun(
      recipe, model: base, options: options, completions: servers, processes: processes)
    if processes.isFirst {
      for note in (try crew?.notes(threads: threads.wanted) ?? []) + training.notes { Terminal.note(note) }
    }
    training.onLine = { Terminal.note($0) }

    let stop = StopRequest()
    let signals = StopSignals {
      crew?.tellLoss()
      if processes.isFirst {
        Terminal.note("stopping after this step; once more ends at once, without saving")
      }
      stop.stop()
    }
    crew?.onRequest { stop.stop() }
    defer { signals.cancel() }
    let result: TrainingResult
    do {
      result = try await training.run(stop)
    } catch {
      await servers?.finish()
      throw error
    }
    await servers?.finish()
    guard processes.isFirst else { return }
    Terminal.note("ended at step \(result.step): \(result.reason)")
    try Terminal.writeData(result.adapter)
  }

  /// The servers that sample in the place of this process; nil where the recipe names none. With several processes each
  /// asks them for its share.
  private func servers(
    of recipe: Recipe, _ base: Model, _ options: TrainingOptions, _ processes: any ProcessGroup
  ) async throws -> ServerCompletions? {
    guard !recipe.rolloutServers.isEmpty else { return nil }
    let outcome: Result<ServerCompletions, any Error>
    do {
      let key = try ServerKey(file: apiKeyFile).text
      outcome = .success(
        try await ServerCompletions(
          recipe, model: base, options: options, key: key, rank: processes.rank,
          processes: processes.count
        ) { if processes.isFirst { Terminal.note($0) } })
    } catch {
      outcome = .failure(error)
    }
    return try processes.together { try outcome.get() }
  }

  /// Recipe and base as the command names them, and what the recipe does not hold.
  private func opened(_ crew: Crew?) throws -> (Recipe, Model, TrainingOptions) {
    var recipe = try Recipe(path: recipe, changes: changes)
    if let data { recipe.datasetPath = data }
    recipe.datasetPath = try recipe.datasetPath.map { try HubAccess.data($0) }
    recipe.heldOutPath = try recipe.heldOutPath.map { try HubAccess.data($0) }
    if let from {
      guard from.scale == 1, from.layers == nil else {
        throw CommandError(
          "--from: found a factor or layers; expected a whole adapter, to go on from as it is.")
      }
      recipe.initAdapter = from.path
    }
    recipe.initAdapter = try recipe.initAdapter.map { name in
      // A recipe's path may be relative to the recipe.
      let beside = NSString(string: NSString(string: recipe.path).deletingLastPathComponent)
        .appendingPathComponent(name)
      let files = FileManager.default
      let isBeside =
        from == nil && !files.fileExists(atPath: expandingTilde(name)) && files.fileExists(atPath: beside)
      return isBeside ? beside : try HubAccess.path(name, want: .adapter)
    }
    if let stopAt { recipe.stopStep = stopAt }
    if let seed { recipe.seed = seed }
    if let activations { recipe.activations = activations }
    if let dollarsPerHour { recipe.dollarsPerHour = dollarsPerHour }
    let named = model ?? (recipe.model.isEmpty || recipe.model == "pico" ? nil : recipe.model)
    ModelMemory.use()
    let base = try Model(
      path: try ModelLocator.path(named), threads: threads.wanted ?? crew?.threads(),
      activations: recipe.activations.choice)
    let name = NSString(string: NSString(string: recipe.path).lastPathComponent).deletingPathExtension
    var options = TrainingOptions(output: output ?? "runs/" + name)
    options.resumes = resume
    options.untilTransition = untilTransition
    options.ignoresMissingSignal = ignoreMissingSignal
    options.peft = peft
    options.memory = memory.map { Int($0 * 1e9) } ?? crew?.memory
    options.cacheType = cacheType
    options.speculation = speculation.remembering
    options.drafter = try speculation.drafter(for: base)
    if options.drafter != nil, !recipe.rolloutServers.isEmpty {
      Terminal.note("--draft guesses in this process alone, and the recipe's rollout_servers sample")
    }
    return (recipe, base, options)
  }
}
