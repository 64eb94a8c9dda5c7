package import ModelFiles
import Trainer

/// One training of a sweep: a point of its axes, and a seed.
package struct SweepRun: Sendable {
  /// The axes' keys and their values here.
  package let values: [(key: String, value: JSONValue)]
  package let seed: UInt64

  /// The folder in the sweep's: `lora_r=16,seed=1`.
  package var name: String {
    (values.map { FolderName.part($0.key) + "=" + FolderName.part(RecipeChange.text($0.value)) } + [
      "seed=\(seed)"
    ])
    .joined(separator: ",")
  }

  /// The values, for people.
  package var title: String {
    values.isEmpty
      ? "the recipe" : values.map { "\($0.key) \(RecipeChange.text($0.value))" }.joined(separator: ", ")
  }
}
