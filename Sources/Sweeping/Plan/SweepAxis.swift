package import ModelFiles
import Trainer

/// What a sweep varies: one key of the recipe, or several that move together.
package struct SweepAxis: Sendable {
  /// Keys of the recipe.
  package let keys: [String]
  /// For each point the values of the keys, in their order.
  package let points: [[JSONValue]]

  /// What it is called: its keys.
  package var name: String { keys.joined(separator: ", ") }

  /// Reads an axis: keys that move together, each with its list of values.
  ///
  /// - Parameter bad: makes the error from found, expected and advice.
  init(_ members: [(String, JSONValue)], _ bad: (String, String, String) -> TrainerError) throws(TrainerError)
  {
    var lists: [[JSONValue]] = []
    for (key, value) in members {
      guard key != "seed" else { throw bad("the key seed", "another key", "Seeds stand under seeds.") }
      guard let list = value.array, !list.isEmpty else {
        throw bad("\(key): \(value.summary)", "a list of values", "Write \(key): [1, 2, 3].")
      }
      let texts = list.map { RecipeChange.text($0) }
      guard members.count > 1 || Set(texts).count == texts.count else {
        throw bad("\(key): a value twice", "each value once", "Several runs of one value are seeds.")
      }
      lists.append(list)
    }
    guard let first = lists.first, lists.allSatisfy({ $0.count == first.count }) else {
      let counts = zip(members, lists).map { "\($0.0): \($1.count)" }.joined(separator: ", ")
      throw bad(
        "lists of different lengths (\(counts))", "lists of one length, because the keys move together",
        "Keys that vary on their own are entries of their own.")
    }
    keys = members.map(\.0)
    points = first.indices.map { i in lists.map { $0[i] } }
  }
}
