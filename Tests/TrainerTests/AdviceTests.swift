import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import TinaRuntime
@testable import Trainer

/// Remarks on runs that would fail without a word: each comes when it should, once, and not otherwise.
@Suite struct AdviceTests {
  private func early(
    _ yaml: String, stopStep: Int, rank: Int = 32, parameters: Int = 100_000, told: Int = 100_000
  ) throws -> [RunAdvice.Note] {
    let recipe = try Recipe(yaml: yaml, path: "r.yaml")
    var advice = RunAdvice(recipe, totalSteps: stopStep)
    let notes = advice.beforeTheRun(
      recipe, recipe.schedule(totalSteps: stopStep), adapter: (rank, parameters), told: told)
    #expect(
      advice.beforeTheRun(
        recipe, recipe.schedule(totalSteps: stopStep), adapter: (rank, parameters), told: told
      ).isEmpty, "once")
    return notes
  }

  @Test func lowLearningRatesOnShortSchedulesAreNamed() throws {
    let low = try early("learning_rate: 1.0e-6\nlr_scheduler_type: constant", stopStep: 100)
    #expect(low.map(\.kind) == [.learningRate] && low[0].step == 0)
    #expect(low[0].text.contains("learning_rate 1e-06 over 100 steps") && low[0].text.contains("1e-05"))
    // The same rate for long, and a rate for LoRA on the short schedule.
    #expect(try early("learning_rate: 1.0e-6\nlr_scheduler_type: constant", stopStep: 1000).isEmpty)
    #expect(try early("learning_rate: 1.0e-5\nlr_scheduler_type: constant", stopStep: 100).isEmpty)
    #expect(try early("learning_rate: 0", stopStep: 100).isEmpty)
  }

  /// What is advised is not remarked on again.
  @Test func theAdvisedRateIsEnough() throws {
    for (rate, steps) in [("1.0e-9", 50), ("3.0e-7", 400), ("1.0e-6", 20)] {
      let yaml = { (rate: String) in "learning_rate: \(rate)\nlr_scheduler_type: cosine" }
      let note = try #require(try early(yaml(rate), stopStep: steps).first)
      let advised = try #require(
        note.text.split(separator: "try learning_rate: ").last?.split(separator: ",").first)
      #expect(try early(yaml(String(advised)), stopStep: steps).isEmpty, "\(note.text)")
    }
  }

  @Test func ranksThatNothingFillsAreNamed() throws {
    let yaml = "learning_rate: 1.0e-3"
    let large = try early(yaml, stopStep: 180, rank: 128, parameters: 147_718_144, told: 5760)
    #expect(large.map(\.kind) == [.rank])
    #expect(large[0].text.contains("rank 128") && large[0].text.contains("5760 completions"))
    #expect(large[0].text.contains("lora_r: 16"), "\(large[0].text)")
    // What is advised is not remarked on; neither is the paper's RS2.
    #expect(try early(yaml, stopStep: 180, rank: 16, parameters: 18_464_768, told: 5760).isEmpty)
    #expect(try early(yaml, stopStep: 850, rank: 32, parameters: 36_929_536, told: 27_200).isEmpty)
    #expect(try early(yaml, stopStep: 10, rank: 1, parameters: 1 << 30, told: 1).isEmpty)
    let texts = try early(yaml + "\nmethod: sft", stopStep: 9, rank: 8, parameters: 1 << 24, told: 900)
    #expect(texts.first?.text.contains("900 tokens that count") == true)
  }

  private func notes(
    _ yaml: String = "{}", stopStep: Int = 400, _ values: (Int) -> (reward: Double, flat: Double)
  ) throws -> [RunAdvice.Note] {
    var advice = RunAdvice(try Recipe(yaml: yaml, path: "r.yaml"), totalSteps: stopStep)
    return (1...stopStep).flatMap { step in
      let (reward, flat) = values(step)
      return advice.after(step, ["reward": reward, "frac_reward_zero_std": flat])
    }
  }

  @Test func flatGroupsAreNamedOnce() throws {
    let rising = { (step: Int) in Double(step) / 100 }
    let flat = try notes { (rising($0), $0 < 30 ? 0.5 : 0.9) }
    #expect(flat.map(\.kind) == [.flatGroups] && (30...40).contains(flat[0].step))
    #expect(flat[0].text.contains("10 steps") && flat[0].text.contains("dynamic_sampling"))
    #expect(try notes { (rising($0), 0.7) }.isEmpty)
    #expect(try notes { (rising($0), $0.isMultiple(of: 2) ? 1 : 0.4) }.isEmpty, "no ten steps are flat")
    #expect(try notes("dynamic_sampling: true") { (rising($0), 0.9) }.isEmpty)
  }

  @Test func rewardsThatNeverMoveAreNamedOnce() throws {
    // A wave around a level: nothing but noise.
    let wave = { (step: Int) in 0.1 * sin(Double(step) * 1.7) }
    let still = try notes { (0.4 + wave($0), 0.2) }
    #expect(still.map(\.kind) == [.stillReward] && still[0].step == 100)
    #expect(still[0].text.contains("25 steps") && still[0].text.contains("learning_rate"))
    #expect(try notes { (0.4 + wave($0) + 0.002 * Double($0), 0.2) }.isEmpty, "it rises")
    let falling = try notes { (0.9 + wave($0) - 0.001 * Double($0), 0.2) }
    #expect(falling.map(\.kind) == [.stillReward])
    // A short run is looked at in its middle, a very short one never.
    #expect(try notes(stopStep: 100) { (0.4 + wave($0), 0.2) }.map(\.step) == [50])
    #expect(try notes(stopStep: 39) { (0.4 + wave($0), 0.2) }.isEmpty)
    #expect(try notes { _ in (0, 0) }.count == 1, "a reward of zero")
  }

  /// Remarks stand in the folder and the report, and do not come again when the run goes on.
  @Test func remarksAreKept() async throws {
    let short = ShortRun(["learning_rate": "1.0e-8", "max_steps": "3"])
    let first = try short.training(stopAt: 1)
    #expect(first.notes.contains { $0.contains("learning_rate 1e-08") })
    _ = try await first.run()
    let second = try short.training()
    #expect(!second.notes.contains { $0.contains("learning_rate 1e-08") })
    _ = try await second.run()
    let kept = MetricsLog.objects(short.folder + "/notes.jsonl")
    #expect(kept.count == 1 && kept[0]["kind"]?.string == "learning_rate" && kept[0]["step"]?.int == 0)
    let page = try RunReport.html(run: short.folder)
    #expect(page.contains("<h2>Notes</h2>") && page.contains("learning_rate 1e-08"))
    let healthy = ShortRun(["max_steps": "2"])
    _ = try await healthy.run()
    #expect(MetricsLog.objects(healthy.folder + "/notes.jsonl").isEmpty)
    #expect(try !RunReport.html(run: healthy.folder).contains("<h2>Notes</h2>"))
  }
}
