import Foundation
import TestSupport
import Testing

/// `tina verify` of whole models.
@Suite(.needsPico) struct VerifyModelTests {
  private static func digest(_ text: String) -> Substring? {
    text.split(separator: "weights digest ").last?.prefix(64)
  }

  @Test func soundModelsAreSaidToBe() throws {
    let scratch = TemporaryFolder()
    let directory = try Program.run(["verify", pico])
    #expect(directory.status == 0 && directory.output.contains("Hugging Face model, sound"), "\(directory)")
    for type in ["F32", "Q4_K_M"] {
      let file = scratch.path(type + ".gguf")
      #expect(try Program.run(["quantize", pico, file, "--type", type]).status == 0)
      let result = try Program.run(["verify", file])
      #expect(result.status == 0 && result.output.contains("GGUF model, sound"), "\(result)")
      // The same weights have the same digest in both containers; rounded weights have another.
      #expect((Self.digest(result.output) == Self.digest(directory.output)) == (type == "F32"))
      let object = try Program.run(["verify", file, "--json"]).object()
      #expect(object["sound"] as? Bool == true && object["format"] as? String == "gguf")
      #expect(object["model"] as? String == file && object["adapter"] == nil)
    }
  }

  @Test func damagedFilesAreNot() throws {
    let scratch = TemporaryFolder()
    let file = scratch.path("pico.gguf")
    #expect(try Program.run(["quantize", pico, file, "--type", "Q8_0"]).status == 0)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: file))
    // All bits set are NaN, in a float and in a block's scale.
    for place in [bytes.count / 2, bytes.count - 100] {
      var damaged = bytes
      damaged.replaceSubrange(place..<place + 68, with: Data(repeating: 0xff, count: 68))
      try damaged.write(to: URL(fileURLWithPath: file))
      let result = try Program.run(["verify", file])
      #expect(result.status == 1 && result.output.contains("not finite"), "\(result)")
    }
    for (size, message) in [(bytes.count - 1000, "bytes of data"), (100, "pico.gguf")] {
      try bytes.prefix(size).write(to: URL(fileURLWithPath: file))
      let result = try Program.run(["verify", file])
      #expect(result.status == 1 && result.output.contains(message), "\(result)")
    }
  }

  @Test func damagedDirectoriesAreNot() throws {
    let scratch = TemporaryFolder()
    let copy = scratch.path("pico")
    try FileManager.default.createDirectory(atPath: copy, withIntermediateDirectories: true)
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
      try FileManager.default.copyItem(atPath: pico + "/" + name, toPath: copy + "/" + name)
    }
    #expect(try Program.run(["verify", copy]).status == 0)
    let tokenizer = URL(fileURLWithPath: copy + "/tokenizer.json")
    let text = try Data(contentsOf: tokenizer)
    try text.dropLast(100).write(to: tokenizer)
    let cut = try Program.run(["verify", copy])
    #expect(cut.status == 1 && cut.output.contains("tokenizer"), "\(cut)")
    try FileManager.default.removeItem(at: tokenizer)
    let none = try Program.run(["verify", copy])
    #expect(none.status == 0 && none.output.contains("no tokenizer"), "\(none)")

    let weights = URL(fileURLWithPath: copy + "/model.safetensors")
    var bytes = try Data(contentsOf: weights)
    bytes.replaceSubrange(bytes.count - 8..<bytes.count, with: Data(repeating: 0xff, count: 8))
    try bytes.write(to: weights)
    let damaged = try Program.run(["verify", copy])
    #expect(damaged.status == 1 && damaged.output.contains("not finite"), "\(damaged)")

    let config = URL(fileURLWithPath: copy + "/config.json")
    let layers = try String(contentsOf: config, encoding: .utf8)
      .replacing(#/"num_hidden_layers": *\d+/#, with: #""num_hidden_layers": 9"#)
    try Data(layers.utf8).write(to: config)
    let other = try Program.run(["verify", copy, "--json"])
    let violations = try #require(other.object()["violations"] as? [[String: Any]])
    #expect(other.status == 1 && violations.count > 9, "\(other)")
  }

  @Test(arguments: [
    [], ["--adapter", "a=\(picoAdapter)", "--adapter", "b=\(picoAdapter)"],
    ["--adapter", "a=\(picoAdapter)", "--adapter-dir", pico],
  ])
  func aServerOfMergedWeightsServesOneAdapter(_ options: [String]) throws {
    let result = try Program.run(["serve", pico, "--merged", "bf16"] + options)
    #expect(result.status == 64 && result.errors.contains("--merged: found"), "\(result)")
  }
}
