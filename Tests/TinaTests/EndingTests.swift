import Foundation
import TestSupport
import Testing

/// How commands end: no thread behind an error, no folder with two owners, nothing left by signals.
@Suite(.serialized, .needsPico)
struct EndingTests {
  /// The other thread still hashes when the merge is refused: the process must not fall with it.
  @Test func aRefusedMergeEndsWithItsError() throws {
    let scratch = TemporaryFolder()
    for _ in 0..<6 {
      for options in [["--dtype", "bf16"], ["--dtype", "f16"]] {
        let arguments = ["merge", pico, picoAdapter + "@0.0001", scratch.path("m")] + options
        let result = try Program.run(arguments)
        #expect(result.status == 1 && result.errors.contains("Error: "), "\(result)")
      }
      let full = try Program.run(
        ["merge", pico, picoAdapter, scratch.path("m"), "--dtype", "f32"], fileLimit: 64)
      #expect(full.status == 74, "\(full)")
      #expect(scratch.names.isEmpty, "\(scratch.names)")
    }
  }

  @Test(arguments: [
    ("run/.tina-lock", "train recipe.yaml --model \(pico) --output run"),
    (".m.merging.lock", "merge \(pico) \(picoAdapter) m --dtype f32"),
    (".q.gguf.merging.lock", "quantize \(pico) q.gguf --type Q8_0"),
    (".a.tina-lock", "convert \(picoAdapter) a"),
    ("e/.tina-lock", "eval \(pico) --limit 1 --max-tokens 4 --out e"),
    ("made/.tina-lock", "bench --make made"), ("made/.tina-lock", "bench \(pico) --make-adapter made"),
  ])
  func theSecondOwnerOfAFolderIsToldOfTheFirst(_ lock: String, _ command: String) throws {
    let scratch = TemporaryFolder()
    scratch.write("recipe.yaml", TrainTests.recipe)
    for folder in ["run", "e", "made"] { scratch.makeFolder(folder) }
    let script = "exec 9>>\(lock); flock 9; echo '4711 tina test' >&9; \"$TINA\" \(command) 9>&-"
    let result = try Program.shell(script, in: scratch.path)
    #expect(result.status == 1 && result.errors.contains("process 4711, tina test"), "\(result)")
  }

  /// A lock's file that a killed process left is no lock.
  @Test func aKilledProcessLeavesNoLock() throws {
    let scratch = TemporaryFolder()
    scratch.makeFolder("e")
    scratch.write("e/.tina-lock", "4711 tina eval\n")
    scratch.write(".a.tina-lock", "4711 tina\n")
    scratch.makeFolder("a.99999.tmp")
    scratch.write("a.99999.tmp/adapter_config.json", "{}")
    let script =
      "\"$TINA\" eval \(pico) --limit 1 --max-tokens 4 --out e && \"$TINA\" convert \(picoAdapter) a"
    let result = try Program.shell(script, in: scratch.path)
    #expect(result.status == 0, "\(result)")
    #expect(
      scratch.names == ["a", "e"] && !scratch.everything.contains("e/.tina-lock"), "\(scratch.everything)")
  }

  @Test(arguments: ["INT", "TERM", "HUP"])
  func aSignalLeavesNothing(_ signal: String) throws {
    let scratch = TemporaryFolder()
    // A signal that whoever started the tests switched off (nohup, a shell's background) would stay so.
    let script = """
      set -m
      env --default-signal "$TINA" bench \(pico) --json >/dev/null 2>&1 & pid=$!
      for i in $(seq 1000); do ls -d $TMPDIR/tina-bench-* >/dev/null 2>&1 && break; sleep 0.02; done
      kill -\(signal) $pid; wait $pid; echo $?; ls $TMPDIR
      """
    let result = try Program.shell("export TMPDIR=\(scratch.makeFolder("tmp")); " + script, in: scratch.path)
    let code = ["INT": 130, "TERM": 143, "HUP": 129][signal] ?? 0
    #expect(result.output == "\(code)\n", "\(result)")
  }

  /// The folder of a run that was stopped and went on is that of a run that was not.
  @Test func aResumedRunKeepsNoCheckpointMore() throws {
    let scratch = TemporaryFolder()
    let recipe = TrainTests.recipe.replacingOccurrences(of: "save_steps: 1", with: "save_steps: 2")
      .replacingOccurrences(of: "max_steps: 4", with: "max_steps: 5")
    for (name, more) in [("all", ""), ("limited", "\nsave_total_limit: 1")] {
      scratch.write("r.yaml", recipe + more)
      func train(_ folder: String, _ options: String = "") throws -> Program.Result {
        try Program.shell(
          "\"$TINA\" train r.yaml --model \(pico) --output \(folder) --ignore-missing-signal --memory 1 \(options)",
          in: scratch.path)
      }
      #expect(try train(name + "-whole").errors.contains("all 5 steps are done"))
      let stopped = try train(name + "-parts", "--stop-at 3")
      #expect(
        stopped.errors.contains("ended at step 3: this was the step to stop at; 5 are planned"), "\(stopped)")
      #expect(try train(name + "-parts").status == 0)
      func checkpoints(_ folder: String) -> [String] {
        scratch.everything.filter { $0.hasPrefix(folder + "/checkpoint-") && $0.hasSuffix("adapter.tina") }
          .map { String($0.dropFirst(folder.count)) }
      }
      let whole = checkpoints(name + "-whole")
      #expect(whole == checkpoints(name + "-parts") && !whole.isEmpty)
      for file in whole {
        let bytes = [name + "-whole", name + "-parts"].map {
          FileManager.default.contents(atPath: scratch.path($0 + file))
        }
        #expect(bytes[0] == bytes[1], "\(file)")
      }
    }
  }
}
