import Foundation
import ModelFiles
import TestSupport
import Testing

@Suite("config.json and generation_config.json")
struct ConfigTests {
  let directory = TemporaryFolder()

  private static let base: [(String, String)] = [
    ("architectures", #"["Qwen2ForCausalLM"]"#), ("model_type", #""qwen2""#), ("vocab_size", "151936"),
    ("hidden_size", "1536"), ("intermediate_size", "8960"), ("num_hidden_layers", "4"),
    ("num_attention_heads", "12"), ("num_key_value_heads", "2"),
  ]

  /// The base configuration with keys replaced, added, or removed by the text "-".
  private func config(_ changes: [String: String]) throws(ModelFilesError) -> Architecture {
    var members = Self.base.filter { changes[$0.0] == nil }
    members += changes.filter { $0.value != "-" }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    let text = "{" + members.map { "\"\($0)\":\($1)" }.joined(separator: ",") + "}"
    return try Architecture(path: directory.write("config.json", text))
  }

  private func refuse(
    _ changes: [String: String], _ fragments: String..., kind: ModelFilesError.Kind? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    expectFailure(["config.json: "] + fragments, kind: kind, sourceLocation: sourceLocation) {
      () throws(ModelFilesError) in try config(changes)
    }
  }

  @Test("what the keys say, and the defaults of those that are absent")
  func defaults() throws {
    let plain = try config([:])
    #expect(plain.vocabSize == 151936 && plain.hiddenSize == 1536 && plain.intermediateSize == 8960)
    #expect(
      plain.layerCount == 4 && plain.headCount == 12 && plain.keyValueHeadCount == 2 && plain.headDim == 128)
    #expect(plain.maxPositions == 32768 && plain.ropeTheta == 10000 && plain.rmsNormEps == 1e-6)
    #expect(!plain.tieWordEmbeddings && plain.slidingWindow == nil && plain.window(layer: 3) == nil)
    #expect(plain.bosTokenID == nil && plain.eosTokenIDs == [] && plain.torchDType == nil)
    #expect(try config(["num_key_value_heads": "-"]).keyValueHeadCount == 12)
    #expect(try config(["num_key_value_heads": "null"]).keyValueHeadCount == 12)
    let full = try config([
      "rope_theta": "1000000.0", "rms_norm_eps": "1e-5", "tie_word_embeddings": "true", "head_dim": "64",
      "max_position_embeddings": "131072", "torch_dtype": "\"bfloat16\"", "bos_token_id": "7",
      "hidden_act": "\"silu\"", "rope_scaling": "null", "use_mrope": "false", "quantization_config": "null",
    ])
    #expect(full.ropeTheta == 1e6 && full.rmsNormEps == 1e-5 && full.tieWordEmbeddings && full.headDim == 64)
    #expect(full.maxPositions == 131072 && full.torchDType == "bfloat16" && full.bosTokenID == 7)
    #expect(try config(["dtype": "\"float32\""]).torchDType == "float32")
    #expect(try config(["architectures": "-"]).layerCount == 4)
    #expect(try config(["model_type": "-"]).layerCount == 4)
  }

  @Test("one, several or no tokens that end a text")
  func eosTokens() throws {
    #expect(try config(["eos_token_id": "5"]).eosTokenIDs == [5])
    #expect(try config(["eos_token_id": "[5,6,5]"]).eosTokenIDs == [5, 6])
    #expect(try config(["eos_token_id": "null"]).eosTokenIDs == [])
    refuse(["eos_token_id": "-1"], "\"eos_token_id\"", "-1")
    refuse(["eos_token_id": "[1,\"a\"]"], "\"eos_token_id\"", "a token id")
  }

  @Test("new rotary parameters, and old ones of the default type")
  func rope() throws {
    #expect(
      try config(["rope_parameters": #"{"rope_theta":1000000,"rope_type":"default"}"#]).ropeTheta == 1e6)
    #expect(try config(["rope_theta": "5e5", "rope_scaling": #"{"type":"default"}"#]).ropeTheta == 5e5)
    let yarn = try config(["rope_scaling": #"{"type":"yarn","factor":4.0}"#])
    #expect(
      yarn.rotary.scaling
        == .yarn(
          factor: 4, original: 32768, attention: 0.1 * Foundation.log(4) + 1, betaFast: 32, betaSlow: 1,
          truncates: true))
    #expect(yarn.maxPositions == 131072)
    #expect(
      try config(["rope_parameters": #"{"rope_type":"linear","factor":2}"#]).rotary.scaling
        == .linear(factor: 2))
    refuse(
      ["rope_scaling": #"{"type":"dynamic","factor":4.0}"#], "\"rope_scaling.type\"", "\"dynamic\"",
      "\"default\"", kind: .unsupported)
    refuse(["rope_scaling": #"{"type":"linear"}"#], "\"rope_scaling.factor\"")
    refuse(["rope_scaling": #"{"type":"yarn","factor":2,"low_freq_factor":1}"#], "low_freq_factor")
    refuse(["rope_scaling": #"{"factor":2.0}"#], "\"rope_scaling.factor\"")
    refuse(["rope_theta": "0"], "\"rope_theta\"")
    refuse(["rope_theta": "1e999"], "\"rope_theta\"")
    refuse(["use_mrope": "true"], "\"use_mrope\"", kind: .unsupported)
  }

  @Test("sliding windows act as in transformers")
  func slidingWindow() throws {
    // Present but unused, as in R1-Distill-Qwen.
    let unused = try config([
      "sliding_window": "4096", "use_sliding_window": "false", "max_window_layers": "2",
    ])
    #expect(unused.slidingWindow == nil && (0..<4).allSatisfy { unused.window(layer: $0) == nil })
    let used = try config(["sliding_window": "64", "use_sliding_window": "true", "max_window_layers": "2"])
    #expect((0..<4).map { used.window(layer: $0) } == [nil, nil, 64, 64])
    #expect(try config(["use_sliding_window": "true", "max_window_layers": "0"]).slidingWindow == 4096)
    #expect(
      try config(["use_sliding_window": "true", "sliding_window": "null", "max_window_layers": "0"])
        .slidingWindow == nil)
    // 28 layers without a window by default.
    #expect(try config(["use_sliding_window": "true", "sliding_window": "64"]).slidingWindow == nil)
    let (full, sliding) = ("\"full_attention\"", "\"sliding_attention\"")
    let typed = try config([
      "use_sliding_window": "true", "sliding_window": "8", "max_window_layers": "0",
      "layer_types": "[\(full),\(sliding),\(full),\(sliding)]",
    ])
    #expect((0..<4).map { typed.window(layer: $0) } == [nil, 8, nil, 8])
    refuse(["layer_types": "[\(full)]"], "\"layer_types\"", "4 names")
    refuse(
      ["layer_types": "[\(full),\(full),\(full),\(sliding)]"], "\"layer_types\", layer 3",
      "use_sliding_window")
    refuse(
      ["layer_types": "[\(full),\(full),\"chunked_attention\",\(full)]"], "layer 2", "\"chunked_attention\"",
      kind: .unsupported)
    refuse(["use_sliding_window": "true", "sliding_window": "0"], "\"sliding_window\"")
  }

  @Test("an unknown architecture is refused by name")
  func unknownArchitecture() {
    refuse(
      ["architectures": #"["MistralForCausalLM"]"#, "model_type": #""mistral""#], "\"architectures\"",
      "MistralForCausalLM", "\"Qwen2ForCausalLM\"", kind: .unsupported)
    refuse(["architectures": #"["Qwen2ForSequenceClassification"]"#], "Qwen2ForSequenceClassification")
    refuse(["architectures": #""Qwen2ForCausalLM""#], "\"architectures\"")
    refuse(
      ["model_type": #""qwen3""#], "\"architectures\"", "Qwen2ForCausalLM", "Qwen3ForCausalLM",
      kind: .unsupported)
    refuse(
      ["model_type": #""qwen9""#, "architectures": "-"], "\"model_type\"", "\"qwen9\"", "\"qwen2\"",
      kind: .unsupported)
    refuse(["model_type": "-", "architectures": "-"], "\"model_type\"", "nothing")
  }

  @Test("other activations and quantised weights are refused by name")
  func features() {
    refuse(["hidden_act": #""gelu""#], "\"hidden_act\"", "\"gelu\"", "\"silu\"", kind: .unsupported)
    refuse(
      ["quantization_config": #"{"quant_method":"gptq","bits":4}"#], "\"quantization_config\"", "\"gptq\"",
      kind: .unsupported)
  }

  @Test(
    "sizes that cannot be",
    arguments: [
      ("vocab_size", "-"), ("vocab_size", "0"), ("vocab_size", "-5"), ("vocab_size", "1e3"),
      ("vocab_size", "\"5\""), ("hidden_size", "9223372036854775807"),
      ("hidden_size", "99999999999999999999"),
      ("hidden_size", "1537"), ("intermediate_size", "null"), ("num_hidden_layers", "5000"),
      ("num_attention_heads", "0"), ("num_key_value_heads", "5"), ("num_key_value_heads", "0"),
      ("head_dim", "0"), ("max_position_embeddings", "0"), ("rms_norm_eps", "-1"), ("rms_norm_eps", "\"x\""),
      ("tie_word_embeddings", "1"),
    ])
  func badSizes(key: String, value: String) {
    let found = value == "-" ? "nothing" : value
    refuse([key: value], "key \"\(key)\"", "found \(found)", "expected ")
  }

  @Test("a head of odd width")
  func oddHead() { refuse(["head_dim": "7"], "head_dim", "found 7", "even") }

  @Test("random damage to a configuration never crashes")
  func mutations() throws {
    let text = Array(
      (#"{"architectures":["Qwen2ForCausalLM"],"model_type":"qwen2","vocab_size":99,"hidden_size":64,"#
        + #""intermediate_size":96,"num_hidden_layers":4,"num_attention_heads":8,"rope_theta":1e4,"#
        + #""use_sliding_window":true,"sliding_window":8,"max_window_layers":2,"eos_token_id":[1,2]}"#).utf8)
    var random = SeededGenerator(3)
    let digits = Array("0123456789-e.".utf8)
    for _ in 0..<3000 {
      var damaged = text
      for _ in 0...Int.random(in: 0...3, using: &random) {
        let i = Int.random(in: damaged.indices, using: &random)
        if Bool.random(using: &random) {
          damaged.insert(digits.randomElement(using: &random) ?? 0, at: i)
        } else {
          damaged[i] = UInt8.random(in: 0x20...0x7e, using: &random)
        }
      }
      guard let config = try? Architecture(path: directory.write("fuzz.json", damaged)) else { continue }
      #expect(config.headCount % config.keyValueHeadCount == 0 && config.headDim % 2 == 0)
      for layer in 0..<config.layerCount { _ = config.window(layer: layer) }
    }
  }

  @Test("generation_config.json: all keys, none, and values that cannot be")
  func generation() throws {
    func read(_ text: String) throws(ModelFilesError) -> GenerationConfig {
      try GenerationConfig(path: directory.write("generation_config.json", text))
    }
    let full = try read(
      #"{"bos_token_id":151646,"do_sample":true,"eos_token_id":[151645,151643],"temperature":0.6,"top_p":0.95,"#
        + #""top_k":20,"min_p":0.05,"repetition_penalty":1.1,"_from_model_config":true}"#)
    #expect(full.bosTokenID == 151646 && full.eosTokenIDs == [151645, 151643] && full.doSample == true)
    #expect(full.temperature == 0.6 && full.topP == 0.95 && full.topK == 20 && full.minP == 0.05)
    #expect(full.repetitionPenalty == 1.1)
    #expect(try read("{}") == GenerationConfig())
    for (key, value) in [
      ("temperature", "-1"), ("top_p", "1.5"), ("top_k", "-1"), ("min_p", "2"), ("do_sample", "\"yes\""),
      ("repetition_penalty", "0"),
    ] {
      expectFailure(["generation_config.json: key \"\(key)\"", "found \(value)"]) {
        () throws(ModelFilesError) in
        try read("{\"\(key)\":\(value)}")
      }
    }
  }

  // MARK: Directories

  @Test("a model directory: both configurations and the weights; the union of end tokens")
  func modelDirectory() throws {
    _ = try config(["eos_token_id": "5"])
    _ = directory.write("model.safetensors", safetensors([("w", .bf16, [3])]))
    let bare = try StoredModel(path: directory.path)
    #expect(
      bare.generation == GenerationConfig() && bare.eosTokenIDs == [5] && bare.weights.tensors.count == 1)
    _ = directory.write("generation_config.json", #"{"eos_token_id":[6,5]}"#)
    #expect(try StoredModel(path: directory.path).eosTokenIDs == [5, 6])
  }

  @Test(
    "the end of a turn comes from the chat template where no configuration names it",
    arguments: [
      ("<end_of_turn>", "'<start_of_turn>' + role + '\\n' + (content | trim) + '<end_of_turn>\\n'", true),
      ("<|eot_id|>", "'<|start_header_id|>' + role + '<|end_header_id|>\\n\\n' + text + '<|eot_id|>'", true),
      ("<|im_end|>", "'<|im_start|>' + message['role'] + '\\n' + text + '<|im_end|>' + '\\n'", true),
      ("<|im_end|>", "'<|im_start|>' + message['role']", false),  // not written
      ("</s>", "'[INST]' + content + '</s>'", false),  // HTML's: no control token
      ("<start_of_turn>", "'<start_of_turn>' + role", false),  // no end
    ])
  func endOfTurn(mark: String, template: String, isEnd: Bool) throws {
    func quoted(_ text: String) -> String { JSONValue.string(text).text() }
    func ends() throws -> [Int] { try StoredModel(path: directory.path).eosTokenIDs }
    _ = try config(["eos_token_id": "5"])
    _ = directory.write("model.safetensors", safetensors([("w", .bf16, [3])]))
    let isSpecial = mark != "</s>"
    _ = directory.write(
      "tokenizer.json",
      #"{"added_tokens":[{"id":5,"content":"<eos>","special":true},"#
        + #"{"id":7,"content":\#(quoted(mark)),"special":\#(isSpecial)}],"model":{}}"#)
    #expect(try ends() == [5], "no template")
    // In a file of its own, as a text, and as one of several.
    _ = directory.write("chat_template.jinja", template)
    #expect(try ends() == (isEnd ? [5, 7] : [5]))
    try FileManager.default.removeItem(atPath: directory.path + "/chat_template.jinja")
    let decoder = #""added_tokens_decoder":{"7":{"content":\#(quoted(mark)),"special":\#(isSpecial)}}"#
    for value in [quoted(template), #"[{"name":"default","template":\#(quoted(template))}]"#] {
      for members in ["", decoder + ",", #""eos_token":"<eos>","# + decoder + ","] {
        _ = directory.write("tokenizer_config.json", #"{\#(members)"chat_template":\#(value)}"#)
        #expect(try ends() == (isEnd ? [5, 7] : [5]), "\(members) \(value)")
      }
    }
  }

  @Test("what is no model directory says what it is")
  func noModelDirectory() throws {
    expectFailure(["/nowhere", "no such directory"], kind: .missing) { () throws(ModelFilesError) in
      try StoredModel(path: "/nowhere")
    }
    let file = directory.write("model.safetensors", safetensors([("w", .bf16, [3])]))
    expectFailure([file, "found a file", "directory with config.json"]) { () throws(ModelFilesError) in
      try StoredModel(path: file)
    }
    expectFailure([directory.path, "no config.json"]) { () throws(ModelFilesError) in
      try StoredModel(path: directory.path)
    }
    _ = directory.write("adapter_config.json", "{}")
    expectFailure([directory.path, "an adapter without its base"]) { () throws(ModelFilesError) in
      try StoredModel(path: directory.path)
    }
  }

  @Test("real configurations", .needsShared("models"))
  func realFiles() throws {
    let saved = try #require(shared("tokenizer-r1-distill-qwen-1.5b/saved-finetune"))
    let config = try Architecture(path: saved + "/config.json")
    #expect(config.layerCount == 28 && config.headDim == 128 && config.keyValueHeadCount == 2)
    #expect(config.slidingWindow == nil && !config.tieWordEmbeddings && config.eosTokenIDs == [151643])
    let generation = try GenerationConfig(path: saved + "/generation_config.json")
    #expect(generation.temperature == 0.6 && generation.bosTokenID == 151646)
    let model = try StoredModel(path: #require(shared("models/story-qwen2-derived")))
    #expect(model.config.tieWordEmbeddings && model.config.headDim == 16 && model.eosTokenIDs == [2])
    // The index of a model whose shards are not there.
    expectFailure(["model-00001-of-00002.safetensors", "no such file"]) { () throws(ModelFilesError) in
      try WeightFiles(directory: saved)
    }
  }
}
