import Foundation
import TinaRuntime
import Trainer

/// A reward of one's own in Swift: answers that say little beyond the thinking earn more.
struct ShortAnswer: Reward {
  let name = "short_answer"

  func values(_ group: RewardGroup) async throws -> [Double?] {
    group.completions.map { completion in
      let parts = completion.text.components(separatedBy: "</think>")
      // Without thinking there is nothing to say about what follows it.
      guard parts.count == 2 else { return nil }
      return max(0, 1 - Double(parts[1].count) / 100)
    }
  }
}

/// Trains Pico for two steps with a reward beside the recipe's.
///
///     swift run example-reward [FOLDER]
@main
enum OwnRewardExample {
  static func train(into folder: String) async throws -> TrainingResult {
    var recipe = try Recipe(path: "Recipes/pico.yaml")
    recipe.stopStep = 2
    let run = try TrainingRun(
      recipe, model: try Model(path: "Models/pico"), options: TrainingOptions(output: folder),
      rewards: [OwnReward(ShortAnswer(), weight: 0.5)])
    run.onLine = { print($0) }
    return try await run.run()
  }

  static func main() async throws {
    let result = try await train(into: CommandLine.arguments.dropFirst().first ?? "runs/example-reward")
    print(result.adapter)
  }
}
