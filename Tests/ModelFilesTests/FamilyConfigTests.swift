import Foundation
import TestSupport
import Testing

@testable import ModelFiles

/// What each family reads from config.json, and what it refuses.
@Suite("configurations of families") struct FamilyConfigTests {
  let directory = TemporaryFolder()

  private static let sizes: [(String, String)] = [
    ("vocab_size", "64"), ("hidden_size", "32"), ("intermediate_size", "40"), ("num_hidden_layers", "4"),
    ("num_attention_heads", "4"), ("num_key_value_heads", "2"),
  ]
  private static let names: [String: (type: String, name: String)] = [
    "qwen2": ("qwen2", "Qwen2ForCausalLM"), "qwen3": ("qwen3", "Qwen3ForCausalLM"),
    "llama": ("llama", "LlamaForCausalLM"), "smollm3": ("smollm3", "SmolLM3ForCausalLM"),
    "gemma3": ("gemma3_text", "Gemma3ForCausalLM"),
  ]

  private func text(_ family: String, _ changes: [String: String]) -> String {
    let (type, name) = Self.names[family] ?? ("", "")
    var members = [("architectures", "[\"\(name)\"]"), ("model_type", "\"\(type)\"")] + Self.sizes
    members = members.filter { changes[$0.0] == nil }
    members += changes.filter { $0.value != "-" }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    return "{" + members.map { "\"\($0)\":\($1)" }.joined(separator: ",") + "}"
  }

  private func config(
    _ family: String, _ changes: [String: String] = [:]
  ) throws(ModelFilesError) -> Architecture {
    try Architecture(path: directory.write("config.json", text(family, changes)))
  }

  @Test("every family by its sizes alone has transformers' defaults")
  func defaults() throws {
    let qwen3 = try config("qwen3")
    #expect(
      qwen3.headDim == 128 && qwen3.biases.isEmpty && qwen3.norms.count == 4 && qwen3.ropeTheta == 10000)
    #expect(!qwen3.tieWordEmbeddings && qwen3.queryScale == 1 / Float(128).squareRoot())
    let llama = try config("llama")
    #expect(
      llama.headDim == 8 && llama.maxPositions == 2048 && llama.biases.isEmpty && llama.norms.count == 2)
    #expect(llama.activation == .silu && llama.embeddingScale == 1 && llama.normOffset == 0)
    #expect(try config("llama", ["attention_bias": "true"]).biases == [.q, .k, .v, .o])
    #expect(try config("llama", ["mlp_bias": "true"]).biases == [.gate, .up, .down])
    let smol = try config("smollm3")
    #expect(smol.tieWordEmbeddings && smol.ropeTheta == 2_000_000)
    #expect(smol.attention.map { $0.rotary != nil } == [true, true, true, false])
    #expect(
      try config("smollm3", ["no_rope_layer_interval": "2"]).attention.map { $0.rotary != nil }
        == [true, false, true, false])
    let sliding = try config(
      "smollm3", ["use_sliding_window": "true", "sliding_window": "9", "no_rope_layers": "[0,1,1,0,1]"])
    #expect(sliding.attention.map(\.window) == [9, nil, nil, 9])
    let gemma = try config("gemma3", ["num_hidden_layers": "7"])
    #expect(gemma.family == "gemma3" && gemma.modelType == "gemma3_text" && gemma.tieWordEmbeddings)
    #expect(gemma.headDim == 256 && gemma.queryScale == 1.0 / 16 && gemma.normOffset == 1)
    #expect(gemma.activation == .geluTanh && gemma.embeddingScale == Float(32).squareRoot())
    #expect(gemma.attention.map(\.window) == [4096, 4096, 4096, 4096, 4096, nil, 4096])
    #expect(gemma.attention.map { $0.rotary?.base } == [1e4, 1e4, 1e4, 1e4, 1e4, 1e6, 1e4])
    #expect(gemma.norms.count == 6 && gemma.maxPositions == 131_072)
  }

  @Test("a language model within a larger one is read like one by itself")
  func nested() throws {
    let flat = try config("gemma3", ["eos_token_id": "[1,106]", "dtype": "\"bfloat16\""])
    let inner = text("gemma3", ["architectures": "-"])
    let whole = """
      {"architectures":["Gemma3ForConditionalGeneration"],"model_type":"gemma3","text_config":\(inner),
       "eos_token_id":[1,106],"dtype":"bfloat16"}
      """
    #expect(try Architecture(path: directory.write("config.json", whole)) == flat)
    expectFailure(["key \"text_config\"", "found 5", "an object"]) { () throws(ModelFilesError) in
      try config("gemma3", ["text_config": "5"])
    }
    expectFailure(["key \"text_config.vocab_size\""]) { () throws(ModelFilesError) in
      try Architecture(
        path: directory.write(
          "config.json", whole.replacingOccurrences(of: "\"vocab_size\":64", with: "\"a\":1")))
    }
  }

  @Test(
    "what would change the arithmetic is refused by its key",
    arguments: [
      ("qwen3", "num_experts", "8"), ("qwen3", "attn_logit_softcapping", "50.0"),
      ("qwen3", "partial_rotary_factor", "0.5"), ("qwen3", "hidden_act", "\"gelu\""),
      ("qwen3", "head_dim", "7"),
      ("qwen3", "rope_scaling", #"{"rope_type":"longrope","factor":2.0}"#),
      ("qwen3", "use_bidirectional_attention", "true"),
      ("qwen3", "layer_types", "[1,2,3,4]"), ("qwen3", "quantization_config", "{}"),
      ("llama", "rope_scaling", #"{"rope_type":"llama3","factor":8.0}"#),
      (
        "llama", "rope_scaling",
        #"{"rope_type":"llama3","factor":8,"low_freq_factor":4,"high_freq_factor":1}"#
      ),
      ("llama", "rope_scaling", #"{"rope_type":"linear","factor":0}"#),
      ("llama", "rope_scaling", #"{"rope_type":"linear","factor":2,"attention_factor":2}"#),
      ("llama", "rope_scaling", #"{"type":"yarn","factor":2,"beta_fast":1,"beta_slow":2}"#),
      ("llama", "rope_scaling", "7"), ("llama", "attention_bias", "1"), ("llama", "mlp_bias", "\"x\""),
      ("llama", "rope_interleaved", "true"), ("llama", "residual_multiplier", "0.2"),
      ("llama", "hidden_size", "31"),
      ("smollm3", "no_rope_layers", "[1,0]"), ("smollm3", "no_rope_layers", "[1,2,1,1]"),
      ("smollm3", "no_rope_layers", "\"x\""), ("smollm3", "no_rope_layer_interval", "0"),
      (
        "smollm3", "layer_types", #"["sliding_attention","full_attention","full_attention","full_attention"]"#
      ),
      ("gemma3", "final_logit_softcapping", "30.0"), ("gemma3", "attn_logit_softcapping", "50.0"),
      ("gemma3", "use_bidirectional_attention", "true"), ("gemma3", "hidden_activation", "\"silu\""),
      ("gemma3", "query_pre_attn_scalar", "0"), ("gemma3", "sliding_window", "0"),
      ("gemma3", "sliding_window_pattern", "0"), ("gemma3", "rope_parameters", #"{"rope_theta":1e6}"#),
      ("gemma3", "rope_parameters", #"{"full_attention":5}"#), ("gemma3", "rope_local_base_freq", "0"),
      ("gemma3", "rope_parameters", #"{"sliding_attention":{"rope_type":"dynamic","factor":2}}"#),
      ("gemma3", "rope_scaling", #"{"rope_type":"linear"}"#),
    ])
  func refused(family: String, key: String, value: String) {
    #expect(throws: Never.self) { try config(family) }
    let inner =
      key == "head_dim" ? "head_dim" : key == "rope_scaling" || key == "rope_parameters" ? key : "\"\(key)\""
    expectFailure(["config.json: ", inner, "found ", "expected "]) { () throws(ModelFilesError) in
      try config(family, [key: value])
    }
  }

  @Test("keys with their neutral values are no reason to refuse")
  func neutral() throws {
    for family in Self.names.keys {
      #expect(throws: Never.self, "\(family)") {
        try config(
          family,
          [
            "attn_logit_softcapping": "null", "final_logit_softcapping": "null",
            "use_bidirectional_attention": "false",
            "partial_rotary_factor": "1.0", "rope_interleaved": "false", "num_experts": "0",
            "pretraining_tp": "1",
          ])
      }
    }
  }

  @Test("random damage to a configuration never crashes", arguments: names.keys.sorted())
  func mutations(family: String) throws {
    let full = [
      "rope_scaling": #"{"rope_type":"yarn","factor":4.0,"original_max_position_embeddings":16}"#,
      "layer_types": #"["full_attention","full_attention","sliding_attention","full_attention"]"#,
      "sliding_window": "8", "use_sliding_window": "true", "head_dim": "12", "no_rope_layers": "[1,0,1,1]",
      "query_pre_attn_scalar": "64", "attention_bias": "true", "eos_token_id": "[1,2]",
    ]
    let source = Array(text(family, full).utf8)
    var random = SeededGenerator(7)
    let signs = Array("0123456789-e.[]{}\"".utf8)
    var read = 0
    for _ in 0..<2000 {
      var damaged = source
      for _ in 0...Int.random(in: 0...2, using: &random) {
        let i = Int.random(in: damaged.indices, using: &random)
        if Bool.random(using: &random) {
          damaged.insert(signs.randomElement(using: &random) ?? 0, at: i)
        } else {
          damaged[i] = UInt8.random(in: 0x20...0x7e, using: &random)
        }
      }
      guard let config = try? Architecture(path: directory.write("fuzz.json", damaged)) else { continue }
      read += 1
      #expect(config.headCount % config.keyValueHeadCount == 0 && config.headDim % 2 == 0)
      #expect(config.attention.count == config.layerCount && config.maxPositions > 0)
      for rotary in config.rotaries { _ = rotary.frequencies(width: config.headDim) }
    }
    #expect(read > 20)
  }

  @Test("frequencies are those of the papers")
  func frequencies() throws {
    // Where YaRN does not stretch, it is the plain embedding; where it does, the one of positions divided.
    let plain = Rotary(base: 10000).frequencies(width: 64)
    let yarn = Rotary(
      base: 10000,
      scaling: .yarn(factor: 4, original: 4096, attention: 1, betaFast: 32, betaSlow: 1, truncates: true)
    ).frequencies(width: 64)
    #expect(yarn[0] == plain[0] && abs(yarn[31] / plain[31] - 0.25) < 1e-6)
    #expect(zip(yarn, plain).allSatisfy { $0 <= $1 && $0 >= $1 / 4.001 })
    let llama = Rotary(base: 500_000, scaling: .llama3(factor: 8, low: 1, high: 4, original: 8192))
      .frequencies(width: 64)
    let slow = Rotary(base: 500_000).frequencies(width: 64)
    #expect(llama[0] == slow[0] && llama[31] == slow[31] / 8)
    let divided = Rotary(base: 10000, scaling: .divided([Float](repeating: 2, count: 32))).frequencies(
      width: 64)
    #expect(zip(divided, plain).allSatisfy { $0 == $1 / 2 })
  }
}
