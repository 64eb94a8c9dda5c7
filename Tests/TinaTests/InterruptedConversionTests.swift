import Foundation
import TestSupport
import Testing

/// A conversion that is killed, or that meets a full disk, leaves the old output or the whole new one, in every format.
@Suite struct InterruptedConversionTests {
  enum Target: String, CaseIterable, Sendable, CustomStringConvertible {
    case tina = "a.tina"
    case peft = "a-peft"
    case mlx = "a-mlx"
    case gguf = "a.gguf"
    var description: String { rawValue }
  }

  /// Two adapters of one shape: the old output, and the new.
  private struct Adapters {
    let scratch: TemporaryFolder
    let old: String
    let new: String
    /// A configuration without weights: GGUF needs the names of an architecture.
    let base: String

    init() throws {
      scratch = TemporaryFolder()
      old = scratch.path("old")
      new = scratch.path("new")
      base = scratch.makeFolder("base")
      try ConvertTests.makeAdapter(old, layers: 1, rank: 4, width: 512)
      try ConvertTests.makeAdapter(new, layers: 24, rank: 32, width: 512)
      let config =
        #"{"model_type": "qwen2", "num_attention_heads": 8, "num_key_value_heads": 8, "num_hidden_layers": 24}"#
      scratch.write("base/config.json", config)
    }

    func arguments(_ source: String, _ target: Target, at path: String) -> [String] {
      ["convert", source, path]
        + (target == .mlx ? ["--to", "mlx"] : target == .gguf ? ["--base", base] : [])
    }
  }

  /// A file's bytes, or those of every file in a directory; nil if there is nothing.
  private static func contents(_ path: String) throws -> [String: Data]? {
    var isDirectory = ObjCBool(false)
    guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else { return nil }
    let names =
      isDirectory.boolValue ? try FileManager.default.contentsOfDirectory(atPath: path).sorted() : [""]
    return try Dictionary(
      uniqueKeysWithValues: names.map {
        ($0, try Data(contentsOf: URL(fileURLWithPath: $0.isEmpty ? path : path + "/" + $0)))
      })
  }

  @Test(arguments: Target.allCases)
  func killedItLeavesTheOldOrTheNew(_ target: Target) throws {
    let adapters = try Adapters()
    let finished = adapters.scratch.path("finished-" + target.rawValue)
    #expect(try Program.run(adapters.arguments(adapters.new, target, at: finished)).status == 0)
    let whole = try #require(try Self.contents(finished))
    let path = adapters.scratch.path(target.rawValue)
    // Over nothing first, then over an older adapter.
    for hasOld in [false, true] {
      if hasOld {
        try? FileManager.default.removeItem(atPath: path)
        #expect(try Program.run(adapters.arguments(adapters.old, target, at: path)).status == 0)
      }
      let before = try Self.contents(path)
      #expect((before != nil) == hasOld)
      var wasKilled = false
      // Each try kills a little later, until a conversion ends before its kill.
      var delay = 0.002
      while delay < 100 {
        let process = try Program.start(adapters.arguments(adapters.new, target, at: path))
        Thread.sleep(forTimeInterval: delay)
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        let now = try Self.contents(path)
        if now == whole { break }
        wasKilled = true
        #expect(now == before, "after \(delay) s: neither the old nor the new")
        delay *= 1.6
      }
      #expect(try Self.contents(path) == whole && wasKilled)
    }
  }

  @Test(arguments: Target.allCases)
  func aFullDiskLeavesWhatWasThere(_ target: Target) throws {
    let adapters = try Adapters()
    let path = adapters.scratch.path(target.rawValue)
    for hasOld in [false, true] {
      if hasOld { #expect(try Program.run(adapters.arguments(adapters.old, target, at: path)).status == 0) }
      let before = try Self.contents(path)
      let names = adapters.scratch.names
      let result = try Program.run(adapters.arguments(adapters.new, target, at: path), fileLimit: 64)
      #expect(result.status == 74)
      #expect(result.errors.contains(target.rawValue), "\(result.errors)")
      #expect(try Self.contents(path) == before)
      #expect(adapters.scratch.names == names)
    }
  }
}
