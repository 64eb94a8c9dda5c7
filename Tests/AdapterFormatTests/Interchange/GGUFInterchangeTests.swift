import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing

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

  @Test("norms, tables and biases beside the pairs are read, kept, and refused by name where they can't go")
  func wholeTensors() throws {
    let (file, out) = try Self.written(testArchive([("layers.0.self_attn.q_proj", 2, 4)]), Self.qwen)
    let path = out.path + "/whole.gguf"
    let whole = [
      ("blk.0.attn_norm.weight", "model.layers.0.input_layernorm"), ("output_norm.weight", "model.norm"),
      ("blk.0.ffn_norm.weight", "model.layers.0.post_attention_layernorm"),
      ("token_embd.weight", "model.embed_tokens"), ("output.weight", "lm_head"),
      ("blk.0.attn_q.bias", "model.layers.0.self_attn.q_proj"),
    ]
    try GGUFWriter.write(
      metadata: file.metadata,
      tensors: file.tensors
        + whole.map { Tensor(name: $0.0, shape: [8], floats: Array(repeating: 2, count: 8)) },
      to: path)
    let read = try AdapterFile(path: path)
    let others = read.archive.entries.filter { $0.pair == nil }
    #expect(Set(others.map(\.path)) == Set(whole.map(\.1)))
    #expect(Set(others.map(\.kind)) == ["full", "bias"])
    #expect(try Adapter(path: path).saved.count == whole.count)
    // A table of the base's own size is a table; one of another size tells of a resized vocabulary.
    _ = try Adapter(path: path, base: BaseArchitecture(name: "qwen2", vocabularySize: 8))
    let error = #expect(throws: AdapterError.self) {
      try Adapter(path: path, base: BaseArchitecture(name: "qwen2", vocabularySize: 9))
    }
    #expect(
      error?.description.contains("of 8 rows, where the base has 9: the vocabulary was resized") == true)
    // A .tina file keeps everything; the others say what they have no place for.
    try TinaWriter.write(read.archive, to: out.path + "/a.tina", options: TinaOptions())
    let kept = try AdapterFile(path: out.path + "/a.tina").archive
    #expect(AdapterDifference(read.archive, kept).verdict == .same && kept.entries.count == whole.count + 1)
    for (format, name) in [(AdapterFileFormat.gguf, "b.gguf"), (.peft, "peft")] {
      let error = #expect(throws: AdapterError.self) {
        try kept.export(format, to: out.path + "/" + name, base: Self.qwen)
      }
      #expect(error?.description.contains("full") == true || error?.description.contains("bias") == true)
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
    expectExportRefusal(archive, .gguf, base: BaseArchitecture(name: "gemma2"), "\"gemma2\"")
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
