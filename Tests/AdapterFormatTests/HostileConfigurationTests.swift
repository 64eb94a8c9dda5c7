import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import AdapterFormat

/// Adapters that only exist to take time or memory.
@Suite("Hostile adapters")
struct HostileConfigurationTests {
  private let marks = String(repeating: "\u{323}\u{307}", count: 1 << 16)

  @Test(
    "marks in any place of a configuration are refused at once",
    arguments: [
      "peft_type", "base_model_name_or_path", "bias", "init_lora_weights", "target_modules", "key", "pattern",
      "task_type",
    ])
  func marks(place: String) {
    var test = TestAdapter()
    switch place {
    case "target_modules": test.settings[place] = "[\"\(marks)\"]"
    case "key": test.more = ["\"\(marks)\": 1"]
    case "pattern": test.settings["rank_pattern"] = "{\"\(marks)\": 2}"
    default: test.settings[place] = "\"\(marks)\""
    }
    test.write()
    let seconds = processorSeconds {
      #expect(throws: AdapterError.self) { try Adapter(path: test.directory.path) }
      #expect(throws: AdapterError.self) { try AdapterFile(path: test.directory.path) }
    }
    #expect(seconds < 10)
  }

  @Test("a file that decodes to far more than it holds is refused before it does")
  func bomb() throws {
    let folder = TemporaryFolder()
    let zeros = OwnedBytes([UInt8](repeating: 0, count: 4 << 20))
    let pair = LowRankPair(
      a: Tensor(name: "a", elementType: .f32, shape: [1, 1 << 20], memory: zeros),
      b: Tensor(name: "b", elementType: .f32, shape: [1 << 20, 1], memory: zeros), scale: 1)
    let archive = AdapterArchive(entries: (0..<4).map { pairEntry("layers.\($0).self_attn.q_proj", pair) })
    let path = folder.path + "/zeros.tina"
    try TinaWriter.write(archive, to: path)
    let file = try TinaFile(path: path)
    #expect(file.byteCount < 1 << 16 && file.pairShapes.count == 4 && file.pairShapes[0].a == [1, 1 << 20])
    #expect(throws: TinaFault.self) { try file.catalog.checkDecodedSize(limit: 16 << 20, fileByteCount: 1) }
    try file.catalog.checkDecodedSize(limit: 32 << 20, fileByteCount: 1)
    #expect(TinaFile.maximumDecodedByteCount(fileByteCount: file.byteCount) == 512 << 20)
    #expect(TinaFile.maximumDecodedByteCount(fileByteCount: 1 << 30) == 64 << 30)
    #expect(AdapterFile.undecodedShapes(path: path, layers: nil)?.count == 4)
    #expect(AdapterFile.undecodedShapes(path: folder.path, layers: nil)?.count == 4)
    #expect(AdapterFile.undecodedShapes(path: folder.path + "/none", layers: nil) == nil)
  }

  @Test("NaN in a configuration: refused where it is used, kept in PEFT, and no part of a .tina file")
  func nonFinite() throws {
    var test = TestAdapter()
    test.settings["lora_alpha"] = "NaN"
    test.refuse("key \"lora_alpha\": found NaN")
    test.settings["lora_alpha"] = "8"
    test.settings["r"] = "Infinity"
    test.settings["rank_pattern"] = "{\".*\":2}"
    test.refuse("key \"r\": found Infinity")
    test.settings["r"] = "2"
    test.settings["lora_dropout"] = "NaN"
    #expect(try test.open().modules.count == 2)
    let folder = TemporaryFolder()
    do throws(AdapterError) {
      try TinaWriter.write(AdapterFile(path: test.directory.path).archive, to: folder.path + "/a.tina")
      Issue.record("written")
    } catch { #expect(error.description.contains("configuration.lora_dropout"), "\(error)") }
  }
}
