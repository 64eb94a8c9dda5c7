import ModelFiles
import Support
import Foundation
import Trainer

/// The evaluation at the end of every run of a sweep.
package struct SweepEvaluation: Sendable {
  /// Which of a run's checkpoints are evaluated.
  package enum Choice: String, Sendable, CaseIterable {
    case last
    /// The best on the recipe's held-out problems.
    case best
    /// The last before the phase transition; the last of all where there was none.
    case beforeTransition = "before_transition"
    case all
  }

  /// Options of `tina eval`, by the keys of a sweep's file: all that `tina eval` decides itself is left out.
  private static let options = [
    "benchmark", "samples", "limit", "prompt", "system", "temperature", "top_p", "top_k", "max_tokens",
    "seed", "data",
  ]

  /// What is asked, as `tina eval` takes it.
  package let settings: [(key: String, value: String)]
  /// Which checkpoints.
  package let choices: [Choice]

  /// Reads the value of `evaluation`.
  init(_ object: JSONObject, _ bad: (String, String, String) -> TrainerError) throws(TrainerError) {
    var settings: [(key: String, value: String)] = []
    var choices = [Choice.last]
    for (key, value) in object.members {
      if key == "checkpoints" {
        let names = value.array ?? [value]
        choices = []
        for name in names {
          guard let text = name.string, let choice = Choice(rawValue: text) else {
            let known = Choice.allCases.map(\.rawValue)
            throw bad(
              "checkpoints: \(name.string ?? name.summary)", "some of " + known.joined(separator: ", "),
              Nearest.advice(name.string ?? "", known))
          }
          if !choices.contains(choice) { choices.append(choice) }
        }
        continue
      }
      guard Self.options.contains(key) else {
        throw bad(
          "the key \(key)", "some of " + (Self.options + ["checkpoints"]).joined(separator: ", "),
          Nearest.advice(key, Self.options + ["checkpoints"]))
      }
      let text: String? =
        switch value {
        case .string(let text): text
        case .number(let text): text
        default: nil
        }
      guard let text else { throw bad("\(key): \(value.summary)", "a text or a number", "") }
      settings.append((key, text))
    }
    if !settings.contains(where: { $0.key == "benchmark" }) { settings.append(("benchmark", "pico")) }
    self.settings = settings.sorted { $0.key < $1.key }
    self.choices = choices.isEmpty ? [.last] : choices
  }

  /// What `tina eval` is told beside the model, the adapter and the folder.
  package var arguments: [String] {
    settings.flatMap { ["--" + $0.key.replacingOccurrences(of: "_", with: "-"), $0.value] }
  }

  package func setting(_ key: String) -> String? { settings.first { $0.key == key }?.value }

  /// A name for what is asked, without which checkpoints: other settings give another folder.
  package var folderName: String {
    let digest = Digest.text(of: settings.flatMap { [$0.key, $0.value] })
    let benchmark = setting("benchmark") ?? "pico"
    let name = NSString(string: NSString(string: benchmark).lastPathComponent).deletingPathExtension
    return "evaluation-\(FolderName.part(name))-\(digest.prefix(8))"
  }
}
