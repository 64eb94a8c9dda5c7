import AdapterFormat
import CKernels
import Foundation
@testable import ModelFiles
import TestSupport
import Testing
import Tokenization

@testable import TinaRuntime

/// A base in a GGUF file, against the `gguf` package and transformers (tools/golden/gguf_base.py).
@Suite(.serialized) struct GGUFBaseTests {
  private let path = fixture("gguf/quantised.gguf")

  static let types: [(name: String, type: tk_type, stored: ElementType)] = [
    ("Q4_0", TK_Q4_0, .q4_0), ("Q8_0", TK_Q8_0, .q8_0), ("Q4_K", TK_Q4_K, .q4_K), ("Q5_K", TK_Q5_K, .q5_K),
    ("Q6_K", TK_Q6_K, .q6_K),
  ]

  /// Every bit pattern of codes and scales gives the bits that the reference gives.
  @Test(arguments: types.indices) func blocksHaveTheReferencesValues(_ index: Int) throws {
    let (name, type, stored) = Self.types[index]
    let golden = try SafetensorsFile(path: fixture("gguf/blocks.safetensors"))
    let blocks = try #require(golden[name + "/blocks"])
    let expected = try #require(golden[name + "/values"]).floats()
    #expect(tk_block_bytes(type) == stored.block.bytes && tk_block_elements(type) == stored.block.elements)
    #expect(blocks.byteRange.count / stored.block.bytes * stored.block.elements == expected.count)
    let best = unsafe String(cString: tk_isa())
    defer { _ = unsafe tk_isa_select(best) }
    for isa in [best, "portable"] {
      let isSelected = unsafe tk_isa_select(isa)
      #expect(isSelected)
      var found = [Float](repeating: .nan, count: expected.count)
      unsafe tk_dequantise(blocks.baseAddress, type, &found, expected.count)
      #expect(sameBits(found, expected), "\(isa)")
    }
    // The other reader of blocks also gives the width of the codes.
    var slow: [Float] = []
    for start in stride(from: 0, to: blocks.byteRange.count, by: stored.block.bytes) {
      let first = blocks.byteRange.lowerBound + start
      let block = try #require(GGUFBlock(blocks.storage.copy(first..<first + stored.block.bytes), stored))
      #expect(block.values.count == block.widths.count)
      slow += block.values
    }
    #expect(sameBits(slow, expected))
  }

  @Test func logitsAreThoseOfTheDequantisedModel() throws {
    let model = try Model(path: path, threads: 2, activations: .f32)
    let golden = try SafetensorsFile(path: fixture("gguf/quantised-golden.safetensors"))
    let bytes = try #require(golden["tokens"])
    let tokens = (0..<bytes.elementCount).map {
      Int(unsafe bytes.bytes.unsafeLoadUnaligned(fromByteOffset: 4 * $0, as: Int32.self))
    }
    let expected = try #require(golden["logits"]).floats()
    let range = try #require(expected.max()) - #require(expected.min())
    let found = try Engine(model: model, cacheType: .f32).logits(tokens: tokens)
    let difference = zip(found, expected).map { abs($0 - $1) }.max() ?? .infinity
    #expect(difference <= 1e-5 * range, "\(difference / range) of the range")
    // Activations of eight bits change the result by about their rounding.
    let rounded = try Engine(model: Model(path: path, threads: 2), cacheType: .f32).logits(tokens: tokens)
    let error = zip(rounded, expected).map { Double(($0 - $1) * ($0 - $1)) }.reduce(0, +)
    let size = expected.map { Double($0 * $0) }.reduce(0, +)
    #expect(error > 0 && (error / size).squareRoot() < 0.02, "\((error / size).squareRoot())")
  }

  /// One order of summation: alone, in batches, in pieces, on any number of threads, on any path.
  @Test func quantisedWeightsFollowTheOneOrderOfSummation() throws {
    let tokens = someTokens(23, below: 500)
    let best = unsafe String(cString: tk_isa())
    defer { _ = unsafe tk_isa_select(best) }
    let reference = try batchedLogits(Model(path: path, threads: 1), [tokens], adapters: [nil], chunk: 1)[0]
    for (threads, chunk, isa) in [(2, 7, best), (3, 64, best), (2, 5, "portable")] {
      let isSelected = unsafe tk_isa_select(isa)
      #expect(isSelected)
      let model = try Model(path: path, threads: threads)
      let others = (0..<4).map { someTokens(9 + $0, below: 500, seed: UInt64($0 + 2)) }
      let batch = batchedLogits(
        model, [tokens] + others, adapters: Array(repeating: nil, count: 5), chunk: chunk)
      #expect(sameBits(batch[0], reference), "\(threads) threads, \(chunk) tokens, \(isa)")
    }
  }

  @Test func theTokenizerIsThatOfTheDirectory() throws {
    let own = try Tokenizer(directory: path)
    let reference = try Tokenizer(directory: pico)
    let texts = [
      "", "What is 12 + 3 * 4? <think>\nFirst,  3 * 4 = 12.\n</think>", "<｜User｜>ab<｜Assistant｜>",
      "é\u{301} ſ 1234\r\n",
    ]
    for text in texts {
      #expect(own.encode(text) == reference.encode(text), "\(text)")
      #expect(own.decode(reference.encode(text)) == reference.decode(reference.encode(text)))
    }
    let messages = [ChatMessage(role: .user, content: "What is 2 + 3?")]
    #expect(
      try PromptEncoder(tokenizer: own, directory: path).encode(messages)
        == PromptEncoder(tokenizer: reference, directory: pico).encode(messages))
  }

  @Test func whatIsNotQwen2IsRefusedByName() throws {
    let file = try GGUFFile(path: path)
    let folder = TemporaryFolder()
    let changes: [(String, GGUFValue?)] = [
      ("general.architecture", .text("llama")), ("general.type", .text("adapter")),
      ("qwen2.block_count", nil), ("qwen2.block_count", .uint32(2)), ("qwen2.embedding_length", .uint32(255)),
      ("qwen2.attention.head_count_kv", .uint32(3)), ("qwen2.rope.scaling.type", .text("yarn")),
      ("qwen2.feed_forward_length", .uint32(0)), ("qwen2.rope.freq_base", .float32(.nan)),
    ]
    for (key, value) in changes {
      var metadata = file.metadata.filter { $0.key != key }
      if let value { metadata.append((key, value)) }
      let target = folder.path("changed.gguf")
      try GGUFWriter.write(metadata: metadata, tensors: file.tensors, to: target)
      #expect(throws: (any Error).self, "\(key)") { try Model(path: target, threads: 1) }
    }
    let target = folder.path("tokenizer.gguf")
    for (key, value) in [
      ("tokenizer.ggml.pre", GGUFValue.text("tekken")), ("tokenizer.ggml.model", .text("llama")),
      ("tokenizer.ggml.merges", .array(.string, [.text("no such")])),
      ("tokenizer.ggml.token_type", .array(.int32, [.int32(1)])),
    ] {
      try GGUFWriter.write(
        metadata: file.metadata.filter { $0.key != key } + [(key, value)], tensors: file.tensors, to: target)
      #expect(throws: TokenizationError.self, "\(key)") { try Tokenizer(directory: target) }
    }
    // The unchanged file is accepted.
    try GGUFWriter.write(metadata: file.metadata, tensors: file.tensors, to: target)
    #expect(throws: Never.self) { try Model(path: target, threads: 1) }
  }

  @Test func anIdentityReadsEveryTypeOfTensor() throws {
    let directory = try StoredModel(path: path)
    let base = try StoredBase(directory)
    #expect(base.tensors.count == 15)
    let kinds = Set(base.tensors.map { $0.elementType.rawValue })
    #expect(kinds == ["Q6_K", "Q8_0", "Q4_K", "Q5_K", "Q4_0", "F16", "F32"])
    for tensor in base.tensors where tensor.shape.count == 2 {
      let part = base.values(of: tensor, row: 3, columns: 32..<64)
      #expect(part.values.count == 32, "\(tensor.name)")
      #expect(part.widths.count == (tensor.elementType == .f16 ? 0 : 32))
    }
    #expect(throws: AdapterError.self) { try base.digest() }
  }

  // MARK: Pico as GGUF

  /// Pico with its matrices as they are, or in Q8_0.
  private func writePico(quantised: Bool, to target: String) throws {
    let directory = try StoredModel(path: pico)
    let config = directory.config
    var metadata = try GGUFFile(path: path).metadata.filter { $0.key.hasPrefix("tokenizer.") }
    metadata += [
      ("general.architecture", .text("qwen2")), ("qwen2.block_count", .uint32(UInt32(config.layerCount))),
      ("qwen2.context_length", .uint32(UInt32(config.maxPositions))),
      ("qwen2.embedding_length", .uint32(UInt32(config.hiddenSize))),
      ("qwen2.feed_forward_length", .uint32(UInt32(config.intermediateSize))),
      ("qwen2.attention.head_count", .uint32(UInt32(config.headCount))),
      ("qwen2.attention.head_count_kv", .uint32(UInt32(config.keyValueHeadCount))),
      ("qwen2.attention.layer_norm_rms_epsilon", .float32(config.rmsNormEps)),
      ("qwen2.rope.freq_base", .float32(Float(config.ropeTheta))),
    ]
    var tensors: [Tensor] = []
    for (name, tensor) in directory.weights.tensors.sorted(by: { $0.key < $1.key }) {
      let other = try #require(config.ggufName(of: name))
      #expect(config.checkpointName(ofGGUF: other) == name)
      if quantised, tensor.shape.count == 2 {
        tensors.append(
          Tensor(
            name: other, elementType: .q8_0, shape: tensor.shape, memory: OwnedBytes(Self.q8(tensor.floats()))
          ))
      } else {
        tensors.append(tensor.renamed(other))
      }
    }
    try GGUFWriter.write(metadata: metadata, tensors: tensors, to: target)
  }

  private static func q8(_ values: [Float]) -> [UInt8] {
    stride(from: 0, to: values.count, by: 32).flatMap { start -> [UInt8] in
      let block = values[start..<start + 32]
      let scale = (block.map { abs($0) }.max() ?? 0) / 127
      let bits = float16Bits(scale)
      return [UInt8(bits & 255), UInt8(bits >> 8)]
        + block.map {
          UInt8(bitPattern: Int8(scale > 0 ? ($0 / scale).rounded(.toNearestOrAwayFromZero) : 0))
        }
    }
  }

  private let folder = TemporaryFolder()

  /// The same weights in another container: the same bits.
  @Test(.enabled(if: FileManager.default.fileExists(atPath: pico + "/model.safetensors")))
  func theSameWeightsGiveTheSameLogits() throws {
    let file = folder.path("pico.gguf")
    try writePico(quantised: false, to: file)
    let tokens = someTokens(30, below: 500)
    let (a, b) = (try Model(path: file, threads: 2), try Model(path: pico, threads: 2))
    let adapter = try Adapter(path: pico + "/adapter")
    for isAttached in [false, true] {
      let found = try Engine(model: a).logits(
        tokens: tokens, adapter: isAttached ? AttachedAdapter(adapter, to: a) : nil)
      let expected = try Engine(model: b).logits(
        tokens: tokens, adapter: isAttached ? AttachedAdapter(adapter, to: b) : nil)
      #expect(sameBits(found, expected))
    }
  }

  /// An adapter that was trained on the unquantised weights recognises the quantised file, and refuses another.
  @Test(.enabled(if: FileManager.default.fileExists(atPath: pico + "/adapter")))
  func anAdapterRecognisesItsBaseQuantised() throws {
    let target = folder.path("pico.gguf")
    try writePico(quantised: true, to: target)
    let identity = try BaseIdentity(of: StoredBase(path: pico))
    let model = try Model(path: target, threads: 2)
    let comparison = try identity.compare(to: StoredBase(model.directory))
    guard case .sameInOtherEncoding(let deviation, _) = comparison else {
      Issue.record("not recognised: \(comparison)")
      return
    }
    #expect(deviation > 0 && deviation < 0.02)
    var file = try AdapterFile(path: pico + "/adapter")
    file.archive.base = identity
    let attached = try AttachedAdapter(Adapter(file), to: model)
    #expect(attached.notes.isEmpty)
    let other = try Model(path: path, threads: 1)
    #expect(throws: RuntimeError.self) { try AttachedAdapter(Adapter(file), to: other) }
    // The logits are close to the unquantised base's.
    let tokens = someTokens(12, below: 500)
    let found = try Engine(model: model).logits(tokens: tokens, adapter: attached)
    let base = try Model(path: pico, threads: 2)
    let expected = try Engine(model: base).logits(
      tokens: tokens, adapter: AttachedAdapter(Adapter(path: pico + "/adapter"), to: base))
    let range = (expected.max() ?? 0) - (expected.min() ?? 0)
    let difference = zip(found, expected).map { abs($0 - $1) }.max() ?? .infinity
    #expect(difference > 0 && difference < 0.1 * range)
  }
}
