import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing

/// What every test here starts from: an archive of pseudo-random pairs.
func testArchive(
  _ modules: [(name: String, rank: Int, scale: Float)], input: Int = 8, output: Int = 12,
  type: ElementType = .f32
) -> AdapterArchive {
  let entries = modules.enumerated().map { i, module in
    var pair = LowRankAlgebraTests.pair(
      rank: module.rank, input: input, output: output, scale: module.scale, seed: UInt64(i + 3))
    pair.a = pair.a.converted(to: type)
    pair.b = pair.b.converted(to: type)
    let path = module.name == "lm_head" ? module.name : "model." + module.name
    return AdapterEntry(module: module.name, path: path, content: .lowRank(pair))
  }
  return AdapterArchive(entries: entries)
}

/// Expects an export to be refused with these fragments, and nothing to be written.
func expectExportRefusal(
  _ archive: AdapterArchive, _ format: AdapterFileFormat, base: BaseArchitecture? = nil,
  _ fragments: String...,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  let out = TemporaryFolder()
  do throws(AdapterError) {
    try archive.export(format, to: out.path + "/out", base: base)
    Issue.record("it was written", sourceLocation: sourceLocation)
  } catch {
    for fragment in fragments {
      #expect(error.description.contains(fragment), "\(error)", sourceLocation: sourceLocation)
    }
  }
  let left = (try? FileManager.default.contentsOfDirectory(atPath: out.path)) ?? []
  #expect(left.isEmpty, "\(left)", sourceLocation: sourceLocation)
}

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
        ["lora_magnitude_vector", "lora_embedding", "trainable_tokens_delta", "lm_head.weight", "conv."],
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

@Suite("GGUF adapters")
struct GGUFInterchangeTests {
  private static let qwen = BaseArchitecture(name: "qwen2")
  private static let llama = BaseArchitecture(name: "llama", headCount: 3, keyValueHeadCount: 2)

  private static func written(_ archive: AdapterArchive, _ base: BaseArchitecture) throws -> (
    GGUFFile, TemporaryFolder
  ) {
    let out = TemporaryFolder()
    try archive.export(.gguf, to: out.path + "/a.gguf", base: base)
    return (try GGUFFile(path: out.path + "/a.gguf"), out)
  }

  @Test(
    "what llama.cpp asks for is there: names, ggml's order of sizes, keys",
    arguments: [ElementType.f32, .f16, .bf16])
  func layout(type: ElementType) throws {
    let modules = [
      "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj",
      "mlp.up_proj", "mlp.down_proj",
    ]
    let archive = testArchive(modules.map { ("layers.7." + $0, 2, 4) } + [("lm_head", 2, 4)], type: type)
    let (file, out) = try Self.written(archive, Self.qwen)
    let names = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]
    let expected = names.map { "blk.7.\($0).weight" } + ["output.weight"]
    #expect(Set(file.tensors.map(\.name)) == Set(expected.flatMap { [$0 + ".lora_a", $0 + ".lora_b"] }))
    for tensor in file.tensors {
      #expect(tensor.shape == (tensor.name.hasSuffix("a") ? [2, 8] : [12, 2]))
      #expect(tensor.elementType == type && tensor.byteRange.lowerBound % 32 == 0)
    }
    #expect(file["general.type"]?.text == "adapter" && file["adapter.type"]?.text == "lora")
    #expect(file["general.architecture"]?.text == "qwen2" && file["adapter.lora.alpha"] == .float32(8))
    let again = try AdapterFile(path: out.path + "/a.gguf")
    #expect(again.format == .gguf && AdapterDifference(archive, again.archive).verdict == .same)
    for (a, b) in zip(archive.entries, again.archive.entries) {
      #expect(a.module == b.module && a.path == b.path && a.pair?.scale == b.pair?.scale)
    }
  }

  @Test("Llama's rows of q and k are reordered as reshape(heads, 2, half).swapaxes(1, 2) does")
  func permutation() throws {
    let archive = testArchive([
      ("layers.0.self_attn.q_proj", 2, 1), ("layers.0.self_attn.k_proj", 2, 1),
      ("layers.0.self_attn.v_proj", 2, 1),
    ])
    let (file, out) = try Self.written(archive, Self.llama)
    for (module, name, heads) in [("q_proj", "attn_q", 3), ("k_proj", "attn_k", 2), ("v_proj", "attn_v", 0)] {
      let b = try #require(archive.entries.first { $0.module.hasSuffix(module) }?.pair?.b.floats())
      let stored = try #require(
        file.tensors.first { $0.name == "blk.0.\(name).weight.lora_b" }?.floats())
      var expected: [Float] = []
      if heads == 0 {
        expected = b
      } else {
        let half = 12 / heads / 2
        for head in 0..<heads {
          for i in 0..<half {
            for part in 0..<2 {
              let row = head * 2 * half + part * half + i
              expected += b[row * 2..<row * 2 + 2]
            }
          }
        }
      }
      #expect(stored == expected, "\(module)")
    }
    // Our own files carry the heads; others' need the base.
    #expect(try AdapterDifference(archive, AdapterFile(path: out.path + "/a.gguf").archive).verdict == .same)
    let foreign = file.metadata.filter { !$0.key.hasPrefix("llama.") }
    try GGUFWriter.write(metadata: foreign, tensors: file.tensors, to: out.path + "/b.gguf")
    expectRefusal(out.path + "/b.gguf", ["unknown number of heads", "--base"])
    let read = try AdapterFile(path: out.path + "/b.gguf", base: Self.llama)
    #expect(AdapterDifference(archive, read.archive).verdict == .same)
  }

  @Test("one alpha where it reproduces every scale, also with mixed ranks and odd ones")
  func scales() throws {
    for modules: [(String, Int, Float)] in [
      [("layers.0.mlp.up_proj", 2, 8), ("layers.1.mlp.up_proj", 4, 4), ("layers.2.mlp.up_proj", 1, 16)],
      [("layers.0.mlp.up_proj", 3, Float(16 / 3.0.squareRoot()))],
      [("layers.0.mlp.up_proj", 7, 0.1)], [("layers.0.mlp.up_proj", 2, -3)],
      // 3 / 2 and 3 · 2: apart by powers of two, which B takes over without losing a digit.
      [("layers.0.mlp.up_proj", 2, 1.5), ("layers.1.mlp.up_proj", 2, 6)],
    ] {
      let archive = testArchive(modules)
      let (_, out) = try Self.written(archive, Self.qwen)
      let again = try AdapterFile(path: out.path + "/a.gguf").archive
      #expect(AdapterDifference(archive, again).verdict == .same, "\(modules)")
    }
    expectExportRefusal(
      testArchive([("layers.0.mlp.up_proj", 2, 1), ("layers.1.mlp.up_proj", 2, 1.1)]), .gguf, base: Self.qwen,
      "different scales", "one alpha")
    expectExportRefusal(
      testArchive([("layers.0.mlp.up_proj", 2, 0)]), .gguf, base: Self.qwen, "a scale of 0")
    var tiny = testArchive(
      [("layers.0.mlp.up_proj", 2, 1), ("layers.1.mlp.up_proj", 2, 0x1p-20)], type: .f16)
    expectExportRefusal(tiny, .gguf, base: Self.qwen, "without losing digits")
    tiny.configuration = JSONObject([("peft_type", .string("LORA")), ("use_qalora", .bool(true))])
    expectExportRefusal(tiny, .gguf, base: Self.qwen, "use_qalora")
  }

  @Test("what cannot be represented is refused by name")
  func refusals() {
    let archive = testArchive([("layers.0.mlp.up_proj", 2, 1)])
    expectExportRefusal(archive, .gguf, "base is not identified", "--base")
    expectExportRefusal(archive, .gguf, base: BaseArchitecture(name: "gemma3"), "\"gemma3\"")
    expectExportRefusal(archive, .gguf, base: BaseArchitecture(name: "llama"), "unknown number of heads")
    expectExportRefusal(
      testArchive([("layers.0.mlp.router", 2, 1)]), .gguf, base: Self.qwen, "layers.0.mlp.router",
      "without a name")
    expectExportRefusal(
      testArchive([("layers.0.self_attn.q_proj", 2, 1)]), .gguf,
      base: BaseArchitecture(name: "llama", headCount: 5, keyValueHeadCount: 5), "12 rows")
    var more = archive
    more.entries.append(
      AdapterEntry(
        module: "lm_head", path: "lm_head",
        content: .full(Tensor(name: "w", shape: [1], floats: [1]), parameter: "weight")))
    expectExportRefusal(more, .gguf, base: Self.qwen, "\"lm_head\"", "the kind full")
  }

  @Test("a pair of the token table is kept with a row a token")
  func table() throws {
    let pair = LowRankAlgebraTests.pair(rank: 2, input: 9, output: 4)
    let archive = AdapterArchive(entries: [
      AdapterEntry(module: "embed_tokens", path: "model.embed_tokens", content: .embedding(pair))
    ])
    let (file, out) = try Self.written(archive, Self.qwen)
    #expect(file.tensors.map(\.shape) == [[9, 2], [4, 2]])
    #expect(try AdapterDifference(archive, AdapterFile(path: out.path + "/a.gguf").archive).verdict == .same)
  }

  @Test("Q8_0 is widened exactly; an alpha of 0 means a scale of 1")
  func quantised() throws {
    // Blocks of a half-precision scale and 32 numbers.
    var block: [UInt8] = [0, 0x38]  // 0.5
    block += (0..<32).map { UInt8(bitPattern: Int8($0 - 16)) }
    let memory = OwnedBytes(block + block)
    let tensors = [
      Tensor(name: "blk.0.ffn_up.weight.lora_a", elementType: .q8_0, shape: [2, 32], memory: memory),
      Tensor(name: "blk.0.ffn_up.weight.lora_b", shape: [3, 2], floats: [1, 2, 3, 4, 5, 6]),
    ]
    let out = TemporaryFolder()
    let keys: [(key: String, value: GGUFValue)] = [
      ("general.architecture", .text("qwen2")), ("general.type", .text("adapter")),
      ("adapter.type", .text("lora")),
      ("adapter.lora.alpha", .float32(0)),
    ]
    try GGUFWriter.write(metadata: keys, tensors: tensors, to: out.path + "/q.gguf")
    let adapter = try Adapter(path: out.path + "/q.gguf")
    #expect(adapter.modules[0].scale == 1 && adapter.modules[0].a.floats()[0] == -8)
    #expect(adapter.modules[0].a.floats()[63] == 7.5)
    try GGUFWriter.write(
      metadata: keys + [("adapter.alora.invocation_tokens", .array(.uint32, [.uint32(5)]))], tensors: tensors,
      to: out.path + "/alora.gguf")
    expectRefusal(out.path + "/alora.gguf", ["aLoRA"])
    try GGUFWriter.write(metadata: [keys[0]], tensors: [], to: out.path + "/model.gguf")
    expectRefusal(out.path + "/model.gguf", ["general.type", "This is no adapter"])
    try GGUFWriter.write(metadata: keys, tensors: [tensors[0]], to: out.path + "/half.gguf")
    expectRefusal(out.path + "/half.gguf", ["no lora_b for it"])
  }

  @Test("key-values of others survive GGUF → .tina → GGUF")
  func metadata() throws {
    let archive = testArchive([("layers.0.mlp.up_proj", 2, 1)])
    let (file, out) = try Self.written(archive, Self.qwen)
    let extra: [(key: String, value: GGUFValue)] = [
      ("general.name", .text("mine")), ("x.floats", .array(.float32, [.float32(.infinity), .float32(0.1)])),
      ("x.bytes", .string([0xff, 0])), ("x.big", .uint64(.max)), ("x.double", .float64(-0.0)),
      ("x.flag", .bool(true)),
      ("x.nested", .array(.array, [.array(.int8, [.int8(-1)])])),
    ]
    try GGUFWriter.write(metadata: file.metadata + extra, tensors: file.tensors, to: out.path + "/b.gguf")
    try TinaWriter.write(AdapterFile(path: out.path + "/b.gguf").archive, to: out.path + "/b.tina")
    try AdapterFile(path: out.path + "/b.tina").archive.export(.gguf, to: out.path + "/c.gguf")
    let again = try GGUFFile(path: out.path + "/c.gguf")
    for (key, value) in file.metadata + extra { #expect(again[key] == value, "\(key)") }
  }
}

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
    try table.export(.mlx, to: out.path + "/t")
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

@Suite("Differences, reductions, analyses")
struct DifferenceTests {
  @Test("verdicts: the same, up to rounding, different; entries in one adapter only")
  func verdicts() throws {
    let archive = testArchive([("layers.0.mlp.up_proj", 3, 2), ("layers.1.mlp.up_proj", 3, 2)])
    #expect(AdapterDifference(archive, archive).verdict == .same)
    let rounded = try archive.converted(to: .bf16, path: "t")
    let difference = AdapterDifference(archive, rounded.archive)
    #expect(difference.verdict == .rounding)
    let relative = try #require(difference.relative)
    #expect(relative > 1e-4 && relative < 4e-3)
    #expect(abs((rounded.worst?.error ?? 0) - (difference.items.compactMap(\.relative).max() ?? 1)) < 1e-9)
    var scaled = archive
    guard case .lowRank(var pair) = scaled.entries[0].content else { return }
    pair.scale = 2.1
    scaled.entries[0].content = .lowRank(pair)
    let far = AdapterDifference(archive, scaled)
    #expect(far.verdict == .different && far.items.map(\.verdict) == [.different, .same])
    #expect(abs((far.items[0].relative ?? 0) - 0.1 / 2.1) < 1e-6)
    var fewer = archive
    fewer.entries.removeLast()
    for difference in [AdapterDifference(archive, fewer), AdapterDifference(fewer, archive)] {
      #expect(difference.verdict == .different && difference.items.count == 2)
      #expect(difference.items[1].remark?.hasPrefix("only in the") == true)
    }
  }

  @Test("a lower rank keeps the largest singular values, and tells the error truly")
  func reduction() throws {
    let archive = testArchive([("layers.0.mlp.up_proj", 5, -3)], input: 40, output: 30)
    let reduced = try archive.reduced(toRank: 2, path: "t")
    let before = archive.analyzePairs()[0]
    let after = reduced.archive.analyzePairs()[0]
    let sigma = try #require(before.singularValues)
    let kept = try #require(after.singularValues)
    #expect(after.rank == 2 && zip(sigma, kept).allSatisfy { abs($0 - $1) < 1e-5 * $0 })
    let lost = sigma[2...].reduce(0) { $0 + $1 * $1 }.squareRoot()
    let norm = try #require(before.norm)
    #expect(abs((reduced.worst?.error ?? 0) - lost / norm) < 1e-5)
    // PEFT's configuration follows.
    let out = TemporaryFolder()
    try reduced.archive.export(.peft, to: out.path + "/peft")
    #expect(try Adapter(path: out.path + "/peft").modules[0].scale == -3)
    #expect(try archive.reduced(toRank: 8, path: "t").worst?.error == 0)
  }

  @Test("numbers beyond a type's range are refused")
  func range() {
    var archive = testArchive([("layers.0.mlp.up_proj", 1, 1)], input: 1, output: 1)
    guard case .lowRank(var pair) = archive.entries[0].content else { return }
    pair.a = Tensor(name: "a", shape: [1, 1], floats: [65520])
    archive.entries[0].content = .lowRank(pair)
    #expect(throws: AdapterError.self) { try archive.converted(to: .f16, path: "t") }
    #expect(throws: Never.self) { try archive.converted(to: .bf16, path: "t") }
  }

  @Test("the effective rank counts equal directions, and is 0 for zero")
  func effectiveRank() {
    func analysis(_ values: [Double]?) -> PairAnalysis {
      let count = values?.count ?? 1
      let identity = Tensor(
        name: "a", shape: [count, count],
        floats: (0..<count * count).map {
          $0 % (count + 1) == 0 ? Float(values?[$0 / (count + 1)] ?? .nan) : 0
        })
      let ones = Tensor(
        name: "b", shape: [count, count], floats: (0..<count * count).map { $0 % (count + 1) == 0 ? 1 : 0 })
      let pair = LowRankPair(a: identity, b: ones, scale: 1, scaleOrigin: .stated, alpha: nil)
      return AdapterArchive(entries: [AdapterEntry(module: "m", path: "m", content: .lowRank(pair))])
        .analyzePairs()[0]
    }
    #expect(abs((analysis([2, 2, 2]).effectiveRank ?? 0) - 3) < 1e-12)
    #expect(abs((analysis([1, 0, 0]).effectiveRank ?? 0) - 1) < 1e-12)
    #expect(analysis([0, 0]).effectiveRank == 0 && analysis([3, 4]).norm == 5)
    #expect(analysis(nil).effectiveRank == nil && analysis(nil).norm == nil)
  }
}
