import Foundation
import TestSupport
import Testing

/// `tina convert`, `inspect`, `verify` and `diff` on the adapters that ship with the project.
@Suite struct ConvertTests {
  /// A small PEFT adapter of Qwen2's names: r 4, seven projections, F32.
  static let adapter = tiny("adapter-all-r4")
  /// Another one: ranks and alphas by pattern.
  static let patterns = tiny("adapter-patterns")
  static let base = tiny("tiny-f32")

  private static func convert(_ arguments: String...) throws -> Program.Result {
    try Program.run(["convert"] + arguments)
  }

  private static func same(_ a: String, _ b: String, _ more: String...) throws -> Bool {
    let result = try Program.run(["diff", a, b] + more)
    return result.status == 0 && result.output.hasPrefix("same")
  }

  @Test func everyFormatGivesTheSameAdapterBack() throws {
    let scratch = TemporaryFolder()
    for (name, options) in [
      ("a.tina", ["--base", Self.base]), ("plain.tina", ["--stored"]), ("peft", []),
      ("a.gguf", ["--base", Self.base]), ("mlx", ["--to", "mlx", "--base", Self.base]),
    ] {
      let result = try Program.run(["convert", Self.adapter, scratch.path(name)] + options)
      #expect(result.status == 0, "\(name): \(result.errors)")
      #expect(try Self.same(Self.adapter, scratch.path(name)), "\(name)")
      #expect(try Program.run(["verify", scratch.path(name)]).status == 0, "\(name)")
    }
    let weights = "/adapter_model.safetensors"
    #expect(try Self.convert(scratch.path("a.tina"), scratch.path("again")).status == 0)
    #expect(
      try Data(contentsOf: URL(fileURLWithPath: Self.adapter + weights))
        == Data(contentsOf: URL(fileURLWithPath: scratch.path("again") + weights)))
    let identified = try Program.run(["inspect", scratch.path("a.tina"), "--json"]).object()
    #expect((identified["base"] as? [String: Any])?["architecture"] as? String == "qwen2")
  }

  @Test func lossyFilesStateTheirErrorAndEachPrefixIsAnAdapter() throws {
    let scratch = TemporaryFolder()
    let result = try Program.run([
      "convert", Self.adapter, scratch.path("s.tina"), "--lossy", "standard", "--json",
    ])
    let layers = try #require(try result.object()["layers"] as? [[String: Any]])
    let error = try #require(layers.last?["total_error"] as? Double)
    #expect(error > 0 && error <= 0.01)
    let difference = try Program.run(["diff", Self.adapter, scratch.path("s.tina"), "--json"])
    #expect(difference.status == 1)
    let measured = try #require(try difference.object()["relative"] as? Double)
    #expect(abs(measured - error) < 0.01 * error)
    if layers.count > 1 {
      let first = try Program.run(["diff", Self.adapter, scratch.path("s.tina") + ":layers=1", "--json"])
      let told = try #require(layers.first?["total_error"] as? Double)
      #expect(abs((try first.object()["relative"] as? Double ?? 0) - told) < 0.01 * told)
    }
    #expect(try Self.convert(Self.adapter, scratch.path("r.tina"), "--rank", "2").status == 0)
    let reduced = try Program.run(["inspect", scratch.path("r.tina"), "--json"]).object()
    let modules = try #require(reduced["modules"] as? [[String: Any]])
    #expect(modules.allSatisfy { $0["rank"] as? Int == 2 })
  }

  @Test func whatATargetCannotRepresentIsRefusedAndNothingIsWritten() throws {
    let scratch = TemporaryFolder()
    for (arguments, fragment) in [
      ([Self.patterns, scratch.path("m"), "--to", "mlx"], "MLX has one"),
      ([Self.adapter, scratch.path("a.gguf")], "--base"),
      ([Self.adapter, scratch.path("a.tina"), "--base", pico + "-nowhere"], "pico-nowhere"),
      (["no/such/adapter", scratch.path("a.tina")], "no/such/adapter"),
      ([Self.adapter, scratch.path("no/such/folder/a.tina")], "no/such/folder"),
    ] {
      let result = try Program.run(["convert"] + arguments)
      #expect(result.status == 1 && result.errors.contains(fragment), "\(arguments): \(result.errors)")
      #expect(result.output.isEmpty)
    }
    #expect(scratch.names.isEmpty, "\(scratch.names)")
  }

  @Test(arguments: [
    ["convert", "a"], ["convert", "a", "b.gguf", "--lossy", "fine"],
    ["convert", "a", "b.tina", "--to", "peft"],
    ["convert", "a", "b.tina", "--lossy", "fine", "--max-bytes", "9"], ["convert", "a", "b.safetensors"],
    ["convert", "a", "b.tina", "--max-error", "1"], ["convert", "a", "b.tina", "--rank", "0"],
    ["convert", "a@2", "b.tina"], ["convert", "a", "b.tina", "--stored", "--lossy", "fine"],
    ["convert", "a", "b.tina", "--lossy", "great"], ["diff", "a"], ["diff", "a", "b@2"], ["inspect"],
    ["verify"],
  ])
  func wrongUsageExitsWith64(_ arguments: [String]) throws {
    let result = try Program.run(arguments)
    #expect(result.status == 64 && result.errors.contains("Error: ") && result.output.isEmpty)
  }

  @Test(arguments: ["convert", "inspect", "verify", "diff"])
  func helpHasExamples(_ command: String) throws {
    let result = try Program.run([command, "--help"])
    #expect(
      result.status == 0 && result.output.contains("EXAMPLES:") && result.output.contains("tina \(command) "))
  }

  @Test func inspectShowsEveryModuleAndEveryOtherTensor() throws {
    let text = try Program.run(["inspect", Self.adapter])
    #expect(text.status == 0)
    #expect(text.output.contains("layers.0.mlp.down_proj") && text.output.contains("█"))
    #expect(text.output.contains("applicable  yes") && text.output.contains("not identified"))
    let object = try Program.run(["inspect", Self.adapter, "--json"]).object()
    let modules = try #require(object["modules"] as? [[String: Any]])
    #expect(modules.count == 14 && object["format"] as? String == "peft")
    for module in modules {
      let values = try #require(module["singular_values"] as? [Double])
      let norm = try #require(module["norm"] as? Double)
      let rank = try #require(module["effective_rank"] as? Double)
      #expect(values.count == 4 && abs(values.reduce(0) { $0 + $1 * $1 }.squareRoot() - norm) < 1e-12 * norm)
      #expect(rank >= 1 && rank <= 4)
    }
  }

  @Test func verifyFindsAFlippedByteAndACutFile() throws {
    let scratch = TemporaryFolder()
    let path = scratch.path("a.tina")
    #expect(try Self.convert(Self.adapter, path).status == 0)
    let sound = try Program.run(["verify", path])
    #expect(sound.status == 0 && sound.output.contains("sound") && sound.output.contains("content digest"))
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    var flipped = bytes
    flipped[bytes.count - 9] ^= 4
    try flipped.write(to: URL(fileURLWithPath: path))
    let damaged = try Program.run(["verify", path])
    #expect(damaged.status == 1 && damaged.output.contains("violation"))
    try bytes.dropLast().write(to: URL(fileURLWithPath: path))
    let cut = try Program.run(["verify", path, "--json"])
    #expect(cut.status == 1)
    #expect(try cut.object()["sound"] as? Bool == false)
  }

  @Test func diffTellsHowFar() throws {
    let scratch = TemporaryFolder()
    #expect(try Self.convert(Self.adapter, scratch.path("h"), "--dtype", "bf16").status == 0)
    let rounded = try Program.run(["diff", Self.adapter, scratch.path("h")])
    #expect(rounded.status == 0 && rounded.output.hasPrefix("same up to rounding"))
    let other = try Program.run(["diff", Self.adapter, Self.patterns])
    #expect(
      other.status == 1 && other.output.contains("different: ") && other.output.contains("most in layers."))
    let missing = try Program.run(["diff", Self.adapter, "no/such/adapter"])
    #expect(missing.status == 2 && missing.errors.contains("no/such/adapter") && missing.output.isEmpty)
  }

  /// Writes a PEFT adapter of pseudo-random numbers.
  static func makeAdapter(_ path: String, layers: Int, rank: Int, width: Int) throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try Data(
      "{\"peft_type\":\"LORA\",\"r\":\(rank),\"lora_alpha\":\(rank),\"target_modules\":[\"q_proj\"]}".utf8
    ).write(to: URL(fileURLWithPath: path + "/adapter_config.json"))
    var entries: [String] = []
    var data = Data()
    var random = SeededGenerator(1)
    for layer in 0..<layers {
      for (half, shape) in [("A", [rank, width]), ("B", [width, rank])] {
        let begin = data.count
        var words = [UInt32](repeating: 0, count: shape[0] * shape[1])
        for i in words.indices {
          words[i] = 0x3c00_0000 | UInt32(truncatingIfNeeded: random.next() >> 41)
        }
        unsafe words.withUnsafeBytes { unsafe data.append(contentsOf: $0) }
        entries.append(
          "\"base_model.model.model.layers.\(layer).self_attn.q_proj.lora_\(half).weight\":"
            + "{\"dtype\":\"F32\",\"shape\":\(shape),\"data_offsets\":[\(begin),\(data.count)]}")
      }
    }
    let header = "{" + entries.joined(separator: ",") + "}"
    let length = (0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) }
    try (Data(length) + Data(header.utf8) + data).write(
      to: URL(fileURLWithPath: path + "/adapter_model.safetensors"))
  }
}
