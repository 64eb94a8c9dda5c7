import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing

@Suite("PEFT adapters that load")
struct AdapterTests {
  @Test("modules, shapes, scale, names, values")
  func plain() throws {
    let adapter = try TestAdapter().open()
    #expect(adapter.modules.map(\.name) == ["layers.0.mlp.down_proj", "layers.0.self_attn.q_proj"])
    let query = adapter.modules[1]
    #expect(query.rank == 2 && query.alpha == 8 && query.scale == 4)
    #expect(query.a.shape == [2, 3] && query.b.shape == [4, 2])
    #expect(query.a.floats() == [Float](repeating: 0.5, count: 6))
    #expect(adapter.modules[0].a.shape == [2, 5])
    #expect(adapter.baseModelName == "someone/base" && !adapter.isZero)
    #expect(adapter.parameterCount == 6 + 8 + 10 + 8)
    #expect(adapter.targetModules == ["q_proj", "down_proj"] && adapter.configuration["r"]?.int == 2)
  }

  @Test("a module is found by its name, with A and B as views of the file where it stores them plainly")
  func byName() throws {
    let test = TestAdapter()
    let adapter = try test.open()
    let query = try #require(adapter["layers.0.self_attn.q_proj"])
    #expect(query.name == "layers.0.self_attn.q_proj" && query.rank == 2 && query.scale == 4)
    #expect(query.a.shape == [2, 3] && query.b.shape == [4, 2] && query.b.floats()[0] == 0.25)
    #expect(adapter["layers.0.self_attn.k_proj"] == nil && adapter["q_proj"] == nil)
    let archive = try AdapterFile(path: test.directory.path).archive
    for isPlain in [true, false] {
      var options = TinaOptions()
      options.isPlain = isPlain
      let path = test.directory.path + "/plain-\(isPlain).tina"
      try TinaWriter.write(archive, to: path, options: options)
      let stored = try #require(try Adapter(path: path)["layers.0.self_attn.q_proj"])
      #expect(stored.a.floats() == query.a.floats() && stored.b.floats() == query.b.floats())
      #expect((stored.a.file != nil) == isPlain && (stored.b.file != nil) == isPlain)
    }
    #expect(query.a.file != nil && query.b.file != nil)
  }

  @Test("the weights' file can be named instead of its directory")
  func byFile() throws {
    let test = TestAdapter()
    test.write()
    let file = test.directory.path + "/adapter_model.safetensors"
    #expect(try Adapter(path: file).modules.count == 2)
    try FileManager.default.moveItem(
      atPath: file, toPath: test.directory.path + "/x__adapter_model.safetensors")
    expectRefusal(test.directory.path + "/x__adapter_model.safetensors", ["no x__adapter_config.json"])
    try FileManager.default.moveItem(
      atPath: test.directory.path + "/adapter_config.json",
      toPath: test.directory.path + "/x__adapter_config.json")
    #expect(try Adapter(path: test.directory.path + "/x__adapter_model.safetensors").modules.count == 2)
  }

  @Test("the order is by layer as a number, then by name")
  func order() throws {
    var test = TestAdapter()
    test.tensors = ["10.self_attn.q_proj", "2.self_attn.q_proj", "2.mlp.down_proj"].flatMap {
      TestAdapter.pair("model.layers." + $0)
    }
    #expect(
      try test.open().modules.map(\.name) == [
        "layers.2.mlp.down_proj", "layers.2.self_attn.q_proj", "layers.10.self_attn.q_proj",
      ])
  }

  @Test(
    "wrappers are taken off names; other layouts keep their path",
    arguments: [
      ("base_model.model.model.layers.3.self_attn.q_proj", "layers.3.self_attn.q_proj"),
      ("base_model.model.layers.3.self_attn.q_proj", "layers.3.self_attn.q_proj"),
      ("base_model.model.base_model.model.model.layers.3.self_attn.q_proj", "layers.3.self_attn.q_proj"),
      ("model.layers.3.self_attn.q_proj", "layers.3.self_attn.q_proj"),
      ("base_model.model.transformer.h.0.attn.q_proj", "transformer.h.0.attn.q_proj"),
      ("base_model.model.model.decoder.layers.0.q_proj", "model.decoder.layers.0.q_proj"),
    ])
  func names(stored: String, module: String) throws {
    var test = TestAdapter()
    test.tensors = TestAdapter.pair(stored, prefix: "")
    #expect(try test.open().modules.map(\.name) == [module])
  }

  @Test("the adapter's name \"default\" may stand in the names")
  func defaultName() throws {
    var test = TestAdapter()
    for i in test.tensors.indices {
      test.tensors[i].name = test.tensors[i].name.replacingOccurrences(of: ".weight", with: ".default.weight")
    }
    #expect(try test.open().modules.count == 2)
  }

  @Test("rsLoRA divides by the root of the rank")
  func rsLoRA() throws {
    var test = TestAdapter()
    test.settings["use_rslora"] = "true"
    #expect(try test.open().modules[0].scale == Float(8 / 2.0.squareRoot()))
  }

  @Test("rank and alpha default to 8; alpha may be a fraction")
  func defaults() throws {
    var test = TestAdapter()
    test.settings["r"] = nil
    test.settings["lora_alpha"] = nil
    test.tensors = TestAdapter.pair("model.layers.0.self_attn.q_proj", rank: 8)
    #expect(try test.open().modules[0].scale == 1)
    test.settings["lora_alpha"] = "0.5"
    #expect(try test.open().modules[0].scale == 0.0625)
  }

  @Test("rank_pattern and alpha_pattern: the first key that matches counts")
  func patterns() throws {
    var test = TestAdapter()
    test.settings["rank_pattern"] = #"{"down_proj":4,"layers.0.mlp.down_proj":7}"#
    test.settings["alpha_pattern"] = #"{"self_attn\\.[qk]_proj":3,"layers\\.0\\..*":16,"^model.layers":99}"#
    test.tensors =
      TestAdapter.pair("model.layers.0.self_attn.q_proj")
      + TestAdapter.pair("model.layers.0.mlp.down_proj", rank: 4)
    let modules = try test.open().modules
    #expect(modules.map(\.rank) == [4, 2])
    #expect(modules.map(\.alpha) == [16, 3])
    #expect(modules.map(\.scale) == [4, 1.5])
    test.settings["use_rslora"] = "true"
    #expect(try test.open().modules.map(\.scale) == [8, Float(3 / 2.0.squareRoot())])
  }

  @Test("BF16 and F16 load", arguments: ["BF16", "F16"])
  func types(type: String) throws {
    var test = TestAdapter()
    for i in test.tensors.indices {
      test.tensors[i].type = type
      test.tensors[i].value = 0.5
    }
    let adapter = try test.open()
    #expect(adapter.modules[0].a.elementType.rawValue == type && adapter.modules[0].b.floats()[0] == 0.5)
  }

  @Test("an adapter whose every B is zero, of either sign, is reported", arguments: ["F32", "BF16", "F16"])
  func zero(type: String) throws {
    var test = TestAdapter()
    for i in test.tensors.indices { test.tensors[i].type = type }
    test.tensors[1].value = 0
    #expect(try !test.open().isZero)
    test.tensors[3].value = type == "F16" ? 0 : -0.0
    #expect(try test.open().isZero)
  }

  @Test("alpha of zero makes a zero adapter")
  func zeroAlpha() throws {
    var test = TestAdapter()
    test.settings["lora_alpha"] = "0"
    #expect(try test.open().isZero)
  }

  @Test("targets may be a pattern, or all linear layers")
  func targets() throws {
    var test = TestAdapter()
    test.settings["target_modules"] = #"".*\\.(self_attn|mlp)\\..*_proj""#
    #expect(try test.open().targetModules == [])
    test.settings["target_modules"] = "\"all-linear\""
    #expect(try test.open().modules.count == 2)
  }

  @Test("neutral and silent keys change nothing, known or not")
  func neutralKeys() throws {
    var test = TestAdapter()
    test.settings.merge([
      "use_dora": "false", "lora_bias": "false", "modules_to_save": "null", "layer_replication": "null",
      "target_parameters": "[]", "use_qalora": "false", "qalora_group_size": "16", "use_bdlora": "null",
      "trainable_token_indices": "null", "fan_in_fan_out": "false", "alora_invocation_tokens": "null",
      "init_lora_weights": "\"gaussian\"", "future_flag": "false", "future_config": "{}", "future_list": "[]",
      "megatron_core": "\"megatron.core\"", "peft_version": "\"0.19.1\"", "loftq_config": "{}",
    ]) { $1 }
    #expect(try test.open().modules.count == 2)
  }
}
