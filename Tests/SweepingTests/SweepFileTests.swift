import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import Sweeping
@testable import Trainer

@Suite struct SweepFileTests {
  private func sweep(_ yaml: String) throws -> Sweep {
    try Sweep(yaml: "recipe: r.yaml\n" + yaml, path: "ranks.yaml")
  }

  @Test func axesMultiplyAndSeedsComeLast() throws {
    let sweep = try sweep("axes: {lora_r: [1, 2], learning_rate: [1.0e-4, 1e-3]}\nseeds: [7, 8]")
    #expect(sweep.output == "runs/ranks")
    let names = sweep.runs.map(\.name)
    #expect(names.count == 8 && Set(names).count == 8)
    #expect(names[0] == "lora_r=1,learning_rate=1.0e-4,seed=7")
    #expect(names[7] == "lora_r=2,learning_rate=1e-3,seed=8")
    #expect(sweep.runs.prefix(4).allSatisfy { $0.seed == 7 })
    #expect(sweep.changes(of: sweep.runs[7]).map(\.argument) == ["lora_r=2", "learning_rate=1e-3"])
  }

  @Test func keysOfOneEntryMoveTogether() throws {
    let sweep = try sweep("axes:\n- {lora_r: [1, 2], lora_alpha: [4, 8]}\n- beta: [0, 0.04]\nseeds: [1]")
    #expect(sweep.runs.count == 4)
    #expect(sweep.runs[3].name == "lora_r=2,lora_alpha=8,beta=0.04,seed=1")
  }

  @Test func valuesThatAreNoNamesGetFoldersAllTheSame() throws {
    let sweep = try sweep(
      "axes: {rl_post_train_reward_funcs: [[format, accuracy], [accuracy]], dataset_path: [a/b.jsonl, a_b.jsonl]}"
    )
    let names = sweep.runs.map(\.name)
    #expect(Set(names).count == 4)
    for name in names { #expect(!name.contains("/") && name.utf8.count < 255) }
    let changes = sweep.changes(of: sweep.runs[0])
    #expect(changes[0].argument == "rl_post_train_reward_funcs=[\"format\",\"accuracy\"]")
    #expect(changes[1].argument == "dataset_path=a/b.jsonl")
  }

  @Test(arguments: [
    ("axes: {lora_r: 4}", "axes: found lora_r: "), ("axes: {seed: [1]}", "the key seed"),
    ("axes: [{lora_r: [1, 2], lora_alpha: [4]}]", "different lengths (lora_r: 2, lora_alpha: 1)"),
    ("axes: {lora_r: [1, 1]}", "a value twice"),
    ("axes: [{lora_r: [1]}, {lora_r: [2]}]", "lora_r in two axes"),
    ("axes: {lora_r: [1]}\nset: {lora_r: 2}", "which an axis varies"), ("seeds: [1, 1]", "a seed twice"),
    ("seeds: [a]", "seeds: found"), ("seeds: [-1]", "seeds: found"),
    ("axis: {lora_r: [1]}", "Did you mean axes?"),
    ("evaluation: {sample: 4}", "Did you mean samples?"),
    ("evaluation: {checkpoints: [first]}", "some of last, best, before_transition, all"),
    ("jobs: 0", "jobs"),
    (
      "axes: {a: [1,2,3,4,5,6,7,8,9,10,11], b: [1,2,3,4,5,6,7,8,9,10,11], "
        + "c: [1,2,3,4,5,6,7,8,9,10,11], d: [1,2,3,4,5,6,7,8,9,10,11]}", "at most 10000"
    ),
  ])
  func refusals(yaml: String, text: String) {
    let error = #expect(throws: TrainerError.self) { try sweep(yaml) }
    #expect(
      error.map { "\($0)".contains(text) && "\($0)".contains("ranks.yaml") } ?? false,
      "\(error.map { "\($0)" } ?? "")")
  }

  @Test func aRecipeTakesTheChangesOfItsRun() throws {
    let folder = TemporaryFolder()
    let recipe = folder.path + "/r.yaml"
    try Data("lora_r: 8\nlearning_rate: 1e-5\n".utf8).write(to: URL(fileURLWithPath: recipe))
    let sweep = try Sweep(
      yaml: "recipe: \(recipe)\nset: {max_steps: 3}\naxes: {lora_r: [2, 4]}\nseeds: [5]", path: "s.yaml")
    let recipes = try sweep.runs.map { try sweep.recipe(of: $0) }
    #expect(recipes.map(\.lora.rank) == [2, 4] && recipes.allSatisfy { $0.maxSteps == 3 && $0.seed == 5 })
    #expect(recipes[0].digest != recipes[1].digest)
    // A key that no recipe has is refused before anything runs.
    let wrong = try Sweep(yaml: "recipe: \(recipe)\naxes: {lora_rank: [2]}", path: "s.yaml")
    #expect(throws: TrainerError.self) { try wrong.recipe(of: wrong.runs[0]) }
  }

  @Test func anotherEvaluationHasAnotherFolder() throws {
    let names = try ["samples: 4", "samples: 8", "samples: 4, limit: 3", "samples: 4, checkpoints: all"].map {
      try #require(sweep("evaluation: {\($0)}").evaluation).folderName
    }
    #expect(Set(names).count == 3 && names[0] == names[3])
  }
}
