import Foundation
import TestSupport
import Testing

/// `tina merge` as a user runs it, and on a machine that fails.
@Suite(.serialized) struct MergeCommandTests {
  private static let adapter = picoAdapter

  @Test(.needsPico)
  func picoIsMergedAndAnswersAsWithItsAdapter() throws {
    let scratch = TemporaryFolder()
    let result = try Program.run(
      ["merge", pico, Self.adapter, scratch.path("out"), "--dtype", "f32"])
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output.contains("survived rounding") && result.output.contains("GB/s"))
    let question = ["What is 17 + 25?", "--greedy", "--max-tokens", "48", "--json"]
    let merged = try Program.run(["run", scratch.path("out")] + question).object()
    let attached = try Program.run(["run", pico, "--adapter", Self.adapter] + question).object()
    #expect(merged["text"] as? String == attached["text"] as? String)
    #expect((merged["text"] as? String)?.isEmpty == false)
  }

  @Test(.needsPico)
  func theReportIsJSON() throws {
    let scratch = TemporaryFolder()
    let result = try Program.run(
      ["merge", pico, Self.adapter + "@0.5", scratch.path("out"), "--json", "--accept-loss"])
    let object = try result.object()
    #expect((object["modules"] as? [Any])?.isEmpty == false)
    #expect(object["format"] as? String == "tina merge report 1")
  }

  /// After a kill between two files the same command continues; the result is that of an undisturbed merge.
  @Test(.needsPico)
  func aMergeThatWasKilledGoesOn() throws {
    let scratch = TemporaryFolder()
    let options = ["--dtype", "f32", "--shard-size", "100kB", "--threads", "1"]
    let arguments = ["merge", pico, Self.adapter, scratch.path("out")] + options
    let hidden = scratch.path(".out.merging")
    var wasKilled = false
    for _ in 0..<5 where !wasKilled {
      let process = try Program.start(arguments)
      while process.isRunning {
        if FileManager.default.fileExists(atPath: hidden + "/.tina-merge-progress.json") {
          kill(process.processIdentifier, SIGKILL)
          break
        }
        usleep(200)
      }
      process.waitUntilExit()
      wasKilled = process.terminationReason == .uncaughtSignal
      if !wasKilled { try? FileManager.default.removeItem(atPath: scratch.path("out")) }
    }
    try #require(wasKilled, "the merge was always faster than the kill")
    #expect(!FileManager.default.fileExists(atPath: scratch.path("out")))
    #expect(FileManager.default.fileExists(atPath: hidden))

    let resumed = try Program.run(arguments)
    #expect(resumed.status == 0, "\(resumed.errors)")
    #expect(resumed.output.contains("were there from before"))
    let whole = try Program.run(["merge", pico, Self.adapter, scratch.path("whole")] + options)
    #expect(!whole.output.contains("were there from before"))
    #expect(FileManager.default.contentsEqual(atPath: scratch.path("out"), andPath: scratch.path("whole")))
    #expect(!FileManager.default.fileExists(atPath: hidden))
  }

  /// Files that another merge left are not used.
  @Test(.needsPico)
  func anotherMergeBeginsAnew() throws {
    let scratch = TemporaryFolder()
    scratch.makeFolder(".out.merging")
    scratch.write(
      ".out.merging/.tina-merge-progress.json",
      #"{"key":"another","finished":[{"file":"model.safetensors","modules":[]}]}"#)
    scratch.write(".out.merging/model.safetensors", "leftover")
    scratch.write(".out.merging/model-00001-of-00002.safetensors", "leftover")
    let options = ["--dtype", "f32"]
    for name in ["out", "clean"] {
      let result = try Program.run(["merge", pico, Self.adapter, scratch.path(name)] + options)
      #expect(result.status == 0 && !result.output.contains("were there from before"), "\(result.errors)")
    }
    #expect(FileManager.default.contentsEqual(atPath: scratch.path("out"), andPath: scratch.path("clean")))
  }

  @Test(.needsPico)
  func anExistingOutputIsNotReplacedWithoutForce() throws {
    let scratch = TemporaryFolder()
    scratch.write("out", "mine")
    let arguments = ["merge", pico, Self.adapter, scratch.path("out"), "--dtype", "f32"]
    let refused = try Program.run(arguments)
    #expect(refused.status == 1 && refused.errors.contains("--force"))
    #expect(try String(contentsOfFile: scratch.path("out"), encoding: .utf8) == "mine")
  }

  @Test(arguments: [
    ["merge"], ["merge", "a"], ["merge", "a", "b"], ["merge", "a", "b", "c", "--dtype", "q8"],
    ["merge", "a", "b", "c", "--shard-size", "none"], ["merge", "a", "b", "c", "--rounding", "up"],
    ["merge", "a", "b", "c", "--seed", "1"],
    ["merge", "a", "b", "c", "--rounding", "stochastic", "--dtype", "f32"],
    ["merge", "a", "b", "c", "--threads", "0"],
  ])
  func wrongUsageExitsWith64(_ arguments: [String]) throws {
    let result = try Program.run(arguments)
    #expect(result.status == 64 && result.output.isEmpty)
  }

  @Test func missingInputsAreNamed() throws {
    #expect(try Program.run(["merge", "no/model", "b", "c"]).errors.contains("no/model"))
    #expect(try Program.run(["merge", "--help"]).output.contains("EXAMPLES:"))
  }
}
