import AdapterFormat
import Foundation
import ModelFiles
import TinaRuntime

/// The adapter that a run starts from: its modules, ranks and scales become the run's, and training goes on from its
/// numbers.
struct StartingAdapter {
  private let adapter: Adapter
  /// The run's modules, in the order in which they are stored.
  let modules: [TrainedModule]
  /// The recipe's settings with what the adapter decides.
  let settings: LoRASettings
  /// Where it comes from, for the provenance of what is made of it.
  let ancestry: JSONObject
  /// Facts that a person should know, one sentence each.
  let notes: [String]

  /// Its content, in hexadecimal.
  var digest: String { ancestry["content_digest"]?.string ?? "" }

  /// - Parameter path: an adapter of any format.
  /// - Throws: `AdapterError` and `RuntimeError` for an adapter that can't be applied, ``TrainerError`` for a
  ///   recipe that contradicts it.
  init(path: String, _ recipe: Recipe, _ model: Model) throws {
    let adapter = try AdapterSource(path: path).open(for: model)
    notes = ["starting from \(path)"] + adapter.notes + (try AttachedAdapter(adapter, to: model)).notes
    var modules: [TrainedModule] = []
    for module in adapter.modules {
      guard let (layer, projection) = AdapterFit.place(module.name) else { continue }
      modules.append(
        TrainedModule(
          layer: layer, projection: projection, rank: module.rank, alpha: module.alpha, scale: module.scale,
          origin: module.pair.scaleOrigin))
    }
    modules.sort { ($0.layer, $0.projection.rawValue) < ($1.layer, $1.projection.rawValue) }
    self.adapter = adapter
    self.modules = modules
    let name = adapter.path
    settings = LoRASettings(recipe.lora, takenFrom: modules, layerCount: model.config.layerCount)
    try Self.check(recipe, modules, model, name)
    let training = (try? AdapterFile(path: path))?.archive.training
    ancestry = JSONObject([
      ("name", .string(NSString(string: path).lastPathComponent)),
      ("content_digest", .string(adapter.contentDigest().description)),
      ("training", training.map { .object($0) } ?? .null),
    ])
  }

  /// Writes its numbers into the matrices of a run with ``modules``.
  func write(to parameters: LoRAParameters) {
    parameters.values.clear()
    for pair in parameters.pairs {
      guard let module = adapter[pair.name] else { continue }
      for (values, start) in [(module.a.floats(), pair.a), (module.b.floats(), pair.b)] {
        for i in values.indices { unsafe parameters.values.pointer[start + i] = values[i] }
      }
    }
  }

  /// Refuses a recipe that states another shape than the adapter has.
  private static func check(
    _ recipe: Recipe, _ modules: [TrainedModule], _ model: Model, _ path: String
  ) throws(TrainerError) {
    func contradiction(_ key: String, _ found: String, _ expected: String) -> TrainerError {
      TrainerError(
        .recipe, place: recipe.path + ": " + key, found: found,
        expected: expected + ", as the adapter \(path) has it",
        advice: "Training goes on in the adapter's own shape. Leave \(key) out, or start from nothing.")
    }
    let stated = recipe.stated.intersection([
      "lora_r", "lora_alpha", "lora_target_modules", "use_rslora", "layers_to_transform", "rank_pattern",
      "alpha_pattern",
    ])
    if recipe.stated.contains("init_lora_weights") {
      throw TrainerError(
        .recipe, place: recipe.path + ": init_lora_weights", found: "it with an adapter to start from",
        expected: "one beginning", advice: "Leave out init_lora_weights or the adapter.")
    }
    guard !stated.isEmpty else { return }
    var wanted = recipe.lora
    if !stated.contains("lora_target_modules") { wanted.targets = LoRASettings().targets }
    if !stated.contains("layers_to_transform") { wanted.layers = nil }
    let names = { (modules: [TrainedModule]) in
      Set(modules.map { $0.projection.name }).sorted().joined(separator: ", ")
    }
    let planned = try wanted.modules(for: model.config)
    if stated.contains("lora_target_modules"), names(planned) != names(modules) {
      throw contradiction("lora_target_modules", names(planned), names(modules))
    }
    let layers = { (modules: [TrainedModule]) in Set(modules.map(\.layer)) }
    if stated.contains("layers_to_transform"), layers(planned) != layers(modules) {
      throw contradiction(
        "layers_to_transform", "\(layers(planned).sorted())", "\(layers(modules).sorted())")
    }
    for module in modules {
      guard let plan = planned.first(where: { $0.name == module.name }) else { continue }
      if stated.contains("lora_r") || stated.contains("rank_pattern"), plan.rank != module.rank {
        throw contradiction(
          stated.contains("lora_r") ? "lora_r" : "rank_pattern", "\(plan.rank) for \(module.name)",
          "\(module.rank)")
      }
      guard stated.contains("lora_alpha") || stated.contains("use_rslora") || stated.contains("alpha_pattern")
      else { continue }
      let key = ["lora_alpha", "alpha_pattern", "use_rslora"].first { stated.contains($0) } ?? "lora_alpha"
      let alpha =
        stated.contains("lora_alpha") || stated.contains("alpha_pattern") ? plan.alpha : module.alpha
      let divisor = wanted.isRankStabilised ? Double(module.rank).squareRoot() : Double(module.rank)
      let scale = Float(alpha / divisor)
      guard abs(scale - module.scale) <= 1e-6 * abs(module.scale) else {
        throw contradiction(
          key, "a scale of \(scale) for \(module.name)",
          "a scale of \(module.scale) (alpha \(module.alpha), rank \(module.rank))")
      }
    }
  }
}

extension LoRASettings {
  /// Settings that state the shape of `modules`: the commonest rank and alpha, and patterns for the others.
  init(_ recipe: LoRASettings, takenFrom modules: [TrainedModule], layerCount: Int) {
    self = recipe
    func commonest<Value: Hashable>(_ values: [Value]) -> Value? {
      let counts = Dictionary(values.map { ($0, 1) }, uniquingKeysWith: +)
      let most = counts.values.max()
      return values.first { counts[$0] == most }
    }
    rank = commonest(modules.map(\.rank)) ?? rank
    alpha = commonest(modules.map(\.alpha)) ?? alpha
    isRankStabilised = !modules.isEmpty && modules.allSatisfy { $0.origin == .alphaOverRootRank }
    rankPatterns = modules.filter { $0.rank != rank }.map { PatternValue($0.name, Double($0.rank)) }
    alphaPatterns = modules.filter { $0.alpha != alpha }.map { PatternValue($0.name, $0.alpha) }
    initialisation = .uniform
    let byLayer = Dictionary(grouping: modules, by: \.layer).mapValues { Set($0.map(\.projection)) }
    if let first = byLayer.values.first, byLayer.values.allSatisfy({ $0 == first }) {
      targets = Projection.allCases.filter(first.contains).map(\.name)
      let found = byLayer.keys.sorted()
      layers = found.count == layerCount ? nil : found
    } else {
      targets = modules.map(\.name)
      layers = nil
    }
  }
}
