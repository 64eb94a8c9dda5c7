import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing

@Suite("PEFT adapters that are refused")
struct RefusalTests {
  // MARK: Features, by name

  @Test(
    "settings that change the mathematics are refused by name",
    arguments: [
      ("use_dora", "true"), ("lora_bias", "true"), ("modules_to_save", "[\"lm_head\"]"),
      ("layer_replication", "[[0,4],[2,5]]"), ("target_parameters", "[\"experts.w1\"]"),
      ("use_qalora", "true"),
      ("use_bdlora", "{\"n\":2}"), ("trainable_token_indices", "[1,2]"), ("fan_in_fan_out", "true"),
      ("alora_invocation_tokens", "[5]"), ("enable_lora", "[true,false,true]"), ("arrow_config", "{\"k\":1}"),
      ("bias", "\"all\""), ("bias", "\"lora_only\""), ("init_lora_weights", "\"pissa\""),
      ("init_lora_weights", "\"pissa_niter_16\""), ("init_lora_weights", "\"olora\""),
      ("init_lora_weights", "\"corda\""), ("init_lora_weights", "\"lora_ga\""),
      ("init_lora_weights", "\"loftq\""),
      ("peft_type", "\"IA3\""),
    ])
  func features(key: String, value: String) {
    var test = TestAdapter()
    test.settings[key] = value
    test.refuse(test.directory.path + "/adapter_config.json: key \"\(key)\": found ", "; expected ")
    do throws(AdapterError) {
      _ = try Adapter(path: test.directory.path)
    } catch {
      guard case .unsupported = error.violations[0].kind else {
        Issue.record("\(error.violations[0].kind)")
        return
      }
    }
  }

  @Test("unknown keys are refused unless neutral")
  func unknownKey() {
    var test = TestAdapter()
    test.settings["use_magic"] = "true"
    test.refuse("adapter_config.json: key \"use_magic\": found true", "not known")
    test.settings["use_magic"] = "0"
    test.refuse("\"use_magic\": found 0")
  }

  @Test(
    "settings that cannot be",
    arguments: [
      ("r", "0"), ("r", "-1"), ("r", "2.5"), ("r", "99999999999"), ("lora_alpha", "\"x\""),
      ("lora_alpha", "1e999"),
      ("use_rslora", "1"), ("target_modules", "null"), ("target_modules", "[]"), ("target_modules", "[1]"),
      ("init_lora_weights", "\"unheard\""), ("peft_type", "null"), ("rank_pattern", "[]"),
      ("alpha_pattern", "3"),
    ])
  func badValues(key: String, value: String) {
    var test = TestAdapter()
    test.settings[key] = value
    if key == "r" { test.settings["rank_pattern"] = "{\".*\":2}" }  // so that the tensors still fit
    test.refuse("adapter_config.json: key \"\(key)\": found ", "expected ")
  }

  @Test("patterns that cannot be name their key")
  func badPatterns() {
    var test = TestAdapter()
    test.settings["rank_pattern"] = #"{"(?=x)":2,"y":0}"#
    test.refuse("\"rank_pattern\", pattern \"(?=x)\"", "pattern \"y\": found 0", count: 2)
    test.settings["rank_pattern"] = nil
    test.settings["target_modules"] = "\"(x\""
    test.refuse("\"target_modules\"", "not closed")
  }

  @Test("a configuration without target_modules")
  func noTargets() {
    var test = TestAdapter()
    test.settings["target_modules"] = nil
    test.refuse("key \"target_modules\": found nothing", "a list of module names")
  }

  @Test(
    "tensors that are no low-rank pair are refused by name",
    arguments: [
      ("layers.0.self_attn.q_proj.lora_magnitude_vector", "a magnitude for each output"),
      ("layers.0.self_attn.q_proj.lora_magnitude_vector.default.weight", "a magnitude for each output"),
      ("layers.0.mlp.router.lora_magnitude_vector", "without the pair of a linear layer"),
      ("layers.0.self_attn.q_proj.lora_B.bias", "lora_bias"),
      ("embed_tokens.lora_embedding_A", "lora_embedding_A"),
      ("embed_tokens.token_adapter.trainable_tokens_delta", "trainable_token_indices"),
      ("layers.0.self_attn.q_proj.lora_a", "MLX"),
      ("layers.0.self_attn.q_proj.lora_A.other.weight", "an adapter named \"other\""),
    ])
  func foreignTensors(name: String, fragment: String) {
    var test = TestAdapter()
    test.tensors.append(TestTensor(name: "base_model.model.model." + name, shape: [2]))
    test.refuse("adapter_model.safetensors: tensor \"base_model.model.model.\(name)\"", fragment)
  }

  @Test("GPT-2's fused c_attn is refused by name")
  func fusedProjection() {
    var test = TestAdapter()
    test.settings["target_modules"] = "[\"c_attn\"]"
    test.tensors =
      TestAdapter.pair("transformer.h.0.attn.c_attn") + TestAdapter.pair("transformer.h.1.attn.c_attn")
    test.refuse("module \"transformer.h.0.attn.c_attn\"", "fused projection c_attn", "2 modules")
  }

  // MARK: Tensors

  @Test("half a pair")
  func halfPair() {
    var test = TestAdapter()
    test.tensors.removeLast()
    test.refuse("down_proj.lora_A.weight\"", "no lora_B for it", "complete pair")
    test.tensors.removeFirst()
    test.refuse(
      "q_proj.lora_B.weight\": found no lora_A", "down_proj.lora_A.weight\": found no lora_B", count: 2)
  }

  @Test("a rank other than the configuration's")
  func rank() {
    var test = TestAdapter()
    test.tensors[0].shape = [3, 3]
    test.refuse("q_proj.lora_A.weight\": found shape [3, 3]; expected shape [2, in]")
    test.tensors[0].shape = [2, 3]
    test.tensors[1].shape = [2, 4]
    test.refuse("q_proj.lora_B.weight\": found shape [2, 4]; expected shape [out, 2]")
    test.tensors[1].shape = [4, 2]
    test.settings["rank_pattern"] = "{\"q_proj\":3}"
    test.refuse("[3, in]", "[out, 3]", count: 2)
  }

  @Test("shapes that are no matrices; three dimensions are named")
  func dimensions() {
    var test = TestAdapter()
    test.tensors[0].shape = [6]
    test.refuse("found shape [6]; expected shape [2, in]")
    test.tensors[0].shape = [2, 0]
    test.refuse("found shape [2, 0]")
    test.tensors[0].shape = [2, 3]
    test.tensors[1].shape = [4, 2, 1]
    test.refuse("found shape [4, 2, 1], as MergedLinear of PEFT 0.2")
  }

  @Test("element types other than F32, F16 and BF16")
  func types() {
    var test = TestAdapter()
    test.tensors[0].type = "I8"
    test.refuse("q_proj.lora_A.weight\": found type I8; expected F32, F16 or BF16")
  }

  @Test("numbers that are not finite", arguments: ["F32", "BF16"], [Float.nan, .infinity, -.infinity])
  func nonFinite(type: String, value: Float) {
    var test = TestAdapter()
    test.tensors[2].type = type
    test.tensors[2].value = value
    test.refuse("down_proj.lora_A.weight\": found a number that is not finite, at element 0")
  }

  @Test("one module under two names")
  func twice() {
    var test = TestAdapter()
    test.tensors.append(
      TestTensor(name: "base_model.model.layers.0.self_attn.q_proj.lora_A.weight", shape: [2, 3]))
    test.refuse("tensor \"base_model.model.layers.0.self_attn.q_proj.lora_A.weight\"", "another such tensor")
  }

  @Test("a module that training did not target")
  func untargeted() {
    var test = TestAdapter()
    test.settings["target_modules"] = "[\"q_proj\"]"
    test.refuse("module \"layers.0.mlp.down_proj\"", "target_modules does not cover")
    test.settings["target_modules"] = "\".*q_proj\""
    test.refuse("module \"layers.0.mlp.down_proj\"", "target_modules does not cover")
  }

  @Test("no tensors at all")
  func noTensors() {
    var test = TestAdapter()
    test.tensors = []
    test.refuse("adapter_model.safetensors: found no tensors")
  }

  @Test("one error lists everything that is wrong")
  func allViolations() {
    var test = TestAdapter()
    test.settings["layer_replication"] = "[[0,4],[2,5]]"
    test.settings["bias"] = "\"all\""
    test.settings["use_magic"] = "1"
    test.tensors[0].shape = [5, 3]
    test.tensors[3].type = "I8"
    test.tensors.append(
      TestTensor(name: "base_model.model.model.layers.0.self_attn.q_proj.lora_B.bias", shape: [2]))
    test.refuse(
      "6 violations, nothing was loaded", "layer_replication", "\"bias\"", "use_magic", "[5, 3]", "type I8",
      "lora_bias",
      count: 6)
  }

  @Test("a thousand violations make a short message")
  func manyViolations() {
    var test = TestAdapter()
    test.tensors += (0..<1000).map { TestTensor(name: "x\($0).weight", shape: [1]) }
    test.refuse("1000 violations", "and 900 more", count: 1000)
  }

  // MARK: Files

  @Test("a path that does not exist, and a directory with nothing of an adapter")
  func nothing() {
    expectRefusal("/nowhere/adapter", ["/nowhere/adapter", "no such file or directory", "PEFT adapter"])
    let directory = TemporaryFolder()
    expectRefusal(directory.path, [directory.path, "found neither", "adapter_config.json"])
    directory.write("config.json", "{}")
    expectRefusal(directory.path, ["a whole model"])
  }

  @Test("a repository of checkpoints says to name one")
  func checkpoints() throws {
    let directory = TemporaryFolder()
    try FileManager.default.createDirectory(
      atPath: directory.path + "/checkpoint-450", withIntermediateDirectories: false)
    expectRefusal(directory.path, ["\"checkpoint-450\"", "Name one of the checkpoints"])
  }

  @Test("configuration alone, and weights alone")
  func halves() throws {
    let test = TestAdapter()
    test.write()
    try FileManager.default.removeItem(atPath: test.directory.path + "/adapter_model.safetensors")
    expectRefusal(test.directory.path, ["adapter_config.json alone, without weights"])
    test.write()
    try FileManager.default.removeItem(atPath: test.directory.path + "/adapter_config.json")
    expectRefusal(test.directory.path, ["without adapter_config.json"])
    expectRefusal(test.directory.path + "/adapter_model.safetensors", ["no adapter_config.json beside it"])
  }

  @Test("a pickle is refused, in a directory and by its name")
  func pickle() throws {
    let test = TestAdapter()
    test.write()
    try FileManager.default.removeItem(atPath: test.directory.path + "/adapter_model.safetensors")
    let file = test.directory.write(
      "adapter_model.bin", [0x50, 0x4b, 3, 4] + [UInt8](repeating: 0, count: 60))
    expectRefusal(test.directory.path, ["adapter_model.bin, a Python pickle", "safe_serialization=True"])
    expectRefusal(file, ["adapter_model.bin", "zip archive", "PEFT adapter"])
  }

  @Test("a GGUF file that ends early")
  func gguf() {
    let directory = TemporaryFolder()
    expectRefusal(
      directory.write("adapter.gguf", "GGUF\u{3}\0\0\0"), ["adapter.gguf: byte 8", "the end of the file"])
  }

  @Test("a git-LFS pointer in place of weights or configuration")
  func pointer() {
    let text = "version https://git-lfs.github.com/spec/v1\noid sha256:43da\nsize 34895376\n"
    let test = TestAdapter()
    test.write()
    test.directory.write("adapter_model.safetensors", text)
    expectRefusal(
      test.directory.path, ["adapter_model.safetensors", "git-LFS pointer", "34895376 bytes", "git lfs pull"])
    test.directory.write("adapter_config.json", text)
    expectRefusal(test.directory.path, ["adapter_config.json: found a git-LFS pointer"], count: 2)
  }

  @Test("MLX adapters without configuration, without weights, and in numpy's archives")
  func mlx() {
    let directory = TemporaryFolder()
    directory.write("adapters.safetensors", safetensors([]))
    expectRefusal(
      directory.path, ["adapters.safetensors, an MLX adapter, without adapter_config.json", "the scale"])
    let old = TemporaryFolder()
    expectRefusal(old.write("adapters.npz", "PK\u{3}\u{4}"), ["MLX adapter in numpy's archive", "save_file"])
    expectRefusal(old.path, ["adapters.npz, an MLX adapter", "save_file"])
    old.write("adapter_config.json", #"{"fine_tune_type":"lora","lora_parameters":{"rank":8}}"#)
    expectRefusal(old.path, ["adapters.npz, an MLX adapter", "save_file"])
    let alone = TemporaryFolder()
    alone.write("adapter_config.json", #"{"fine_tune_type":"lora","lora_parameters":{"rank":8,"scale":1}}"#)
    expectRefusal(alone.path, ["of MLX alone, without weights"])
  }

  @Test("damaged files: configuration that is no JSON, weights that are cut off")
  func damaged() {
    let test = TestAdapter()
    test.write()
    test.directory.write("adapter_model.safetensors", safetensors(test.tensors).dropLast(5))
    expectRefusal(test.directory.path, ["adapter_model.safetensors: tensor", "cut off by 5"])
    test.directory.write("adapter_config.json", "{\"r\":8,}")
    expectRefusal(
      test.directory.path, ["adapter_config.json: byte 7", "cut off by 5", "Download it again"], count: 2)
    test.directory.write("adapter_config.json", "[]")
    expectRefusal(test.directory.path, ["adapter_config.json: byte 0: found []"], count: 2)
  }

  @Test("random damage never crashes and never loads something else")
  func mutations() {
    let test = TestAdapter()
    test.write()
    let weights = safetensors(test.tensors)
    var random = SeededGenerator(1)
    for _ in 0..<2000 {
      var bytes = weights
      for _ in 0...random.below(3) { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
      test.directory.write("adapter_model.safetensors", bytes)
      guard let adapter = try? Adapter(path: test.directory.path) else { continue }
      for module in adapter.modules {
        #expect(module.a.shape[0] == module.rank && module.b.shape[1] == module.rank)
      }
    }
  }
}
