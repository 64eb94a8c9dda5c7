import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing

@Suite("PEFT, everything in it")
struct PEFTInterchangeTests {
  /// Every dialect and kind that formats have been seen with.
  private static let names: [(name: String, shape: [Int], kind: String)] = [
    ("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", [2, 3], "lowrank"),
    ("base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight", [4, 2], "lowrank"),
    ("base_model.model.model.layers.1.self_attn.q_proj.lora_A.default.weight", [2, 3], "lowrank"),
    ("base_model.model.model.layers.1.self_attn.q_proj.lora_B.default.weight", [4, 2], "lowrank"),
    ("base_model.model.base_model.model.model.layers.2.self_attn.q_proj.lora_A.weight", [2, 3], "lowrank"),
    ("base_model.model.base_model.model.model.layers.2.self_attn.q_proj.lora_B.weight", [4, 2], "lowrank"),
    ("model.layers.3.self_attn.q_proj.lora_A.weight", [2, 3], "lowrank"),
    ("model.layers.3.self_attn.q_proj.lora_B.weight", [4, 2], "lowrank"),
    ("base_model.model.model.embed_tokens.lora_embedding_A", [2, 9], "embedding"),
    ("base_model.model.model.embed_tokens.lora_embedding_B", [3, 2], "embedding"),
    ("base_model.model.model.embed_tokens.base_layer.weight", [9, 3], "full"),
    ("base_model.model.lm_head.weight", [9, 3], "full"),
    ("base_model.model.score.weight", [2, 3], "full"), ("base_model.model.score.bias", [2], "bias"),
    ("base_model.model.model.layers.0.self_attn.q_proj.bias", [4], "bias"),
    ("base_model.model.model.layers.0.self_attn.q_proj.lora_B.bias", [4], "pair-bias"),
    ("base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector", [4], "magnitude"),
    (
      "base_model.model.model.layers.1.self_attn.q_proj.lora_magnitude_vector.default.weight", [4],
      "magnitude"
    ),
    ("base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta", [2, 3], "rows"),
    ("base_model.model.conv.lora_A.weight", [2, 3, 5, 5], "convolution"),
    ("base_model.model.conv.lora_B.weight", [4, 2, 1, 1], "convolution"),
  ]

  private static func adapter() -> TestAdapter {
    var test = TestAdapter()
    test.tensors = names.enumerated().map {
      TestTensor(name: $1.name, shape: $1.shape, value: Float($0 + 1), type: $0 % 2 == 0 ? "F32" : "BF16")
    }
    test.settings["trainable_token_indices"] = "{\"embed_tokens\":[5,7]}"
    test.settings["unknown_future_key"] = "[1.50, null, {\"x\": \"é\"}]"
    test.write()
    return test
  }

  private static func tensors(_ path: String) throws -> [String: [UInt8]] {
    let file = try SafetensorsFile(path: path)
    return Dictionary(
      uniqueKeysWithValues: file.tensors.map { tensor in
        (
          tensor.name + " \(tensor.elementType) \(tensor.shape)",
          unsafe tensor.bytes.withUnsafeBytes { unsafe Array($0) }
        )
      })
  }

  @Test("every kind is read by its name")
  func kinds() throws {
    let test = Self.adapter()
    let file = try AdapterFile(path: test.directory.path)
    var kinds: [String: String] = [:]
    for entry in file.archive.entries {
      for name in entry.peftNames { kinds[name] = entry.kind }
    }
    for (name, _, kind) in Self.names { #expect(kinds[name] == kind, "\(name)") }
    #expect(kinds.count == Self.names.count)
    for case .rows(_, let ids) in file.archive.entries.map(\.content) { #expect(ids == [5, 7]) }
    #expect(
      file.archive.entries.filter { $0.kind == "lowrank" }.map(\.module)
        == (0..<4).map { "layers.\($0).self_attn.q_proj" })
  }

  @Test("and written again: the same names, bytes and configuration, directly and through .tina")
  func roundTrip() throws {
    let test = Self.adapter()
    let archive = try AdapterFile(path: test.directory.path).archive
    let out = TemporaryFolder()
    try archive.export(.peft, to: out.path + "/peft")
    try TinaWriter.write(archive, to: out.path + "/a.tina")
    try AdapterFile(path: out.path + "/a.tina").archive.export(.peft, to: out.path + "/again")
    let original = try Self.tensors(test.directory.path + "/adapter_model.safetensors")
    for name in ["peft", "again"] {
      #expect(try Self.tensors(out.path + "/\(name)/adapter_model.safetensors") == original)
      #expect(
        try JSON.parse(path: out.path + "/\(name)/adapter_config.json")
          == JSON.parse(path: test.directory.path + "/adapter_config.json"))
    }
  }

  @Test("what is no plain pair is refused when it is to be applied, from PEFT and from .tina alike")
  func applied() throws {
    let test = Self.adapter()
    let out = TemporaryFolder()
    try TinaWriter.write(AdapterFile(path: test.directory.path).archive, to: out.path + "/a.tina")
    for path in [test.directory.path, out.path + "/a.tina"] {
      expectRefusal(
        path,
        ["trainable_tokens_delta", "conv."],
        count: nil)
    }
  }

  @Test("shards are read as one file")
  func shards() throws {
    let test = TestAdapter()
    test.write()
    let names = ["adapter_model-00001-of-00002.safetensors", "adapter_model-00002-of-00002.safetensors"]
    test.directory.write(names[0], safetensors(Array(test.tensors[..<2])))
    test.directory.write(names[1], safetensors(Array(test.tensors[2...])))
    let map = test.tensors.enumerated().map { "\"\($1.name)\":\"\(names[$0 / 2])\"" }.joined(separator: ",")
    test.directory.write("adapter_model.safetensors.index.json", "{\"weight_map\":{\(map)}}")
    let single = try AdapterFile(path: test.directory.path).archive
    try FileManager.default.removeItem(atPath: test.directory.path + "/adapter_model.safetensors")
    let sharded = try AdapterFile(path: test.directory.path)
    #expect(AdapterDifference(single, sharded.archive).verdict == .same && sharded.archive.entries.count == 2)
    try FileManager.default.removeItem(atPath: test.directory.path + "/" + names[1])
    expectRefusal(test.directory.path, [names[1], "no such file"])
  }

  @Test("other ranks and scales than the configuration's are written into it, bit for bit")
  func configuration() throws {
    let archive = testArchive([
      ("layers.1.mlp.up_proj", 3, 0.1), ("layers.11.mlp.up_proj", 2, 0.7), ("layers.1.mlp.down_proj", 3, 0.1),
    ])
    let out = TemporaryFolder()
    try archive.export(.peft, to: out.path + "/peft")
    let adapter = try Adapter(path: out.path + "/peft")
    #expect(adapter.modules.map(\.rank) == [3, 3, 2] && adapter.modules.map(\.scale) == [0.1, 0.1, 0.7])
    #expect(adapter.configuration["r"]?.int == 3)
    #expect(adapter.configuration["rank_pattern"]?.object?.keys.count == 1)
    #expect(try AdapterDifference(archive, AdapterFile(path: out.path + "/peft").archive).verdict == .same)
  }

  @Test("a directory with other files is not replaced; one with an adapter is")
  func targets() throws {
    let archive = testArchive([("layers.0.mlp.up_proj", 2, 1)])
    let out = TemporaryFolder()
    let target = out.path + "/peft"
    try archive.export(.peft, to: target)
    let other = testArchive([("layers.0.mlp.up_proj", 2, 3)])
    try other.export(.peft, to: target)
    #expect(try Adapter(path: target).modules[0].scale == 3)
    out.write("peft/README.md", "mine")
    #expect(throws: AdapterError.self) { try archive.export(.peft, to: target) }
    #expect(try Adapter(path: target).modules[0].scale == 3)
    #expect(try FileManager.default.contentsOfDirectory(atPath: out.path) == ["peft"])
  }
}
