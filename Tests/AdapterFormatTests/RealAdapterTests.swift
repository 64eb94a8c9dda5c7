import AdapterFormat
import ModelFiles
import TestSupport
import Testing

/// Adapters from public repositories, as people publish them.
@Suite("Real adapters", .needsShared("adapters"))
struct RealAdapterTests {
  private let folder = shared("adapters") ?? ""

  @Test(
    "these load",
    arguments: [
      ("qwen2.5-0.5b-instruct-r8-qv", 48, 8, Float(2), "layers.0.self_attn.q_proj"),
      ("qwen2.5-0.5b-latex-r8-qv/model__adapter_model.safetensors", 48, 8, 2, "layers.0.self_attn.q_proj"),
      (
        "qwen2.5-0.5b-latex-r8-qv/model__checkpoint-306__adapter_model.safetensors", 48, 8, 2,
        "layers.0.self_attn.q_proj"
      ),
      ("llama3.2-1b-r8-qv-b", 32, 8, 2, "layers.0.self_attn.q_proj"),
      ("phi1.5-r4-qv", 48, 4, 2, "layers.0.self_attn.q_proj"),
    ])
  func loads(name: String, modules: Int, rank: Int, scale: Float, first: String) throws {
    let adapter = try Adapter(path: folder + "/" + name)
    #expect(adapter.modules.count == modules && adapter.modules[0].name == first)
    #expect(adapter.modules.allSatisfy { $0.rank == rank && $0.scale == scale })
    #expect(!adapter.isZero && adapter.baseModelName != nil)
  }

  @Test("an adapter that was never trained is zero")
  func untrained() throws {
    let adapter = try Adapter(path: folder + "/stella-400m-r16-qkvo")
    #expect(adapter.isZero && adapter.modules.count == 24)
    #expect(adapter.modules[0].name.hasPrefix("encoder.layer.0.attention."))
  }

  @Test("GPT-2 with its fused, transposed c_attn")
  func gpt2() {
    expectRefusal(
      folder + "/gpt2-r8", ["2 violations", "fused projection c_attn", "12 modules", "\"fan_in_fan_out\""],
      count: 2)
  }

  @Test("a git-LFS pointer in place of the weights")
  func pointer() {
    expectRefusal(
      folder + "/qwen2.5-1.5b-r64-LFS-POINTER",
      ["adapter_model.safetensors", "git-LFS pointer of 133 bytes", "34895376", "git lfs pull"])
  }

  @Test("a configuration without weights")
  func configurationOnly() {
    expectRefusal(
      folder + "/r1-distill-qwen-openr1-CONFIG-ONLY", ["adapter_config.json alone, without weights"])
  }

  @Test("a pickle of PEFT 0.2's MergedLinear")
  func mergedLinear() {
    expectRefusal(
      folder + "/bin-bloom-lora", ["adapter_model.bin, a Python pickle", "\"enable_lora\"", "MergedLinear"],
      count: 3)
  }

  @Test("MLX adapters of both ages")
  func mlx() throws {
    expectRefusal(folder + "/mlx-npz-tesla", ["adapters.npz, an MLX adapter", "save_file"])
    for name in ["mlx-qwen2.5-0.5b-r8", "mlx-qwen2.5-0.5b-r8/0000100_adapters.safetensors"] {
      let adapter = try Adapter(path: folder + "/" + name)
      #expect(adapter.modules.count == 8 && adapter.modules[0].name == "layers.20.self_attn.q_proj")
      #expect(adapter.modules.allSatisfy { $0.rank == 8 && $0.scale == 10 && $0.a.shape == [8, 896] })
      #expect(adapter.notes.count == 1 && adapter.notes[0].contains("June 2024"))
    }
  }

  @Test("PEFT → PEFT gives the same file, byte for byte, and an equal configuration")
  func rewritten() throws {
    for name in Self.peft {
      let out = TemporaryFolder()
      let file = try AdapterFile(path: folder + "/" + name)
      try file.archive.export(.peft, to: out.path)
      let config = try JSON.parse(path: file.files[0])
      #expect(try JSON.parse(path: out.path + "/adapter_config.json") == config)
      let original = try MappedFile(path: file.files[1])
      let copy = try MappedFile(path: out.path + "/adapter_model.safetensors")
      #expect(original.copy(0..<original.byteCount) == copy.copy(0..<copy.byteCount), "\(name)")
    }
  }

  static let peft = [
    "qwen2.5-0.5b-instruct-r8-qv", "qwen2.5-0.5b-latex-r8-qv/model__adapter_model.safetensors",
    "llama3.2-1b-r8-qv-b", "phi1.5-r4-qv", "gpt2-r8", "stella-400m-r16-qkvo",
  ]

  @Test("PEFT → .tina → PEFT gives the same file, byte for byte, and an equal configuration")
  func throughTina() throws {
    for name in Self.peft {
      let out = TemporaryFolder()
      let file = try AdapterFile(path: folder + "/" + name)
      try TinaWriter.write(file.archive, to: out.path + "/a.tina")
      let again = try AdapterFile(path: out.path + "/a.tina")
      #expect(again.format == .tina)
      try again.archive.export(.peft, to: out.path + "/peft")
      #expect(try JSON.parse(path: out.path + "/peft/adapter_config.json") == JSON.parse(path: file.files[0]))
      let original = try MappedFile(path: file.files[1])
      let copy = try MappedFile(path: out.path + "/peft/adapter_model.safetensors")
      #expect(original.copy(0..<original.byteCount) == copy.copy(0..<copy.byteCount), "\(name)")
    }
  }

  @Test(
    "to GGUF and back, to MLX and back: the same ΔW exactly",
    arguments: [
      ("qwen2.5-0.5b-instruct-r8-qv", BaseArchitecture(name: "qwen2")),
      ("qwen2.5-0.5b-latex-r8-qv/model__adapter_model.safetensors", BaseArchitecture(name: "qwen2")),
      ("mlx-qwen2.5-0.5b-r8", BaseArchitecture(name: "qwen2", layerCount: 24)),
      ("llama3.2-1b-r8-qv-b", BaseArchitecture(name: "llama", headCount: 32, keyValueHeadCount: 8)),
    ])
  func otherFormats(name: String, base: BaseArchitecture) throws {
    let out = TemporaryFolder()
    let archive = try AdapterFile(path: folder + "/" + name).archive
    for format in [AdapterFileFormat.gguf, .mlx, .peft] {
      let path = out.path + "/" + format.rawValue
      try archive.export(format, to: path, base: base)
      let file = try AdapterFile(path: path, base: format == .gguf ? nil : base)
      #expect(file.format == format)
      let difference = AdapterDifference(archive, file.archive)
      #expect(difference.verdict == .same && difference.items.count == archive.entries.count)
      // And from there to PEFT, which must load as an adapter does.
      try file.archive.export(.peft, to: path + "-peft")
      let adapter = try Adapter(path: path + "-peft")
      #expect(adapter.modules.count == archive.entries.count)
      #expect(try AdapterDifference(archive, AdapterFile(path: path + "-peft").archive).verdict == .same)
    }
  }
}
