import AdapterFormat
import Testing

/// Adapters from public repositories, as people publish them.
@Suite("Real adapters", .enabled(if: sharedAdapters != nil, "no shared data"))
struct RealAdapterTests {
  private let folder = sharedAdapters ?? ""

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
  func mlx() {
    expectRefusal(folder + "/mlx-npz-tesla", ["adapters.npz, an MLX adapter", "convert to PEFT"])
    expectRefusal(folder + "/mlx-qwen2.5-0.5b-r8", ["an MLX adapter", "convert to PEFT"])
    expectRefusal(
      folder + "/mlx-qwen2.5-0.5b-r8/0000100_adapters.safetensors", ["an MLX adapter's configuration"],
      count: nil)
  }
}
