import AdapterFormat
import Foundation
import ModelFiles
import Support
import TestSupport
import Testing
import TinaRuntime

@testable import Merging

/// The silent failures of merging (docs/reference/merging.md, M1 to M6), and what happens here instead.
@Suite struct FailureModeTests {
  /// An adapter whose change is far below the spacing of bf16, as after reinforcement learning.
  private func small(_ scratch: TemporaryFolder) throws -> String {
    try scaledAdapter(tiny("adapter-all-r4"), by: 2e-4, to: scratch.path("small"))
  }

  // M1: a merge that rounds the adapter away (into quantised files: GGUFMergeTests).

  @Test func aMergeThatRoundsTheAdapterAwayIsRefused() async throws {
    let scratch = TemporaryFolder()
    let adapter = try small(scratch)
    do {
      _ = try await merge(tiny("tiny-bf16"), [(adapter, 1)], to: scratch.path("out"))
      Issue.record("not refused")
    } catch MergeError.lost(let modules, let type, let isStochastic) {
      #expect(modules.count == 14 && type == "BF16" && !isStochastic)
      #expect(modules.allSatisfy { ($0.survived ?? 1) < 0.5 && $0.changedShare < 0.1 })
      let text = MergeError.lost(modules: modules, type: type, isStochastic: isStochastic).description
      #expect(
        text.contains("less than half") && text.contains("--accept-loss") && text.contains("--dtype f32"))
    }
    #expect(scratch.names == ["small"], "something was left")
  }

  @Test func theSameMergeIsMadeWhenTheLossIsAccepted() async throws {
    let scratch = TemporaryFolder()
    let report = try await merge(tiny("tiny-bf16"), [(try small(scratch), 1)], to: scratch.path("out")) {
      $0.acceptsLoss = true
    }
    #expect((report.worst?.survived ?? 1) < 0.5)
    #expect(FileManager.default.fileExists(atPath: scratch.path("out") + "/merge-report.json"))
  }

  @Test func stochasticRoundingKeepsTheChangeOnAverage() async throws {
    let scratch = TemporaryFolder()
    let adapter = try small(scratch)
    let report = try await merge(tiny("tiny-bf16"), [(adapter, 1)], to: scratch.path("out")) {
      $0.rounding = .stochastic(seed: 7)
      $0.acceptsLoss = true  // on so small matrices chance alone can take half of one
    }
    let nearest = try await merge(tiny("tiny-bf16"), [(adapter, 1)], to: scratch.path("nearest")) {
      $0.acceptsLoss = true
    }
    #expect(abs((report.total.survived ?? 0) - 1) < 0.5)
    #expect((nearest.total.survived ?? 1) < 0.1)
    #expect((report.total.error ?? 0) > 1)
    #expect(report.warnings.contains { $0.contains("rounding noise") })
  }

  @Test func float32KeepsEverything() async throws {
    let scratch = TemporaryFolder()
    let report = try await merge(tiny("tiny-bf16"), [(try small(scratch), 1)], to: scratch.path("out")) {
      $0.elementType = .f32
    }
    #expect(abs((report.worst?.survived ?? 0) - 1) < 1e-2)
  }

  // M2: merged and attached forms that differ.

  @Test(arguments: ["tiny-f32", "tiny-bf16", "tiny-f16"])
  func mergedInFloat32ComputesWhatAttachedDoes(_ base: String) async throws {
    let scratch = TemporaryFolder()
    let report = try await merge(tiny(base), [(tiny("adapter-patterns"), 1.5)], to: scratch.path("out")) {
      $0.elementType = .f32
    }
    #expect(report.logits.relativeDifference <= 1e-5)
    // Every position of every text.
    #expect(report.logits.positions == report.logits.probes.reduce(0) { $0 + $1.ids.count })
    #expect(report.logits.positions >= 20 && report.logits.meanDivergence < 1e-9)
    #expect(report.logits.agreeing == report.logits.positions)
    #expect(report.logits.probes.allSatisfy { $0.firstDifference == nil && !$0.ids.isEmpty })
  }

  @Test func severalAdaptersInFloat32ComputeWhatTheirSumDoes() async throws {
    let scratch = TemporaryFolder()
    let adapters = [(tiny("adapter-all-r4"), Float(0.7)), (tiny("adapter-qv-rslora-r3"), -1.25)]
    let report = try await merge(tiny("tiny-f32"), adapters, to: scratch.path("out"))
    #expect(report.logits.relativeDifference <= 1e-5)
    #expect(report.adapters.map(\.scale) == [0.7, -1.25])
  }

  /// Two merges one after the other round twice.
  @Test func severalAdaptersAreRoundedOnce() async throws {
    let scratch = TemporaryFolder()
    let adapters = [(tiny("adapter-all-r4"), Float(0.1)), (tiny("adapter-patterns"), 0.1)]
    _ = try await merge(tiny("tiny-bf16"), adapters, to: scratch.path("exact")) { $0.elementType = .f32 }
    _ = try await merge(tiny("tiny-bf16"), adapters, to: scratch.path("once"))
    _ = try await merge(tiny("tiny-bf16"), [adapters[0]], to: scratch.path("first"))
    let second = try await merge(scratch.path("first"), [adapters[1]], to: scratch.path("twice"))
    #expect(second.warnings.contains { $0.contains("itself made by merging") })
    let exact = try WeightFiles(directory: scratch.path("exact")).tensors
    func error(_ name: String) throws -> Double {
      try WeightFiles(directory: scratch.path(name)).tensors.reduce(0.0) { sum, item in
        let reference = exact[item.key]?.floats() ?? []
        return sum
          + zip(item.value.floats(), reference).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
      }
    }
    let (once, twice) = (try error("once"), try error("twice"))
    #expect(once < 0.8 * twice, "\(once) \(twice)")
    // Once is the least that any bf16 can be.
    let merged = try WeightFiles(directory: scratch.path("once")).tensors
    for (name, tensor) in exact {
      let nearest = tensor.converted(to: .bf16).floats()
      #expect(merged[name]?.floats() == nearest, "\(name)")
    }
  }

  // M3: memory.

  /// Blocks of rows make the same files as whole tensors, however small they are and however many threads.
  @Test(arguments: [1, 200, 1000]) func blocksMakeTheSameFile(_ bytes: Int) async throws {
    let scratch = TemporaryFolder()
    let adapters = [(tiny("adapter-all-r4"), Float(1))]
    for (name, threads, pieceByteCount) in [
      ("whole", 1, MergeSettings().pieceByteCount), ("blocks", 3, bytes),
    ] {
      _ = try await merge(tiny("tiny-bf16"), adapters, to: scratch.path(name), threads: threads) {
        $0.rounding = .stochastic(seed: 3)
        $0.pieceByteCount = pieceByteCount
      }
    }
    let (whole, blocks) = (scratch.path("whole"), scratch.path("blocks"))
    #expect(
      FileManager.default.contentsEqual(
        atPath: whole + "/model.safetensors", andPath: blocks + "/model.safetensors"))
  }

  /// A merge takes the memory of its pieces, whatever the size of the model: a hundred times the weights take no more.
  ///
  /// It runs in a process of its own, because other tests take memory at the same time.
  @Test func memoryDoesNotGrowWithTheModel() async {
    await #expect(processExitsWith: .success) {
      _ = try await FailureModeTests.peak(2000)  // whatever is allocated once
      let large = try await FailureModeTests.peak(200_000)  // 51 MB of weights
      #expect(large < 24 << 20, "\(large) bytes")
    }
  }

  /// Private memory that a merge takes besides what was there, with so many rows of vocabulary.
  private static func peak(_ rows: Int) async throws -> Int {
    let scratch = TemporaryFolder()
    let base = scratch.path("base-\(rows)")
    try FileManager.default.copyItem(atPath: tiny("tiny-f32"), toPath: base)
    let config = try #require(try JSON.parse(path: base + "/config.json").object)
    let changed = config.with("vocab_size", .number("\(rows)"))
    try Data(JSONValue.object(changed).text().utf8).write(to: URL(fileURLWithPath: base + "/config.json"))
    let file = try SafetensorsFile(path: base + "/model.safetensors")
    let tensors = file.tensors.map { tensor in
      guard ["model.embed_tokens.weight", "lm_head.weight"].contains(tensor.name) else { return tensor }
      return Tensor(
        name: tensor.name, shape: [rows, 32], floats: [Float](repeating: 0.01, count: rows * 32))
    }
    try SafetensorsWriter.write(tensors, metadata: file.metadata, to: base + "/model.safetensors")
    let model = try Model(path: base, threads: 2)
    let attached = try AttachedAdapter(Adapter(path: tiny("adapter-all-r4")), to: model)
    var settings = MergeSettings()
    settings.elementType = .bf16
    settings.acceptsLoss = true
    settings.pieceByteCount = 1 << 20
    settings.probes = ["x"]  // logits grow with the vocabulary
    let before = ProcessMemory.privateBytes ?? 0
    let (_, cost) = try await Merge(
      [attached], into: model, output: scratch.path("out-\(rows)"), settings: settings
    )
    .run()
    return (cost.privateByteCount ?? before) - before
  }

  // M4: sums in the precision of the file.

  /// Factors in bf16 are multiplied and added in float32.
  @Test func lowPrecisionFactorsAreSummedInFloat32() async throws {
    let scratch = TemporaryFolder()
    let adapter = tiny("adapter-all-bf16")
    _ = try await merge(tiny("tiny-bf16"), [(adapter, 1)], to: scratch.path("out")) { $0.elementType = .f32 }
    let merged = try WeightFiles(directory: scratch.path("out")).tensors
    let base = try WeightFiles(directory: tiny("tiny-bf16")).tensors
    for module in try Adapter(path: adapter).modules {
      let name = "model.\(module.name).weight"
      let weights = try #require(base[name]).floats()
      let (a, b) = (module.a.floats(), module.b.floats())
      let (columns, rank) = (module.a.shape[1], module.rank)
      var expected: [UInt32] = []
      for (index, weight) in weights.enumerated() {
        var delta: Float = 0
        for k in 0..<rank {
          delta.addProduct(module.scale * b[index / columns * rank + k], a[k * columns + index % columns])
        }
        expected.append((weight + delta).bitPattern)
      }
      #expect(merged[name]?.floats().map(\.bitPattern) == expected, "\(name)")
    }
  }

  // M5: a broken file without an error.

  @Test func aMergeThatReadsBackWrongIsNotLeft() async throws {
    let scratch = TemporaryFolder()
    await #expect(throws: MergeError.self) {
      _ = try await merge(
        tiny("tiny-f32"), [(tiny("adapter-all-r4"), 1)], to: scratch.path("out"),
        damage: { path in
          // One row of the last layer's down projection, overwritten.
          let file = path + "/model.safetensors"
          guard let tensor = try? WeightFiles(directory: path).tensors["model.layers.1.mlp.down_proj.weight"],
            let handle = FileHandle(forWritingAtPath: file)
          else { return }
          try? handle.seek(toOffset: UInt64(tensor.byteRange.lowerBound))
          try? handle.write(contentsOf: Data(repeating: 0x3f, count: 256))
          try? handle.close()
        })
    }
    #expect(scratch.names.isEmpty)
  }

  @Test func theReportTellsWhatWasMerged() async throws {
    let scratch = TemporaryFolder()
    let report = try await merge(tiny("tiny-bf16"), [(tiny("adapter-all-r4"), 0.5)], to: scratch.path("out"))
    let json = try #require(try JSON.parse(path: scratch.path("out") + "/merge-report.json").object)
    #expect(json == report.json.object)
    #expect(json["base"]?.object?["digest"]?.string?.count == 64)
    #expect(json["base"]?.object?["name"]?.string == "tiny-bf16")
    #expect(json["adapters"]?.array?.first?.object?["name"]?.string == "adapter-all-r4")
    #expect(json["adapters"]?.array?.first?.object?["scale"]?.double == 0.5)
    #expect(json["modules"]?.array?.count == 14)
    #expect(json["logits"]?.object?["max_difference"]?.double != nil)
    #expect(json["rounding"]?.string == "nearest" && json["dtype"]?.string == "BF16")
    // Nobody's folders.
    #expect(!report.json.text().contains(scratch.path) && !report.json.text().contains(Checkout.root))
    #expect(report.summary.contains("survived rounding"))
  }

  // M6: another base than the adapter was trained on.

  @Test func anAdapterOfAQuantisedBaseIsMergedWithAWarning() async throws {
    let scratch = TemporaryFolder()
    let adapter = scratch.path("qlora")
    try FileManager.default.copyItem(atPath: tiny("adapter-all-r4"), toPath: adapter)
    let config = adapter + "/adapter_config.json"
    let object = try #require(try JSON.parse(path: config).object)
    let text = JSONValue.object(object.with("base_model_name_or_path", .string("unsloth/tiny-bnb-4bit")))
      .text()
    try Data(text.utf8).write(to: URL(fileURLWithPath: config))
    let report = try await merge(tiny("tiny-f32"), [(adapter, 1)], to: scratch.path("out"))
    #expect(report.warnings.contains { $0.contains("quantised base") && $0.contains("bnb-4bit") })
    let plain = try await merge(tiny("tiny-f32"), [(tiny("adapter-all-r4"), 1)], to: scratch.path("plain"))
    #expect(!plain.warnings.contains { $0.contains("quantised base") })
  }

  @Test func anAdapterOfTheBaseInAnotherPrecisionIsMergedWithAWarning() async throws {
    let scratch = TemporaryFolder()
    // The same base in bf16: an adapter that changes nothing, merged.
    let rounded = scratch.path("base-bf16")
    _ = try await merge(tiny("tiny-f32"), [(tiny("adapter-zero"), 1)], to: rounded) { $0.elementType = .bf16 }
    var file = try AdapterFile(path: tiny("adapter-all-r4"))
    file.archive.base = try BaseIdentity(of: StoredBase(path: tiny("tiny-f32")))
    let adapter = try Adapter(file)
    for (base, recognised) in [(rounded, "same in another encoding"), (tiny("tiny-f32"), "same")] {
      let model = try Model(path: base, threads: 2)
      let attached = try AttachedAdapter(adapter, to: model)
      let report = try await Merge([attached], into: model, output: scratch.path("out-\(recognised)")).run()
        .report
      #expect(report.adapters[0].base == recognised)
      #expect(report.warnings.contains { $0.contains("another precision") } == (recognised != "same"))
    }
    let other = try Model(path: tiny("tiny-bf16"), threads: 1)
    #expect(throws: RuntimeError.self) { try AttachedAdapter(adapter, to: other) }
  }
}
