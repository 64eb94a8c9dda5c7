import AdapterFormat
import TestSupport
import Testing

/// Names that wrappers have left marks in, tensors that were never gathered, scales that are zero.
@Suite struct WrapperTests {
  @Test(arguments: [
    "base_model.model._orig_mod.", "_orig_mod.base_model.model.", "base_model._orig_mod.model.", "_orig_mod.",
    "module.base_model.model.", "base_model.model.module.", "module.module.base_model.model.",
    "_fsdp_wrapped_module.base_model.model.", "module._orig_mod.base_model.model.",
  ])
  func marksAreUnderstoodAndTold(prefix: String) throws {
    var test = TestAdapter()
    test.tensors = TestAdapter.pair("model.layers.0.self_attn.q_proj", prefix: prefix)
    let adapter = try test.open()
    #expect(adapter.modules.map(\.name) == ["layers.0.self_attn.q_proj"])
    #expect(adapter.notes.contains { $0.contains("the mark of") })
    // The names come back as they were.
    let archive = try AdapterFile(path: test.directory.path).archive
    #expect(archive.entries[0].peftNames[0] == prefix + "model.layers.0.self_attn.q_proj.lora_A.weight")
  }

  @Test func marksWithinAndOfTextDecoders() throws {
    for (path, module) in [
      ("model.layers.0._checkpoint_wrapped_module.self_attn.q_proj", "layers.0.self_attn.q_proj"),
      ("model.language_model.layers.0.self_attn.q_proj", "layers.0.self_attn.q_proj"),
      ("language_model.model.layers.0.self_attn.q_proj", "layers.0.self_attn.q_proj"),
      // A layer's own part of that name is none.
      ("model.layers.0.module.q_proj", "layers.0.module.q_proj"),
      ("visual.language_model.layers.0.q_proj", "visual.language_model.layers.0.q_proj"),
    ] {
      var test = TestAdapter()
      test.tensors = TestAdapter.pair(path)
      #expect(try test.open().modules.map(\.name) == [module])
    }
  }

  @Test func twoNamesOfOneModuleAreRefused() {
    var test = TestAdapter()
    test.tensors =
      TestAdapter.pair("model.layers.0.self_attn.q_proj")
      + TestAdapter.pair("model.layers.0.self_attn.q_proj", prefix: "_orig_mod.base_model.model.")
    test.refuse("another such tensor", count: 2)
  }

  @Test func tensorsThatWereNeverGatheredAreOneSentence() {
    var test = TestAdapter()
    for i in test.tensors.indices { test.tensors[i].shape = [0] }
    test.refuse("shape [0]", "4 of 4 tensors", "ZeRO-3", "zero_to_fp32.py")
    test.tensors[0].shape = [2, 3]
    test.refuse("3 of 4 tensors")
  }

  @Test(arguments: [
    ("0", "every scale is exactly zero"), ("-0.0", "every scale is exactly zero"),
    ("1e-45", "an alpha of 1e-45 is too small"), ("8", nil), ("-8", nil), ("1e30", nil),
  ])
  func whatMakesAnAdapterZeroIsTold(alpha: String, reason: String?) throws {
    var test = TestAdapter()
    test.settings["lora_alpha"] = alpha
    let adapter = try test.open()
    #expect(adapter.isZero == (reason != nil))
    if let reason { #expect(adapter.zeroReason?.contains(reason) == true) }
    #expect(adapter.notes.contains { $0.contains("negative") } == (alpha == "-8"))
  }

  @Test func zeroMatricesAreToldAsSuch() throws {
    var test = TestAdapter()
    for i in test.tensors.indices where test.tensors[i].name.contains("lora_B") { test.tensors[i].value = 0 }
    #expect(try test.open().zeroReason == "every B matrix is exactly zero")
  }
}
