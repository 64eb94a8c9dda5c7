import AdapterFormat
import Foundation
import ModelFiles
import Synchronization
import TestSupport
import Testing
import Tokenization

@testable import TinaRuntime
@testable import Trainer

/// The phase transition in curves of a real run, and in a run that it ends.
@Suite struct TransitionTests {
  /// Step, format reward and length of a real run of Recipes/pico.yaml.
  private func realRun() throws -> [(step: Int, format: Double, length: Double)] {
    let rows = try JSON.parse(path: fixture("pico-run.json")).object?["rows"]?.array ?? []
    return try rows.map { row in
      let numbers = row.array?.compactMap(\.double) ?? []
      try #require(numbers.count == 3)
      return (Int(numbers[0]), numbers[1], numbers[2])
    }
  }

  /// Pico learns the format and keeps it, and its completions only grow: there is no transition, and none is found.
  @Test func aRealRunWithoutATransitionHasNone() throws {
    var watcher = PhaseTransition()
    for row in try realRun() {
      let isTurn = watcher.add(step: row.step, format: row.format, length: row.length)
      #expect(!isTurn, "step \(row.step)")
    }
  }

  /// The same curves mirrored: format falls as it rose, and length rises as it would have fallen. So real noise
  /// surrounds a turn whose place is known.
  @Test(arguments: [100, 120, 200])
  func realNoiseDoesNotHideATurn(at turn: Int) throws {
    let run = Array(try realRun().prefix(turn))
    var watcher = PhaseTransition()
    var certain: Int?
    for step in 1...2 * turn {
      let distance = step <= turn ? step - 1 : 2 * turn - step
      if watcher.add(step: step, format: run[distance].format, length: run[turn - 1 - distance].length) {
        certain = step
      }
    }
    let date = try #require(watcher.turn)
    #expect(abs(date - turn) <= 25, "dated \(date)")
    #expect(try #require(certain) <= 2 * turn)
  }

  /// Completions whose format and length follow a curve with a turn, step by step.
  private final class Scripted: CompletionSource {
    let turn: Int
    let formatted: [Int]
    let plain: [Int]
    let filler: Int
    let stop: Int
    let calls = Mutex(0)

    init(turn: Int) throws {
      let tokenizer = try Tokenizer(directory: pico)
      self.turn = turn
      formatted = tokenizer.encode("1\n</think>\n", addSpecialTokens: false)
      plain = tokenizer.encode("1", addSpecialTokens: false)
      filler = try #require(tokenizer.encode(" 1", addSpecialTokens: false).last)
      stop = try #require(try StoredModel(path: pico).eosTokenIDs.first)
    }

    func complete(_ requests: [GenerationRequest], samples: Int) async throws -> [[CompletedText]] {
      let step = calls.withLock {
        $0 += 1
        return $0
      }
      // Format rises to all and falls; length falls to a third and rises.
      let place = min(1, Double(step <= turn ? step : 2 * turn - step) / Double(turn))
      return requests.map { _ in
        (0..<samples).map { sample in
          var text = CompletedText()
          let isFormatted = Double(sample) + 0.5 < Double(samples) * (0.2 + 0.8 * max(place, 0))
          text.ids = isFormatted ? formatted : plain
          let length = Int(36 - 24 * place) + sample % 3
          text.ids += [Int](repeating: filler, count: max(1, length - text.ids.count)) + [stop]
          text.reason = .stop
          return text
        }
      }
    }
  }

  /// From sampled texts to the checkpoint that is marked: the run ends by itself, and says where the turn was.
  @Test func runsEndAtTheirTransition() async throws {
    var short = ShortRun([
      "max_steps": "200", "save_steps": "10", "save_total_limit": "2", "gradient_accumulation_steps": "1",
      "num_generations": "8", "per_device_train_batch_size": "8",
    ])
    short.options.untilTransition = true
    let result = try await short.run(completions: try Scripted(turn: 40))
    #expect(result.step < 120, "\(result.step)")
    #expect(result.reason.hasPrefix("the phase transition was at step"), "\(result.reason)")
    let marks = try #require(try JSON.parse(path: short.folder + "/marks.json").object)
    let turn = try #require(marks["transition_step"]?.int)
    #expect(abs(turn - 40) <= 10, "dated \(turn)")
    // The last checkpoint before the turn was kept although newer ones came, and needs no other.
    let steps = short.files.steps
    #expect(steps.last == result.step)
    let before = try #require(marks["last_before_transition"]?.int)
    #expect(before == turn / 10 * 10 && steps.contains(before))
    #expect(try TinaFile(path: short.folder + "/checkpoint-\(before)/adapter.tina").parentDigest == nil)
    let page = try RunReport.html(run: short.folder)
    #expect(page.contains("phase transition at step \(turn)"))
  }
}
