import Foundation
import ModelFiles
import Support
package import Trainer

/// A sweep: a recipe, what is varied, with which seeds, and how the results are evaluated. Read from a YAML file.
package struct Sweep: Sendable {
  /// So many runs at most.
  static let limit = 10_000

  /// The file's path, as given.
  package let path: String
  /// The recipe that the runs share.
  package let recipe: String
  /// The base, instead of the recipe's; nil if the recipe says.
  package let model: String?
  /// The problems, instead of the recipe's.
  package let data: String?
  /// Where the runs lie; `runs/` and the file's name unless given.
  package var output: String
  /// Changes that all runs share.
  package let changes: [RecipeChange]
  package let axes: [SweepAxis]
  package let seeds: [UInt64]
  /// Nil if nothing is evaluated.
  package let evaluation: SweepEvaluation?
  /// Runs side by side.
  package var jobs: Int
  /// What an hour of the machine costs; nil if not said.
  package var dollarsPerHour: Double?
  /// Whether runs go on without a signal.
  package let ignoresMissingSignal: Bool
  /// Whether runs end once the phase transition is certain.
  package let untilTransition: Bool

  /// Reads a sweep's file.
  ///
  /// - Throws: `TrainerError` naming the key.
  package init(path: String) throws(TrainerError) {
    try self.init(yaml: try Recipe.text(path), path: path)
  }

  init(yaml: String, path: String) throws(TrainerError) {
    self.path = path
    var reader = try RecipeReader(yaml: yaml, path: path)
    guard let recipe = try reader.text("recipe") else {
      throw reader.error("recipe", found: "nothing", expected: "the recipe that all runs share")
    }
    self.recipe = Self.resolve(recipe, from: path)
    model = try reader.text("model").map { Self.resolve($0, from: path) }
    data = try reader.text("data").map { Self.resolve($0, from: path) }
    let name = NSString(string: NSString(string: path).lastPathComponent).deletingPathExtension
    output = try reader.text("output") ?? "runs/" + name
    var changes: [RecipeChange] = []
    if let set = try reader.json("set") {
      guard let object = set.object else {
        throw reader.error("set", found: set.summary, expected: "keys of the recipe and their values")
      }
      changes = object.members.map { RecipeChange($0, $1) }
    }
    self.changes = changes
    axes = try Self.axes(&reader)
    seeds = try Self.seeds(&reader)
    var evaluation: SweepEvaluation?
    if let value = try reader.json("evaluation") {
      let bad = Self.bad("evaluation", reader)
      guard let object = value.object else { throw bad(value.summary, "keys and values", "") }
      evaluation = try SweepEvaluation(object, bad)
    }
    self.evaluation = evaluation
    jobs = try reader.integer("jobs", 1...1024) ?? 1
    dollarsPerHour = try reader.number("dollars_per_hour", 0...1e9)
    ignoresMissingSignal = try reader.flag("ignore_missing_signal") ?? false
    untilTransition = try reader.flag("until_transition") ?? false
    try reader.finish(machinery: [])
    try check(reader)
  }

  private func check(_ reader: RecipeReader) throws(TrainerError) {
    let keys = axes.flatMap(\.keys)
    if let twice = keys.first(where: { key in keys.count { $0 == key } > 1 }) {
      throw reader.error("axes", found: "\(twice) in two axes", expected: "each key once")
    }
    if let both = changes.first(where: { keys.contains($0.key) }) {
      throw reader.error("set", found: "\(both.key), which an axis varies", expected: "other keys")
    }
    if changes.contains(where: { $0.key == "seed" }) {
      throw reader.error("set", found: "seed", expected: "other keys", advice: "Seeds stand under seeds.")
    }
    var count = seeds.count
    for axis in axes {
      count *= axis.points.count
      guard count <= Self.limit else {
        throw reader.error("axes", found: "\(count) runs or more", expected: "at most \(Self.limit)")
      }
    }
    let names = runs.map(\.name)
    guard Set(names).count == names.count else {
      throw reader.error("axes", found: "two points of the same values", expected: "points that differ")
    }
  }

  private static func bad(
    _ key: String, _ reader: RecipeReader
  ) -> (String, String, String) -> TrainerError {
    { reader.error(key, found: $0, expected: $1, advice: $2) }
  }

  /// A mapping has an axis for each key; in a list, the keys of one entry move together.
  private static func axes(_ reader: inout RecipeReader) throws(TrainerError) -> [SweepAxis] {
    guard let value = try reader.json("axes") else { return [] }
    let bad = Self.bad("axes", reader)
    if let object = value.object {
      var axes: [SweepAxis] = []
      for member in object.members { axes.append(try SweepAxis([member], bad)) }
      return axes
    }
    var axes: [SweepAxis] = []
    for item in value.array ?? [value] {
      guard let object = item.object else {
        throw bad(item.summary, "keys of the recipe, each with a list of values", "Write lora_r: [1, 2, 4].")
      }
      axes.append(try SweepAxis(Array(object.members), bad))
    }
    return axes
  }

  private static func seeds(_ reader: inout RecipeReader) throws(TrainerError) -> [UInt64] {
    guard let value = try reader.json("seeds") else { return [42] }
    let seeds = (value.array ?? [value]).compactMap { $0.int.flatMap { UInt64(exactly: $0) } }
    guard !seeds.isEmpty, seeds.count == value.array?.count ?? 1 else {
      throw reader.error("seeds", found: value.summary, expected: "a list of whole numbers, [1, 2, 3]")
    }
    guard Set(seeds).count == seeds.count else {
      throw reader.error("seeds", found: "a seed twice", expected: "each seed once")
    }
    return seeds
  }

  /// All runs: seed by seed, so that a sweep that is stopped has every point before it has more seeds.
  package var runs: [SweepRun] {
    var points: [[(key: String, value: JSONValue)]] = [[]]
    for axis in axes {
      points = points.flatMap { point in
        axis.points.map { values in point + zip(axis.keys, values).map { ($0, $1) } }
      }
    }
    return seeds.flatMap { seed in points.map { SweepRun(values: $0, seed: seed) } }
  }

  /// What a run changes in the recipe.
  package func changes(of run: SweepRun) -> [RecipeChange] {
    changes + run.values.map { RecipeChange($0.key, $0.value) }
  }

  /// A run's recipe.
  ///
  /// - Throws: `TrainerError` for a key or a value that the recipe can't have.
  package func recipe(of run: SweepRun) throws(TrainerError) -> Recipe {
    var recipe = try Recipe(path: recipe, changes: changes(of: run))
    recipe.seed = run.seed
    if let data { recipe.datasetPath = data }
    if let model { recipe.model = model }
    return recipe
  }

  /// A path as it stands if such a file exists, otherwise from the sweep's folder if it is there.
  private static func resolve(_ name: String, from path: String) -> String {
    if name.hasPrefix("/") || FileManager.default.fileExists(atPath: name) { return name }
    let folder = NSString(string: path).deletingLastPathComponent
    let there = (folder.isEmpty ? "." : folder) + "/" + name
    return FileManager.default.fileExists(atPath: there) ? there : name
  }
}
