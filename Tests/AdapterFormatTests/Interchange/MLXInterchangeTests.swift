import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing

@Suite("MLX adapters")
struct MLXInterchangeTests {
  @Test("the layout is mlx-lm's: transposed, without wrappers, the scale itself")
  func layout() throws {
    let archive = testArchive([("layers.2.self_attn.q_proj", 2, 0.3), ("layers.3.mlp.up_proj", 2, 0.3)])
    let out = TemporaryFolder()
    try archive.export(.mlx, to: out.path + "/m", base: BaseArchitecture(name: "qwen2", layerCount: 4))
    let file = try SafetensorsFile(path: out.path + "/m/adapters.safetensors")
    #expect(
      Set(file.tensors.map(\.name)) == [
        "model.layers.2.self_attn.q_proj.lora_a", "model.layers.2.self_attn.q_proj.lora_b",
        "model.layers.3.mlp.up_proj.lora_a", "model.layers.3.mlp.up_proj.lora_b",
      ])
    let a = try #require(file["model.layers.2.self_attn.q_proj.lora_a"])
    let original = try #require(archive.entries[0].pair?.a.floats())
    #expect(a.shape == [8, 2] && a.floats()[1] == original[8] && a.floats()[2] == original[1])
    let config = try #require(try JSON.parse(path: out.path + "/m/adapter_config.json").object)
    let parameters = try #require(config["lora_parameters"]?.object)
    #expect(config["num_layers"]?.int == 2 && config["fine_tune_type"]?.string == "lora")
    #expect(parameters["rank"]?.int == 2 && parameters["scale"]?.double == Double(Float(0.3)))
    #expect(parameters["keys"] == .array([.string("mlp.up_proj"), .string("self_attn.q_proj")]))
    let again = try AdapterFile(path: out.path + "/m")
    #expect(again.format == .mlx && AdapterDifference(archive, again.archive).verdict == .same)
    #expect(try Adapter(path: out.path + "/m").modules.count == 2)
    // An MLX adapter's own configuration comes back as it was, through .tina too.
    try TinaWriter.write(again.archive, to: out.path + "/m.tina")
    try AdapterFile(path: out.path + "/m.tina").archive.export(.mlx, to: out.path + "/n")
    #expect(try JSON.parse(path: out.path + "/n/adapter_config.json").object == config)
  }

  @Test("magnitudes of DoRA and pairs of the token table pass")
  func otherKinds() throws {
    var archive = testArchive([("layers.0.mlp.up_proj", 2, 1)])
    archive.entries.append(
      AdapterEntry(
        module: "layers.0.mlp.up_proj", path: "model.layers.0.mlp.up_proj",
        content: .magnitude(Tensor(name: "m", shape: [12], floats: (0..<12).map { Float($0) }))))
    let out = TemporaryFolder()
    try archive.export(.mlx, to: out.path + "/d")
    let again = try AdapterFile(path: out.path + "/d").archive
    #expect(again.mlxConfiguration?["fine_tune_type"]?.string == "dora" && again.entries.count == 2)
    #expect(AdapterDifference(archive, again).verdict == .same)
    let table = AdapterArchive(entries: [
      AdapterEntry(
        module: "embed_tokens", path: "model.embed_tokens",
        content: .embedding(LowRankAlgebraTests.pair(rank: 2, input: 9, output: 4)))
    ])
    // MLX changes a tied head with its embedding: a base must be known to have a head of its own.
    expectExportRefusal(table, .mlx, "\"embed_tokens\"", "may be one", "--base")
    expectExportRefusal(table, .mlx, base: BaseArchitecture(name: "qwen2", isTied: true), "tables are one")
    try table.export(.mlx, to: out.path + "/t", base: BaseArchitecture(name: "qwen2", isTied: false))
    #expect(try AdapterDifference(table, AdapterFile(path: out.path + "/t").archive).verdict == .same)
  }

  @Test("what MLX cannot represent is refused by name")
  func refusals() {
    expectExportRefusal(
      testArchive([("layers.0.mlp.up_proj", 2, 1), ("layers.1.mlp.up_proj", 3, 1)]), .mlx,
      "rank 3, while \"layers.0.mlp.up_proj\" has rank 2")
    expectExportRefusal(
      testArchive([("layers.0.mlp.up_proj", 2, 1), ("layers.1.mlp.up_proj", 2, 2)]), .mlx, "scale 2.0",
      "MLX has one")
    var archive = testArchive([("layers.0.mlp.up_proj", 2, 1), ("layers.1.mlp.up_proj", 2, 1)])
    archive.entries.append(
      AdapterEntry(
        module: "layers.0.mlp.up_proj", path: "model.layers.0.mlp.up_proj",
        content: .magnitude(Tensor(name: "m", shape: [12], floats: [Float](repeating: 1, count: 12)))))
    expectExportRefusal(archive, .mlx, "a pair without magnitude", "layers.1.mlp.up_proj")
    archive.entries.removeLast()
    archive.entries.append(
      AdapterEntry(module: "x", path: "x", content: .bias(Tensor(name: "b", shape: [1], floats: [1]))))
    expectExportRefusal(archive, .mlx, "the kind bias")
  }

  @Test("settings that cannot be, halves, other ranks; null metadata is none")
  func reading() throws {
    func directory(_ parameters: String, _ tensors: [TestTensor]) -> TemporaryFolder {
      let directory = TemporaryFolder()
      directory.write("adapter_config.json", #"{"num_layers":2,"lora_parameters":\#(parameters)}"#)
      directory.write("adapters.safetensors", safetensors(tensors))
      return directory
    }
    let pair = [
      TestTensor(name: "model.layers.0.mlp.up_proj.lora_a", shape: [3, 2]),
      TestTensor(name: "model.layers.0.mlp.up_proj.lora_b", shape: [2, 4]),
    ]
    let refused: [(String, [TestTensor], [String])] = [
      (#"{"rank":2}"#, pair, ["lora_parameters.scale", "found nothing"]),
      (#"{"rank":3,"scale":1}"#, pair, ["shapes [3, 2] and [2, 4]", "[in, 3]"]),
      ("[]", pair, ["lora_parameters", "found []"]),
      (#"{"rank":2,"scale":1}"#, [pair[0]], ["no lora_b for it"]),
      (#"{"rank":2,"scale":1}"#, [], ["no tensors"]),
    ]
    for (parameters, tensors, fragments) in refused {
      let directory = directory(parameters, tensors)
      expectRefusal(directory.path, fragments)
    }
    let good = directory(#"{"rank":2,"scale":20.0,"dropout":0.0}"#, pair)
    let adapter = try Adapter(path: good.path)
    #expect(adapter.modules[0].scale == 20 && adapter.modules[0].b.shape == [4, 2] && adapter.notes.isEmpty)
    #expect(try Adapter(path: good.path + "/adapters.safetensors").modules.count == 1)
    let text = String(decoding: safetensors(pair).dropFirst(8).prefix { $0 != 0 }, as: UTF8.self)
    let end = try #require(text.lastIndex(of: "}"))
    let header = #"{"__metadata__":null,"# + text[...end].dropFirst()
    let data = safetensors(pair).dropFirst(8 + text[...end].utf8.count)
    let length = header.utf8.count
    good.write(
      "adapters.safetensors",
      (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + Array(header.utf8) + data)
    #expect(try Adapter(path: good.path).modules.count == 1)
  }
}
