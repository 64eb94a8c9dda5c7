import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing
import TinaRuntime
import Tokenization

@testable import Merging

private let picoIsThere = FileManager.default.fileExists(atPath: pico + "/model.safetensors")
/// A small model whose rows are whole super-blocks, in seven types.
private let mixed = tiny("gguf/quantised.gguf")

/// Models written as GGUF files, and taken as bases.
@Suite struct QuantizationTests {
  private func quantise(
    _ source: String, _ type: GGUFFileType, to output: String, threads: Int = 2,
    _ change: (inout Quantization) -> Void = { _ in }
  ) throws -> QuantizationReport {
    var quantization = Quantization(try Model(path: source, threads: threads), output: output, type: type)
    change(&quantization)
    return try quantization.run()
  }

  private func logits(_ path: String, _ ids: [Int], _ adapter: Adapter? = nil) throws -> [Float] {
    let model = try Model(path: path, threads: 2, activations: .f32)
    let attached = try adapter.map { try AttachedAdapter($0, to: model) }
    return try Engine(model: model, cacheType: .f32).logits(tokens: ids, adapter: attached)
  }

  private func distance(_ a: [Float], _ b: [Float]) -> Double {
    let range = (b.max() ?? 0) - (b.min() ?? 0)
    return Double((zip(a, b).map { abs($0 - $1) }.max() ?? .infinity) / range)
  }

  private func spread(_ a: [Float], _ b: [Float]) -> Double {
    func square(_ values: [Float]) -> Double { values.reduce(0) { $0 + Double($1 * $1) } }
    return (square(zip(a, b).map { $0 - $1 }) / square(b)).squareRoot()
  }

  /// Float types hold the same numbers, so the model computes the same bits; tokens and templates come along.
  @Test(.enabled(if: picoIsThere), arguments: [GGUFFileType.f32, .bf16])
  func aFloatFileIsTheSameModel(_ type: GGUFFileType) throws {
    let scratch = TemporaryFolder()
    let file = scratch.path("pico.gguf")
    let report = try quantise(pico, type, to: file)
    #expect(report.roundings.isEmpty && report.error == nil && report.summary.contains(type.rawValue))
    #expect(scratch.names == ["pico.gguf"])
    let ids = (0..<40).map { $0 * 37 % 500 }
    #expect(try logits(file, ids).map(\.bitPattern) == logits(pico, ids).map(\.bitPattern))
    let (own, reference) = (
      try PromptEncoder(tokenizer: Tokenizer(directory: file), directory: file),
      try PromptEncoder(tokenizer: Tokenizer(directory: pico), directory: pico)
    )
    for text in ["What is 17 + 25? <think>\n", "é\u{301} <｜User｜>x<｜Assistant｜>", " \n\n  12345 tokens"] {
      #expect(own.tokenizer.encode(text) == reference.tokenizer.encode(text))
      let messages = [ChatMessage(role: .user, content: text)]
      #expect(try own.encode(messages) == reference.encode(messages))
    }
    let (a, b) = (try StoredModel(path: file), try StoredModel(path: pico))
    #expect(a.generation.temperature.map { Float($0) } == b.generation.temperature.map { Float($0) })
    #expect(a.generation.doSample == b.generation.doSample && a.eosTokenIDs == b.eosTokenIDs)
    #expect(try a.weightsDigest() == b.weightsDigest())
  }

  /// An adapter recognises its base in every type, and another base in none.
  @Test(.enabled(if: picoIsThere), arguments: [GGUFFileType.f16, .q8_0, .q6_K, .q5_K_M, .q4_K_M, .q4_0])
  func everyTypeIsRecognisedAndNear(_ type: GGUFFileType) throws {
    let scratch = TemporaryFolder()
    let file = scratch.path("pico.gguf")
    let report = try quantise(pico, type, to: file)
    // Root of the mean square of the logits' differences, beside the logits' own spread. (Pico's weights in bf16 are
    // all held by f16.)
    let bounds: [GGUFFileType: Double] = [
      .f16: 1e-6, .q8_0: 0.05, .q6_K: 0.05, .q5_K_M: 0.25, .q4_K_M: 0.25, .q4_0: 0.5,
    ]
    let ids = try Tokenizer(directory: pico).encode("What is 17 + 25? <think>\n17 + 25 = 42\n</think>")
    let away = spread(try logits(file, ids), try logits(pico, ids))
    #expect(away < bounds[type] ?? 0 && (away > 0) == type.isQuantised, "\(type.rawValue): \(away)")
    if type.isQuantised { #expect((report.error ?? 0) > 0.001 && (report.error ?? 1) < 0.1) }
    var archive = try AdapterFile(path: pico + "/adapter")
    archive.archive.base = try BaseIdentity(of: StoredBase(path: pico))
    let model = try Model(path: file, threads: 2)
    let attached = try AttachedAdapter(Adapter(archive), to: model)
    #expect(attached.notes.isEmpty, "\(attached.notes)")
    guard case .sameInOtherEncoding? = try archive.archive.base?.compare(to: StoredBase(model.directory))
    else {
      Issue.record("not recognised as the same in another encoding")
      return
    }
    // The same weights a little changed are not recognised.
    let other = try BaseIdentity(of: StoredBase(path: pico)).compare(
      to: StoredBase(try changed(file, scratch)))
    guard case .otherWeights = other else {
      Issue.record("other weights were taken for the base: \(other)")
      return
    }
  }

  /// The file with the rows of one embedding exchanged.
  private func changed(_ path: String, _ scratch: TemporaryFolder) throws -> StoredModel {
    let file = try GGUFFile(path: path)
    let target = scratch.path("changed.gguf")
    var tensors = file.tensors
    for (i, tensor) in tensors.enumerated() where tensor.name == "token_embd.weight" {
      let bytes = tensor.storage.copy(tensor.byteRange)
      let row = bytes.count / tensor.shape[0]
      tensors[i] = Tensor(
        name: tensor.name, elementType: tensor.elementType, shape: tensor.shape,
        memory: OwnedBytes(Array(bytes[row...] + bytes[..<row])))
    }
    try GGUFWriter.write(metadata: file.metadata, tensors: tensors, to: target)
    return try StoredModel(path: target)
  }

  /// Real super-blocks: the rows of this model are 256 long.
  @Test(arguments: [GGUFFileType.q4_K_S, .q5_K_M, .q6_K])
  func superBlocksAreWrittenAndComputedOn(_ type: GGUFFileType) throws {
    let scratch = TemporaryFolder()
    let floats = scratch.path("f32.gguf")
    _ = try quantise(mixed, .f32, to: floats)
    let ids = (0..<30).map { $0 * 37 % 500 }
    // Dequantising loses nothing.
    #expect(distance(try logits(floats, ids), try logits(mixed, ids)) < 1e-5)
    let file = scratch.path("k.gguf")
    let report = try quantise(floats, type, to: file)
    #expect(report.types.contains { $0.type == type.mainType.rawValue })
    #expect(distance(try logits(file, ids), try logits(floats, ids)) < 0.3)
  }

  @Test func threadsAndPiecesChangeNoByte() throws {
    let scratch = TemporaryFolder()
    _ = try quantise(mixed, .f32, to: scratch.path("f32.gguf"))
    for threads in [1, 3] {
      _ = try quantise(
        scratch.path("f32.gguf"), .q4_K_M, to: scratch.path("\(threads).gguf"), threads: threads)
    }
    #expect(
      FileManager.default.contentsEqual(atPath: scratch.path("1.gguf"), andPath: scratch.path("3.gguf")))
  }

  @Test func aSecondRoundingIsRefusedUnlessAsked() throws {
    let scratch = TemporaryFolder()
    let output = scratch.path("out.gguf")
    do {
      _ = try quantise(mixed, .q4_0, to: output)
      Issue.record("not refused")
    } catch MergeError.invalidSetting(let name, let found, let expected) {
      #expect(name == "model" && found.contains("already") && expected.contains("--requantize"))
    }
    #expect(scratch.names.isEmpty)
    _ = try quantise(mixed, .q4_0, to: output) { $0.requantises = true }
    #expect(scratch.names == ["out.gguf"])
  }

  @Test func theFileIsWholeOrAbsent() throws {
    let scratch = TemporaryFolder()
    let output = scratch.path("out.gguf")
    // What another run left is removed, and an existing file is replaced only where that is allowed.
    try FileManager.default.createDirectory(
      atPath: scratch.path(".out.gguf.merging"), withIntermediateDirectories: true)
    try Data("leftover".utf8).write(
      to: URL(fileURLWithPath: scratch.path(".out.gguf.merging") + "/model.gguf"))
    _ = try quantise(tiny("tiny-f32"), .q8_0, to: output)
    let first = try Data(contentsOf: URL(fileURLWithPath: output))
    #expect(throws: MergeError.self) { try quantise(tiny("tiny-f32"), .f16, to: output) }
    #expect(try Data(contentsOf: URL(fileURLWithPath: output)) == first && scratch.names == ["out.gguf"])
    _ = try quantise(tiny("tiny-f32"), .f16, to: output) { $0.replacesOutput = true }
    #expect(try Data(contentsOf: URL(fileURLWithPath: output)) != first && scratch.names == ["out.gguf"])
    // The model itself is never replaced.
    #expect(throws: MergeError.self) { try quantise(output, .f32, to: output) { $0.replacesOutput = true } }
    #expect(throws: (any Error).self) {
      try quantise(tiny("tiny-f32"), .f16, to: scratch.path("no/out.gguf"))
    }
  }

  @Test func numbersThatDoNotFitAreRefusedByName() throws {
    let scratch = TemporaryFolder()
    let base = scratch.path("base")
    try FileManager.default.copyItem(atPath: tiny("tiny-f32"), toPath: base)
    let file = try SafetensorsFile(path: base + "/model.safetensors")
    let tensors = file.tensors.map { tensor in
      var values = tensor.floats()
      if tensor.name.hasSuffix("up_proj.weight") { values[5] = 1e30 }
      return Tensor(name: tensor.name, shape: tensor.shape, floats: values)
    }
    try SafetensorsWriter.write(tensors, metadata: file.metadata, to: base + "/model.safetensors")
    for type in [GGUFFileType.f16, .q8_0, .q4_0] {
      do {
        _ = try quantise(base, type, to: scratch.path("out.gguf"))
        Issue.record("not refused")
      } catch MergeError.notFinite(let tensor, let count, _) {
        #expect(tensor.contains("up_proj") && count > 0)
      }
    }
    #expect(scratch.names == ["base"])
    _ = try quantise(base, .bf16, to: scratch.path("out.gguf"))
  }

  /// A tied head stays tied, with the type that a head has.
  @Test func tiedHeadsStayTied() throws {
    let scratch = TemporaryFolder()
    let file = scratch.path("tied.gguf")
    _ = try quantise(tiny("tiny-tied"), .q4_0, to: file)
    let model = try Model(path: file, threads: 1)
    #expect(model.config.tieWordEmbeddings)
    let embedding = try GGUFFile(path: file).tensors.first { $0.name == "token_embd.weight" }
    #expect(embedding?.elementType == .q8_0)
  }

  @Test func whatGGUFCannotDescribeIsRefused() throws {
    let scratch = TemporaryFolder()
    #expect(throws: MergeError.self) { try quantise(tiny("tiny-window"), .f16, to: scratch.path("out.gguf")) }
    #expect(scratch.names.isEmpty)
    // The metadata tells of heads that are not hidden / heads wide, and of another rotary base.
    let ids = (0..<20).map { $0 * 7 % 60 }
    for name in ["tiny-wide-heads", "tiny-theta", "tiny-sharded"] {
      let file = scratch.path(name + ".gguf")
      _ = try quantise(tiny(name), .f32, to: file)
      #expect(try logits(file, ids).map(\.bitPattern) == logits(tiny(name), ids).map(\.bitPattern), "\(name)")
    }
  }

  @Test func sizesAreLabelledAsElsewhere() {
    #expect(GGUFMetadata.sizeLabel(1_115_264) == "1.1M" && GGUFMetadata.sizeLabel(1_777_088_000) == "1.8B")
    #expect(GGUFMetadata.sizeLabel(72_000_000_000) == "72B" && GGUFMetadata.sizeLabel(33_000) == "33K")
  }
}
