import Yams

/// Values of more than one number or word.
extension RecipeReader {
  /// A list of names, or a single one.
  mutating func words(_ key: String) throws(TrainerError) -> [String]? {
    if isScalar(key) { return try text(key).map { [$0] } }
    return try texts(key)
  }

  /// A mapping from patterns of modules to numbers, in the order of the recipe.
  mutating func patterns(
    _ key: String, _ range: ClosedRange<Double>
  ) throws(TrainerError) -> [LoRASettings.PatternValue] {
    guard let node = take(key) else { return [] }
    guard let mapping = node.mapping, mapping.count <= 1000 else {
      throw error(key, found: "something else", expected: "a mapping from modules to numbers")
    }
    var result: [LoRASettings.PatternValue] = []
    for (name, value) in mapping {
      guard let pattern = name.string, pattern.utf8.count <= 2000 else {
        throw error(key, found: "a key that is no name", expected: "a mapping from modules to numbers")
      }
      result.append(.init(pattern, try number(key + ": " + pattern, value, range)))
    }
    return result
  }
}
