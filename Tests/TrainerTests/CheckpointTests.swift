import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import TinaRuntime
@testable import Trainer

/// The files of checkpoints: differences from one another, and never from one that is gone.
@Suite struct CheckpointTests {
  private func parent(_ short: ShortRun, _ step: Int) throws -> ContentDigest? {
    try TinaFile(path: short.files.adapter(step)).parentDigest
  }

  private func content(_ short: ShortRun, _ step: Int) throws -> ContentDigest {
    try TinaFile(path: short.files.adapter(step)).contentDigest
  }

  @Test func filesAreDifferencesFromTheCheckpointBefore() async throws {
    let short = ShortRun()
    _ = try await short.run(stopAt: 4)
    // The first has only its seeded beginning to differ from; the last needs no other.
    #expect(try parent(short, 1) == nil && parent(short, 4) == nil)
    for step in 2...3 { #expect(try parent(short, step) == content(short, step - 1)) }
    // Read without naming any parent, each is what the run had.
    let loaded = try AdapterFile(path: short.folder + "/checkpoint-3/adapter.tina")
    let optimizer = try Data(contentsOf: URL(fileURLWithPath: short.folder + "/checkpoint-3/optimizer.bin"))
    let parameters = try LoRAParameters(
      LoRASettings(rank: 4, alpha: 16), for: try Model(path: pico, threads: 1).config)
    #expect(loaded.archive.entries.count == parameters.pairs.count)
    for pair in parameters.pairs {
      let entry = try #require(loaded.archive.entries.first { $0.module == pair.name })
      guard case .lowRank(let matrices) = entry.content else { throw CancellationError() }
      for (matrix, place) in [(matrices.a, pair.a), (matrices.b, pair.b)] {
        let stored = unsafe matrix.bytes.withUnsafeBytes { unsafe Data($0) }
        #expect(stored == optimizer[4 * place..<4 * place + stored.count], "\(pair.name)")
      }
    }
    // Away from its run it says what is missing.
    let alone = short.folder + "/alone.tina"
    try FileManager.default.copyItem(atPath: short.folder + "/checkpoint-3/adapter.tina", toPath: alone)
    #expect(throws: AdapterError.self) { try AdapterFile(path: alone) }
  }

  /// A process that is killed between saving a checkpoint and evaluating it leaves the evaluation to the next one.
  @Test func anEvaluationThatAKillPreventedIsMade() async throws {
    let held = try String(contentsOfFile: pico + "/heldout.jsonl", encoding: .utf8)
    let problems = TemporaryFolder()
    let file = problems.path + "/held.jsonl"
    try held.split(separator: "\n").prefix(4).joined(separator: "\n")
      .write(toFile: file, atomically: true, encoding: .utf8)
    let changes = ["eval_dataset_path": file, "eval_steps": "2", "save_steps": "2", "max_steps": "4"]
    let (whole, killed) = (ShortRun(changes), ShortRun(changes))
    func scores(_ short: ShortRun) -> [String] {
      short.lines.compactMap { line in line.values["eval/pass_at_1"].map { "\(line.step): \($0)" } }
    }
    _ = try await whole.run()
    #expect(scores(whole).count == 3)
    for stop in [2, 4] {
      _ = try await killed.run(stopAt: stop)
      let path = killed.folder + "/metrics.jsonl"
      let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
      try lines.filter { !($0.contains("eval/pass_at_1") && $0.contains("\"step\":\(stop),")) }
        .map { $0 + "\n" }.joined().write(toFile: path, atomically: true, encoding: .utf8)
      try? FileManager.default.removeItem(atPath: killed.folder + "/marks.json")
      #expect(scores(killed).count < stop / 2 + 1)
    }
    _ = try await killed.run()
    #expect(scores(killed) == scores(whole))
    // Killed before the first checkpoint, a run begins anew, with one score of its beginning.
    let begun = ShortRun(changes)
    try FileManager.default.createDirectory(atPath: begun.folder, withIntermediateDirectories: true)
    try "{\"step\": 0, \"eval/pass_at_1\": 0.25}\n"
      .write(toFile: begun.folder + "/metrics.jsonl", atomically: true, encoding: .utf8)
    _ = try await begun.run()
    #expect(scores(begun) == scores(whole))
  }

  /// A run does not go on from a checkpoint with a flipped bit, and goes on from one of before there were digests.
  @Test func aDamagedCheckpointIsRefused() async throws {
    let short = ShortRun()
    _ = try await short.run(stopAt: 1)
    let path = short.folder + "/checkpoint-1/"
    for (name, place) in [("optimizer.bin", 12_345), ("optimizer.bin", 0), ("state.json", -1)] {
      let whole = try Data(contentsOf: URL(fileURLWithPath: path + name))
      var damaged = whole
      if place < 0 {
        let text = String(decoding: whole, as: UTF8.self).replacing(
          "\"skipped_steps\": 0", with: "\"skipped_steps\": 1")
        damaged = Data(text.utf8)
        #expect(damaged != whole)
      } else {
        damaged[place] ^= 4
      }
      try damaged.write(to: URL(fileURLWithPath: path + name))
      let error = #expect(throws: TrainerError.self) { try short.training() }
      #expect(error?.description.contains("digest") == true)
      try whole.write(to: URL(fileURLWithPath: path + name))
    }
    var state = try #require(try JSON.parse(path: path + "state.json").object)
    state = state.with("sha256", nil)
    try Data(JSONValue.object(state).text().utf8).write(to: URL(fileURLWithPath: path + "state.json"))
    _ = try short.training()
  }

  /// save_total_limit removes parents only after their children have become files of their own.
  @Test func removingCheckpointsLeavesNoneDangling() async throws {
    let whole = ShortRun(["save_total_limit": "100"])
    var short = ShortRun(["save_total_limit": "2"])
    _ = try await whole.run(stopAt: 5)
    for stop in 2...5 {
      _ = try await short.run(stopAt: stop)
      let steps = short.files.steps
      // Beside the newest two there may be the one before a turn that is still possible.
      #expect(steps.suffix(2) == [stop - 1, stop] && steps.count <= 3)
      for step in steps { #expect(try short.adapter(step) == whole.adapter(step), "\(stop) \(step)") }
    }
    // In one go, with differences still between those that stay.
    short = ShortRun(["save_total_limit": "2"])
    _ = try await short.run(stopAt: 5)
    let steps = short.files.steps
    #expect(steps.suffix(2) == [4, 5] && steps.count <= 3)
    for step in steps { #expect(try short.adapter(step) == whole.adapter(step), "\(step)") }
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: short.folder).allSatisfy {
        !$0.hasPrefix(".partial")
      })
  }

  @Test func detachedFilesKeepTheirContent() async throws {
    let short = ShortRun()
    _ = try await short.run(stopAt: 4)
    let before = try short.adapter(3)
    let digest = try content(short, 3)
    try short.files.detach(3)
    #expect(try parent(short, 3) == nil && content(short, 3) == digest && short.adapter(3) == before)
    try short.files.remove(1)
    try short.files.remove(2)
    #expect(try short.adapter(3) == before)
    #expect(short.files.steps == [3, 4])
  }

  /// What a kill leaves of a checkpoint is removed at the next start and never taken for one.
  @Test func halvesAreSweptAway() async throws {
    let short = ShortRun()
    _ = try await short.run(stopAt: 1)
    for name in ["/.partial-checkpoint-2", "/checkpoint-3"] {
      try FileManager.default.createDirectory(
        atPath: short.folder + name, withIntermediateDirectories: true)
      try Data([1]).write(to: URL(fileURLWithPath: short.folder + name + "/adapter.tina"))
    }
    #expect(short.files.steps == [1])
    #expect(try await short.run(stopAt: 3).step == 3)
    #expect(!FileManager.default.fileExists(atPath: short.folder + "/.partial-checkpoint-2"))
    #expect(try short.adapter(3).count == 70)
  }
}
