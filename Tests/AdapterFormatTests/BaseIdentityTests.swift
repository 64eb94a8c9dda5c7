import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import AdapterFormat

private func golden(_ name: String) throws -> [UInt8] {
  Array(try Data(contentsOf: URL(fileURLWithPath: fixture("identity-\(name).bin"))))
}

private let zeroDigest = [UInt8](repeating: 0, count: 32)

/// A Hugging Face directory built by hand.
private struct TestModel {
  let directory = TemporaryFolder()

  init(_ tensors: [(name: String, shape: [Int], type: String, bytes: [UInt8])], config: String = "") {
    var data: [UInt8] = []
    var entries: [String] = []
    for tensor in tensors {
      entries.append(
        "\"\(tensor.name)\":{\"dtype\":\"\(tensor.type)\",\"shape\":\(tensor.shape),"
          + "\"data_offsets\":[\(data.count),\(data.count + tensor.bytes.count)]}")
      data += tensor.bytes
    }
    let header = "{" + entries.joined(separator: ",") + "}"
    directory.write("model.safetensors", littleEndianBytes(UInt64(header.utf8.count)) + header.utf8 + data)
    directory.write("config.json", "{\"model_type\":\"test\",\"hidden_size\":64\(config)}")
  }

  var base: StoredBase { get throws { try StoredBase(path: directory.path) } }

  /// Values in the pattern of a type.
  static func bytes(_ values: [Float], _ type: SampledElement) -> [UInt8] {
    values.flatMap { value -> [UInt8] in
      let pattern = type.pattern(rounded(value, type))
      return type == .f32 ? littleEndianBytes(pattern) : littleEndianBytes(UInt16(pattern))
    }
  }

  static let names: [SampledElement: String] = [.f32: "F32", .f16: "F16", .bf16: "BF16"]

  /// One matrix of 40 × 64 and a vector, of values that BF16 holds exactly.
  static func plain(
    _ type: SampledElement, prefix: String = "model.", edit: (inout [Float]) -> Void = { _ in },
    extra: [(String, [Int], String, [UInt8])] = [], config: String = ""
  ) -> TestModel {
    var values = (0..<2560).map { Float(($0 * 7919 % 251) - 125) / 1024 }
    edit(&values)
    let name = names[type] ?? ""
    return TestModel(
      [
        (prefix + "layers.0.up.weight", [40, 64], name, bytes(values, type)),
        (prefix + "norm.weight", [64], name, bytes((0..<64).map { 1 + Float($0) / 64 }, type)),
      ] + extra, config: config)
  }
}

@Suite("Base identity")
struct BaseIdentityTests {
  @Test("the bytes are those of the reference", arguments: ["bf16", "f16", "sharded", "tied"])
  func reference(name: String) throws {
    let identity = try BaseIdentity(of: StoredBase(path: tiny("tiny-" + name)))
    #expect(try identity.bytes == golden(name))
    #expect(try BaseIdentity(bytes: golden(name), file: "x") == identity)
    #expect(identity.architecture == "qwen2" && identity.digestText.utf8.count == 64)
  }

  @Test("one file or several: one identity")
  func shards() throws {
    #expect(try BaseIdentity(of: StoredBase(path: tiny("tiny-f32"))).bytes == golden("sharded"))
    let identity = try BaseIdentity(bytes: golden("sharded"), file: "x")
    #expect(identity.compare(to: try StoredBase(path: tiny("tiny-f32"))) == .same)
    #expect(identity.compare(to: try StoredBase(path: tiny("tiny-sharded"))) == .same)
  }

  @Test("equal weights have one digest in every type that holds them")
  func wideningKeepsTheDigest() throws {
    let digest = try TestModel.plain(.bf16).base.digest()
    #expect(try TestModel.plain(.f32).base.digest() == digest)
    #expect(try TestModel.plain(.f16).base.digest() == digest)
    #expect(try TestModel.plain(.f32, prefix: "").base.digest() == digest)
    // A single value that only F32 holds, in its last bit.
    #expect(try TestModel.plain(.f32, edit: { $0[2559] = $0[2559].nextUp }).base.digest() != digest)
    // The sign of zero is part of the value.
    #expect(
      try TestModel.plain(.f32, edit: { $0[5] = 0 }).base.digest()
        != TestModel.plain(.f32, edit: { $0[5] = -0.0 }).base.digest())
    // F16 beyond BF16's precision: in F16 and in F32.
    let fine: (inout [Float]) -> Void = { $0[9] = 0x1.ffcp-3 }
    #expect(
      try TestModel.plain(.f16, edit: fine).base.digest() == TestModel.plain(.f32, edit: fine).base.digest())
  }

  @Test("what is not weights is not part of it")
  func leftOut() throws {
    let plain = try TestModel.plain(.f32).base.digest()
    let table = [("model.layers.0.rotary_emb.inv_freq", [2], "F32", [UInt8](repeating: 1, count: 8))]
    #expect(try TestModel.plain(.f32, extra: table).base.digest() == plain)
    let head = [("lm_head.weight", [2], "F32", [UInt8](repeating: 1, count: 8))]
    #expect(try TestModel.plain(.f32, extra: head).base.digest() != plain)
    #expect(
      try TestModel.plain(.f32, extra: head, config: ",\"tie_word_embeddings\":true").base.digest() == plain)
  }

  @Test("integers have no identity, and two names that are one are refused")
  func refusedBases() throws {
    let integers = [("model.layers.0.qweight", [2], "I32", [UInt8](repeating: 1, count: 8))]
    #expect(throws: AdapterError.self) {
      try BaseIdentity(of: TestModel.plain(.f32, extra: integers).base)
    }
    let twice = [("norm.weight", [1], "F32", [UInt8](repeating: 1, count: 4))]
    #expect(throws: ModelFilesError.self) { try TestModel.plain(.f32, extra: twice).base }
    #expect(throws: AdapterError.self) {
      try BaseIdentity(of: TestModel.plain(.f32, edit: { $0 = $0.map { _ in .nan } }).base)
    }
    #expect(throws: AdapterError.self) {
      try BaseIdentity(of: SimulatedBase(seed: 1, held: .blocks(.q8_0)))
    }
  }

  @Test("the sketch spreads over layers and kinds, in a few kilobytes")
  func sketch() throws {
    let identity = try BaseIdentity(of: SimulatedBase(seed: 3), digest: zeroDigest)
    #expect(identity.sketch.tensors.count == 39 && identity.sketch.runs.count == 85)
    #expect(identity.sketch.runs.reduce(0) { $0 + $1.values.count } == 2720 && identity.bytes.count < 9000)
    let layers = Set(identity.sketch.tensors.compactMap { $0.name.split(separator: ".").dropFirst().first })
    #expect(layers.count > 15)
    #expect(try BaseIdentity(bytes: identity.bytes, file: "x") == identity)
  }

  @Test("many kinds of tensors are thinned out")
  func manyKinds() {
    let tensors = (0..<100).map { index in
      BaseTensor(
        name: "k" + String(UnicodeScalar(UInt8(65 + index / 10))) + "\(index % 10)", shape: [4, 4],
        elementType: .f32)
    }
    #expect(BaseSketch.choose(tensors).count == 32)
    #expect(BaseSketch.kind(of: "h.12.attn.3x.4") == "h.*.attn.3x.*")
  }

  @Test("other shapes are listed one by one")
  func shapes() throws {
    let identity = try BaseIdentity(of: SimulatedBase(seed: 1), digest: zeroDigest)
    guard
      case .otherShape(let differences) = identity.compare(to: try StoredBase(path: tiny("tiny-bf16")))
    else {
      Issue.record("not refused")
      return
    }
    #expect(
      differences.contains { $0.hasPrefix("hidden ") } && differences.contains { $0.hasPrefix("layers 2") })
    #expect(differences.contains { $0.hasPrefix("no layers.") })
    let other = try TestModel.plain(.f32).base
    #expect(
      identity.compare(to: other) == .otherShape(["architecture test, the adapter's base is qwen2"]))
  }

  @Test("one changed weight of an unquantised base is found")
  func oneWeight() throws {
    let identity = try BaseIdentity(of: TestModel.plain(.bf16).base)
    guard let run = identity.sketch.runs.first(where: { identity.sketch.tensors[$0.tensor].isMatrix }) else {
      Issue.record("no matrix")
      return
    }
    let place = run.row * 64 + run.column + 3
    #expect(identity.compare(to: try TestModel.plain(.bf16).base) == .same)
    for type in [SampledElement.f16, .f32] {
      guard
        case .sameInOtherEncoding(let deviation, let types) = identity.compare(
          to: try TestModel.plain(type).base)
      else {
        Issue.record("not recognised")
        continue
      }
      #expect(deviation == 0 && types == [type.type])
    }
    for type in [SampledElement.bf16, .f16, .f32] {
      for change in [Float(1.01), -1, .infinity, .nan] {
        let other = TestModel.plain(type, edit: { $0[place] = ($0[place] + 0.125) * change })
        guard case .otherWeights(let difference) = identity.compare(to: try other.base) else {
          Issue.record("\(change) in \(type) was not noticed")
          continue
        }
        #expect(difference.differing == 1 && difference.worstKind == "layers.*.up.weight")
      }
    }
  }

  @Test("encodings whose rounding is not known leave it undecided")
  func undecided() throws {
    struct Masked: BaseCandidate {
      let base: SimulatedBase
      let share: Int
      var path: String { base.path }
      var architecture: String { base.architecture }
      var dimensions: [String: Int] { base.dimensions }
      var tensors: [BaseTensor] { base.tensors.map(mask) }
      func mask(_ tensor: BaseTensor) -> BaseTensor {
        let isHidden = tensor.isMatrix && tensor.name.utf8.reduce(0) { $0 &+ Int($1) } % 10 < share
        return BaseTensor(
          name: tensor.name, shape: tensor.shape, elementType: isHidden ? .iq2_XXS : tensor.elementType)
      }
      func tensor(_ name: String) -> BaseTensor? { base.tensor(name).map(mask) }
      func values(of tensor: BaseTensor, row: Int, columns: Range<Int>) -> BaseValues {
        base.values(of: tensor, row: row, columns: columns)
      }
      func digest(threads: Int?) throws(AdapterError) -> [UInt8] { zeroDigest }
    }
    let identity = try BaseIdentity(of: SimulatedBase(seed: 1), digest: zeroDigest)
    #expect(
      identity.compare(to: Masked(base: SimulatedBase(seed: 1), share: 10))
        == .undecided(types: [.bf16, .iq2_XXS]))
    // Other vectors are other weights all the same.
    guard case .otherWeights = identity.compare(to: Masked(base: SimulatedBase(seed: 2), share: 10)) else {
      Issue.record("not refused")
      return
    }
    guard case .sameInOtherEncoding = identity.compare(to: Masked(base: SimulatedBase(seed: 1), share: 2))
    else {
      Issue.record("not recognised")
      return
    }
  }

  @Test("exact half precision")
  func exactHalf() {
    for pattern in UInt16.min...UInt16.max { #expect(exactFloat16(float(float16: pattern)) == pattern) }
    for value: Float in [0x1p-25, 0x1.002p0, 65520, 1e-30, 1e30, 0x1.001p-15] {
      #expect(exactFloat16(value) == nil)
    }
  }
}

@Suite("Bytes of a base identity")
struct BaseIdentityBytesTests {
  private let bytes: [UInt8]

  init() throws {
    bytes = try BaseIdentity(of: TestModel.plain(.bf16).base).bytes
  }

  private func refuse(_ bytes: [UInt8], _ text: String, sourceLocation: SourceLocation = #_sourceLocation) {
    do throws(AdapterError) {
      _ = try BaseIdentity(bytes: bytes, file: "a.tina", at: 1000)
      Issue.record("accepted", sourceLocation: sourceLocation)
    } catch {
      #expect(error.description.contains(text), "\(error)", sourceLocation: sourceLocation)
      #expect(error.description.hasPrefix("a.tina: base identity, byte 1"), sourceLocation: sourceLocation)
    }
  }

  private func changed(_ place: Int, _ value: UInt8) -> [UInt8] {
    var copy = bytes
    copy[place] = value
    return copy
  }

  @Test("every truncation and every addition is refused")
  func lengths() {
    for count in bytes.indices { refuse(Array(bytes.prefix(count)), "expected") }
    refuse(bytes + [0], "the end")
    refuse([UInt8](repeating: 1, count: BaseIdentity.maximumByteCount + 1), "at most 131072")
  }

  @Test("no byte, whatever it is, stops the reader; what it accepts is written back as it was")
  func hostile() {
    var accepted = 0
    for place in bytes.indices {
      for bit in 0..<8 {
        let copy = changed(place, bytes[place] ^ 1 << bit)
        guard let identity = try? BaseIdentity(bytes: copy, file: "x") else { continue }
        accepted += 1
        #expect(identity.bytes == copy)
      }
    }
    #expect(accepted > 256)  // the digest's bits are anybody's
  }

  @Test("each rule is checked")
  func rules() throws {
    // version, length of "test", its bytes, digest, 1 dimension, …
    refuse(changed(0, 2), "version 2")
    refuse(changed(1, 0), "length of the architecture")
    refuse(changed(2, 0x20), "letters")
    let dimensions = 2 + 4 + 32
    refuse(changed(dimensions, 33), "number of dimensions")
    let size = dimensions + 1 + 1 + 6
    refuse(Array(bytes[..<size]) + [UInt8](repeating: 0, count: 8) + bytes[(size + 8)...], "0 as a dimension")
    let tensors = size + 8
    #expect(Array(bytes[tensors...].prefix(2)) == [2, 0])
    refuse(changed(tensors + 1, 0xff), "number of tensors")
    let first = tensors + 2
    refuse(changed(first, 0), "length of a tensor's name")
    refuse(changed(first + 1, 0x7f), "UTF-8")
    refuse(changed(first + 1, 0xff), "UTF-8")
    refuse(changed(first + 1, UInt8(ascii: "z")), "ascending order")
    let element = first + 1 + "layers.0.up.weight".utf8.count
    refuse(changed(element, 3), "element type 3")
    refuse(changed(element + 1, 9), "number of sizes")
    refuse(changed(element + 2, 0), "0 as a size")
    refuse(changed(element + 2 + 6, 1), "as a size")
    let huge = littleEndianBytes(UInt64(1) << 40)
    refuse(Array(bytes[..<(element + 2)]) + huge + huge + bytes[(element + 18)...], "2^48")
    let runs = element + 18 + 1 + "norm.weight".utf8.count + 2 + 8
    #expect(Array(bytes[runs...].prefix(2)) == [4, 0])
    refuse(changed(runs, 0), "number of runs")
    refuse(changed(runs + 2, 2), "a tensor's index")
    let skipping = Array(bytes[..<(runs + 2)]) + [1] + [UInt8](repeating: 0, count: 9) + bytes[(runs + 12)...]
    refuse(skipping, "tensor 1 after -1")
    refuse(changed(runs + 4, 40), "40 as a row")
    refuse(changed(runs + 8, 64), "64 as a column")
    refuse(changed(runs + 8, 1), "a multiple of 32")
    var swapped = bytes
    swapped.replaceSubrange((runs + 2)..<(runs + 12), with: bytes[(runs + 12)..<(runs + 22)])
    swapped.replaceSubrange((runs + 12)..<(runs + 22), with: bytes[(runs + 2)..<(runs + 12)])
    refuse(swapped, "ascending order, each once")
    refuse(changed(runs + 2 + 30, 0), "ascending order, each once")
    let values = runs + 2 + 40
    refuse(Array(bytes[..<values]) + [0x80, 0x7f] + bytes[(values + 2)...], "NaN or infinity")
  }
}
