import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import TinaRuntime

/// Adapters that are more than pairs on projections, and adapters of every family, against PEFT in float32
/// (tools/golden/adapters.py).
@Suite struct PEFTAdapterTests {
  static let cases: [String] = {
    guard let golden = try? SafetensorsFile(path: fixture("peft-golden.safetensors")) else { return [] }
    return golden.tensors.compactMap { $0.name.hasSuffix(".tokens") ? String($0.name.dropLast(7)) : nil }
  }()

  private static func base(_ name: String) throws -> String {
    fixture(try #require(Adapter(path: fixture("peft-" + name)).baseModelName))
  }

  private static func attached(_ name: String, _ model: Model) throws -> AttachedAdapter {
    try AttachedAdapter(Adapter(path: fixture("peft-" + name)), to: model)
  }

  private func integers(_ tensor: Tensor) -> [Int] {
    unsafe tensor.bytes.withUnsafeBytes { bytes in
      (0..<tensor.elementCount).map {
        unsafe Int(bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Int32.self))
      }
    }
  }

  private func check(_ model: Model, _ adapter: AttachedAdapter, _ name: String, limit: Float = 1e-5) throws {
    let golden = try SafetensorsFile(path: fixture("peft-golden.safetensors"))
    let tokens = integers(try #require(golden[name + ".tokens"]))
    let expected = try #require(golden[name + ".logits"]).floats()
    let engine = Engine(model: model, cacheType: .f32)
    let logits = try engine.logits(tokens: tokens, adapter: adapter, chunk: 7).suffix(expected.count)
    let range = try #require(expected.max()) - #require(expected.min())
    let difference = zip(logits, expected).map { abs($0 - $1) }.max() ?? .infinity
    #expect(difference <= limit * range, "\(model.directory.path): \(difference / range) of the range")
    let plain = try engine.logits(tokens: tokens, chunk: 7).suffix(expected.count)
    #expect(zip(plain, expected).contains { abs($0 - $1) > 0.01 * range }, "the adapter changes too little")
  }

  @Test func thereAreCases() { #expect(Self.cases.count == 15) }

  @Test(arguments: cases) func logitsMatch(name: String) throws {
    let path = try Self.base(name)
    let model = try Model(path: path, threads: 2, activations: .f32)
    try check(model, Self.attached(name, model), name)
    let gguf = path + "/model.gguf"
    guard FileManager.default.fileExists(atPath: gguf) else { return }
    let other = try Model(path: gguf, threads: 2, activations: .f32)
    try check(other, Self.attached(name, other), name)
  }

  /// Every format says the same where it can say it.
  @Test(arguments: cases) func otherFormatsMatch(name: String) throws {
    let scratch = TemporaryFolder()
    let path = try Self.base(name)
    let model = try Model(path: path, threads: 2, activations: .f32)
    var archive = try AdapterFile(path: fixture("peft-" + name)).archive
    archive.base = try BaseIdentity(of: StoredBase(path: path))
    try TinaWriter.write(archive, to: scratch.path("a.tina"), options: TinaOptions())
    let tina = try AdapterSource(path: scratch.path("a.tina")).open(for: model)
    #expect(try tina.contentDigest() == Adapter(path: fixture("peft-" + name)).contentDigest())
    try check(model, AttachedAdapter(tina, to: model), name)
    // The base is recognised in its other container, whatever order its rows have there.
    let gguf = path + "/model.gguf"
    if FileManager.default.fileExists(atPath: gguf) {
      let other = try Model(path: gguf, threads: 2, activations: .f32)
      let attached = try AttachedAdapter(AdapterSource(path: scratch.path("a.tina")), to: other)
      #expect(attached.notes.isEmpty)
      let identity = try #require(archive.base)
      switch identity.compare(to: try StoredBase(other.directory)) {
      case .same, .sameInOtherEncoding: break
      case let outcome: Issue.record("\(outcome)")
      }
    }
    let base = try BaseArchitecture(path: path)
    let kinds = Set(archive.entries.map(\.kind))
    // In MLX the tables of a tied base change together or not at all.
    let tables = archive.entries.contains { ["lm_head", "embed_tokens"].contains($0.module) }
    for (format, file, known) in [
      (AdapterFileFormat.gguf, "a.gguf", ["lowrank", "embedding"]),
      (.mlx, "mlx", base.isTied == true && tables ? [] : ["lowrank", "embedding", "magnitude"]),
    ] {
      guard kinds.isSubset(of: known) else {
        #expect(throws: AdapterError.self) { try archive.export(format, to: scratch.path(file), base: base) }
        continue
      }
      try archive.export(format, to: scratch.path(file), base: base)
      let adapter = try AdapterSource(path: scratch.path(file)).open(for: model)
      try check(model, AttachedAdapter(adapter, to: model), name)
    }
  }

  /// One order of summation: alone, in batches of other adapters, in pieces, on any number of threads.
  @Test(arguments: cases) func rowsDoNotDependOnTheirCompany(name: String) throws {
    let path = try Self.base(name)
    let siblings = try Self.cases.filter { try Self.base($0) == path }
    let tokens = someTokens(29, below: 60)
    let alone = try Model(path: path, threads: 1)
    let reference = try batchedLogits(alone, [tokens], adapters: [Self.attached(name, alone)], chunk: 1)[0]
    for (threads, chunk) in [(2, 7), (3, 64)] {
      let model = try Model(path: path, threads: threads)
      var adapters: [AttachedAdapter?] = [try Self.attached(name, model), nil]
      adapters += try siblings.map { try Self.attached($0, model) }
      adapters.append(adapters[0])
      let others = adapters.indices.dropFirst().map { someTokens(9 + $0, below: 60, seed: UInt64($0 + 2)) }
      for order in [Array(adapters.indices), adapters.indices.reversed()] {
        let sequences = [tokens] + others
        let batch = batchedLogits(
          model, order.map { sequences[$0] }, adapters: order.map { adapters[$0] }, chunk: chunk)
        let place = try #require(order.firstIndex(of: 0))
        #expect(
          zip(batch[place], reference).allSatisfy { $0.bitPattern == $1.bitPattern }
            && batch[place].count == reference.count, "\(threads) threads, \(chunk) tokens")
      }
    }
  }

  /// A file with one half of a tie alone.
  @Test(arguments: [("tied-both", "lm_head"), ("tied-both", "embed_tokens"), ("tied-saved-both", "lm_head")])
  func aTieHoldsBothTables(name: String, without: String) throws {
    let scratch = TemporaryFolder()
    let source = fixture("peft-" + name)
    try FileManager.default.copyItem(
      atPath: source + "/adapter_config.json", toPath: scratch.path("adapter_config.json"))
    let kept = try SafetensorsFile(path: source + "/adapter_model.safetensors").tensors.filter {
      !$0.name.contains("." + without + ".")
    }
    try SafetensorsWriter.write(kept, to: scratch.path("adapter_model.safetensors"))
    let model = try Model(path: fixture("tiny-tied"), threads: 1, activations: .f32)
    try check(model, AttachedAdapter(Adapter(path: scratch.path), to: model), name)
  }

  /// What no factor scales is refused with one.
  @Test(arguments: ["dora", "saved", "biases"]) func factorsOfWholeParametersAreRefused(name: String) throws {
    let model = try Model(path: fixture("tiny-f32"), threads: 1)
    let adapter = try Adapter(path: fixture("peft-" + name))
    for scale: Float in [0, 0.5, -1] {
      let error = #expect(throws: RuntimeError.self) {
        try AttachedAdapter(adapter, to: model, scale: scale)
      }
      #expect(error.map { "\($0)" }?.contains("no factor scales") == true)
    }
  }

  /// A table of another vocabulary names both sizes, as a pair and as a whole, early and late.
  @Test(arguments: ["saved", "tables"]) func resizedVocabulariesNameBothSizes(name: String) throws {
    let scratch = TemporaryFolder()
    let source = fixture("peft-" + name)
    try FileManager.default.copyItem(
      atPath: source + "/adapter_config.json", toPath: scratch.path("adapter_config.json"))
    let tensors = try SafetensorsFile(path: source + "/adapter_model.safetensors").tensors.map { tensor in
      guard tensor.shape.contains(96) else { return tensor }
      let shape = tensor.shape.map { $0 == 96 ? 99 : $0 }
      let floats = [Float](repeating: 0.1, count: shape.reduce(1, *))
      return Tensor(name: tensor.name, shape: shape, floats: floats)
    }
    try SafetensorsWriter.write(tensors, to: scratch.path("adapter_model.safetensors"))
    let model = try Model(path: fixture("tiny-f32"), threads: 1)
    for open in [
      { try AdapterSource(path: scratch.path).open(for: model) }, { try Adapter(path: scratch.path) },
    ] {
      do {
        _ = try AttachedAdapter(open(), to: model)
        Issue.record("not refused")
      } catch {
        let text = "\(error)"
        #expect(
          text.contains("99") && text.contains("96") && text.contains("before training"), "\(text)")
        #expect(text.contains("lm_head") && text.contains("embed_tokens"), "\(text)")
      }
    }
  }
}
