import Foundation
import ModelFiles
import TestSupport
import Testing
import TinaRuntime

@testable import Merging

/// A GGUF file ends answers where the directory does that it was made from.
@Suite struct EndTokenTests {
  @Test(arguments: [[496], [500, 496], [496, 500, 501], [500, 501, 502, 503, 496]])
  func everyEndTokenIsKept(ends: [Int]) throws {
    let folder = TemporaryFolder()
    let base = folder.path("base")
    try FileManager.default.copyItem(atPath: pico, toPath: base)
    let text = #"{"eos_token_id": \#(ends)}"#
    try Data(text.utf8).write(to: URL(fileURLWithPath: base + "/generation_config.json"))
    let model = try Model(path: base, threads: 1)
    let file = folder.path("m.gguf")
    _ = try Quantization(model, output: file, type: .f16).run()
    #expect(model.endTokens.isSuperset(of: ends))
    #expect(try Model(path: file, threads: 1).endTokens == model.endTokens)
  }

  /// No configuration names the token, but the template writes it.
  @Test func theTemplatesEndIsKept() throws {
    let folder = TemporaryFolder()
    let base = folder.path("base")
    try FileManager.default.copyItem(atPath: pico, toPath: base)
    try FileManager.default.removeItem(atPath: base + "/generation_config.json")
    for name in ["tokenizer.json", "tokenizer_config.json"] {
      let text = try String(contentsOfFile: base + "/" + name, encoding: .utf8)
      try Data(text.replacingOccurrences(of: "<|EOT|>", with: "<end_of_turn>").utf8)
        .write(to: URL(fileURLWithPath: base + "/" + name))
    }
    try Data("{{ '<start_of_turn>' + role }}<end_of_turn>".utf8)
      .write(to: URL(fileURLWithPath: base + "/chat_template.jinja"))
    let model = try Model(path: base, threads: 1)
    let file = folder.path("m.gguf")
    _ = try Quantization(model, output: file, type: .f16).run()
    #expect(model.endTokens == [496, 500])
    #expect(try Model(path: file, threads: 1).endTokens == model.endTokens)
  }
}
