import Foundation
import ModelFiles
import TestSupport
import Testing
import TinaRuntime

@testable import Trainer

/// Who samples: the recipe's key, and how groups are handed out.
@Suite struct RolloutServersTests {
  private static let plain = "dataset_path: a.jsonl\nmax_steps: 5\nseed: 3\n"

  @Test(arguments: [
    "rollout_servers: [http://a:8000]\n", "rollout_servers:\n  - http://a:8000\n  - http://b\n",
    "rollout_servers:\n- http://a:8000\n- http://b\n", "rollout_servers: [http://a:8000,\n  http://b]\n",
  ])
  func whereCompletionsComeFromIsNoPartOfWhatIsTrained(key: String) throws {
    let without = try Recipe(yaml: Self.plain, path: "r.yaml")
    for yaml in [
      key + Self.plain, Self.plain + key, "dataset_path: a.jsonl\n" + key + "max_steps: 5\nseed: 3\n",
    ] {
      let recipe = try Recipe(yaml: yaml, path: "r.yaml")
      #expect(recipe.digest == without.digest)
      #expect(recipe.rolloutServers.first == "http://a:8000" && recipe.seed == 3)
    }
    let change = try #require(RecipeChange("rollout_servers=[http://a:8000]"))
    #expect(try Recipe(yaml: Self.plain, path: "r.yaml", changes: [change]).digest == without.digest)
    let seed = try #require(RecipeChange("seed=4"))
    #expect(try Recipe(yaml: Self.plain, path: "r.yaml", changes: [seed]).digest != without.digest)
    #expect(
      try Recipe(yaml: Self.plain, path: "r.yaml", changes: [seed, change]).digest
        == Recipe(yaml: Self.plain, path: "r.yaml", changes: [seed]).digest)
  }

  @Test(arguments: [
    "[a:8000]", "[\"ftp://a\"]", "5", "[\"http://a\", \"http://a:80/\"]", "[\"http://a/?x\"]",
    "[\"http://u@a\"]",
  ])
  func whatIsNoListOfServersIsRefused(value: String) {
    let error = #expect(throws: TrainerError.self) {
      try Recipe(yaml: Self.plain + "rollout_servers: \(value)\n", path: "r.yaml")
    }
    #expect(error?.place.contains("rollout_servers") == true)
  }

  private func text(_ id: Int) -> [CompletedText] {
    var text = CompletedText()
    text.ids = [id]
    return [text]
  }

  @Test func groupsAreHandedOutOnceAndComeBackInTheirOrder() {
    let board = RolloutBoard(count: 3)
    let taken = [0, 1, 0].map { board.take($0) }
    #expect(taken == [0, 1, 2])
    #expect(board.take(1) == nil && !board.isDone)
    for (group, server) in [(2, 0), (0, 0), (1, 1)] { board.finish(group, text(group), by: server) }
    #expect(board.isDone && board.results.map { $0[0].ids[0] } == [0, 1, 2])
  }

  @Test func whatAServerGivesBackGoesToAnother() {
    let board = RolloutBoard(count: 1)
    #expect(board.take(0) == 0)
    board.giveBack(0, by: 0)
    #expect(board.take(1) == 0)
    // What comes late from the first is as good, and the second's is left out.
    board.finish(0, text(7), by: 0)
    board.finish(0, text(8), by: 1)
    board.giveBack(0, by: 1)
    #expect(board.isDone && board.results[0][0].ids == [7] && board.take(0) == nil)
  }

  @Test func aServerThatIsFarTooSlowHasARival() {
    let board = RolloutBoard(count: 1, patience: .zero)
    #expect(board.take(0) == 0)
    // Not the same server again, and not a third one.
    #expect(board.take(0) == nil)
    #expect(board.take(1) == 0)
    #expect(board.take(2) == nil)
    // One of the two gives up: the other goes on, and there may be another rival.
    board.giveBack(0, by: 0)
    #expect(board.take(2) == 0)
    board.finish(0, text(1), by: 2)
    #expect(board.isDone)
    let patient = RolloutBoard(count: 1)
    #expect(patient.take(0) == 0 && patient.take(1) == nil)
  }

  @Test func numbersComeBackBitForBit() throws {
    let values: [Float] = [
      -0.1, -1e-7, -3.4028235e38, -1.1754944e-38, -.leastNonzeroMagnitude, 0, -0.0, -12.345678,
      .init(bitPattern: 0xBEAA_AAAB),
    ]
    let list = JSONValue.array(values.map { .number("\($0)") })
    let reply = try JSON.parse(
      Array(
        JSONValue.record([
          "choices": .array([.record(["finish_reason": .string("length")])]),
          "tina": .record([
            "choices": .array([
              .record([
                "tokens": JSONValue(values.count), "token_ids": .array(values.map { _ in JSONValue(1) }),
                "logprobs": list, "tempered_logprobs": list,
              ])
            ])
          ]),
        ]).text().utf8), file: "reply")
    let texts = try #require(RolloutMessage.completions(reply, samples: 1))
    #expect(texts[0].logProbabilities.map(\.bitPattern) == values.map(\.bitPattern))
    #expect(texts[0].reason == .length)
    #expect(RolloutMessage.completions(reply, samples: 2) == nil)
  }
}
