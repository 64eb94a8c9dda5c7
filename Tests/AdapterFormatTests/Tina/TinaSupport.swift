import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import AdapterFormat

/// A tensor of random bits: every NaN, denormal and infinity comes up.
func randomTensor(_ type: ElementType, _ shape: [Int], _ random: inout SeededGenerator) -> Tensor {
  let count = shape.reduce(1, *) * type.bitSize / 8
  return Tensor(name: "t", elementType: type, shape: shape, memory: OwnedBytes(random.bytes(count)))
}

/// A pair as training leaves it: A uniform, B normal with components of falling strength.
func trainedPair(rank: Int, input: Int, output: Int, _ random: inout SeededGenerator) -> LowRankPair {
  let bound = 1 / Float(input).squareRoot()
  let a = (0..<rank * input).map { _ in Float.random(in: -bound...bound, using: &random) }
  let b = (0..<output * rank).map { 0.002 * random.normal() / Float(1 + $0 % rank) }
  return LowRankPair(
    a: Tensor(name: "a", shape: [rank, input], floats: a),
    b: Tensor(name: "b", shape: [output, rank], floats: b),
    scale: 2, scaleOrigin: .alphaOverRank, alpha: Double(2 * rank))
}

func pairEntry(_ module: String, _ pair: LowRankPair) -> AdapterEntry {
  AdapterEntry(module: module, path: "model." + module, content: .lowRank(pair))
}

/// An adapter of a few trained pairs.
func trainedArchive(
  pairs: Int = 4, rank: Int = 4, input: Int = 48, output: Int = 40, seed: UInt64 = 1
) -> AdapterArchive {
  var random = SeededGenerator(seed)
  return AdapterArchive(
    entries: (0..<pairs).map {
      pairEntry("layers.\($0).q_proj", trainedPair(rank: rank, input: input, output: output, &random))
    }, baseModelName: "someone/base")
}

/// An adapter with every kind of entry.
func everyKind(_ random: inout SeededGenerator) throws -> AdapterArchive {
  func pair(_ a: [Int], _ b: [Int], _ type: ElementType = .f32) -> LowRankPair {
    LowRankPair(
      a: randomTensor(type, a, &random), b: randomTensor(.bf16, b, &random), scale: 0.1, scaleOrigin: .stated,
      alpha: nil)
  }
  var entries: [AdapterEntry] = []
  entries.append(pairEntry("layers.0.k_proj", pair([2, 5], [3, 2])))
  entries.append(
    .init(module: "conv", path: "conv", content: .convolution(pair([2, 3, 3, 3], [4, 2, 1, 1]))))
  entries.append(
    .init(module: "embed", path: "model.embed", content: .embedding(pair([2, 9], [5, 2], .f16))))
  entries.append(
    .init(module: "layers.0.k_proj", path: "p", content: .magnitude(randomTensor(.f32, [3], &random))))
  entries.append(
    .init(
      module: "layers.0.k_proj", path: "p", content: .pairBias(randomTensor(.f16, [3], &random), scale: -3)))
  entries.append(
    .init(module: "layers.10.k_proj", path: "p", content: .bias(randomTensor(.f64, [3], &random))))
  entries.append(
    .init(
      module: "embed", path: "model.embed",
      content: .rows(randomTensor(.bf16, [3, 5], &random), ids: [7, 1, 1 << 40])))
  entries.append(
    .init(module: "embed", path: "q", content: .rows(randomTensor(.bf16, [2, 5], &random), ids: [])))
  entries.append(
    .init(
      module: "head", path: "lm_head",
      content: .full(randomTensor(.i8, [7, 3], &random), parameter: "weight"),
      tensorNames: ["odd.na\"me"]))
  entries.append(
    .init(
      module: "head", path: "lm_head", content: .full(randomTensor(.u64, [], &random), parameter: "number")))
  let training = try JSON.parse(Array(#"{"step":7,"e":1e400,"é":[null,true]}"#.utf8), file: "").object
  return AdapterArchive(
    entries: entries, configuration: try JSON.parse(Array(#"{"z":1,"a":{"b":[]}}"#.utf8), file: "").object,
    tensorMetadata: [("format", "pt"), ("a", "\u{1}\n\"é")], baseModelName: "./somewhere", training: training)
}

func bytes(of tensor: Tensor) -> [UInt8] { unsafe tensor.bytes.withUnsafeBytes { unsafe Array($0) } }

func contents(_ path: String) -> [UInt8] {
  FileManager.default.contents(atPath: path).map { [UInt8]($0) } ?? []
}

/// Expects two archives to hold the same, bit for bit.
func expectSame(_ a: AdapterArchive, _ b: AdapterArchive, sourceLocation: SourceLocation = #_sourceLocation) {
  #expect(a.entries.count == b.entries.count, sourceLocation: sourceLocation)
  for (x, y) in zip(a.entries, b.entries) {
    let place = "\(x.module) \(x.kind)"
    #expect(x.module == y.module && x.path == y.path && x.kind == y.kind, sourceLocation: sourceLocation)
    #expect(
      x.tensorNames == y.tensorNames && x.parameter == y.parameter, "\(place)", sourceLocation: sourceLocation
    )
    #expect(x.pair?.scale == y.pair?.scale && x.pair?.alpha == y.pair?.alpha, sourceLocation: sourceLocation)
    #expect(x.pair?.scaleOrigin == y.pair?.scaleOrigin, "\(place)", sourceLocation: sourceLocation)
    if case .rows(_, let ids) = x.content, case .rows(_, let its) = y.content {
      #expect(ids == its, "\(place)", sourceLocation: sourceLocation)
    }
    if case .pairBias(_, let scale) = x.content, case .pairBias(_, let its) = y.content {
      #expect(scale == its, "\(place)", sourceLocation: sourceLocation)
    }
    for (s, t) in zip(x.tensors, y.tensors) {
      #expect(
        s.elementType == t.elementType && s.shape == t.shape, "\(place)", sourceLocation: sourceLocation)
      #expect(bytes(of: s) == bytes(of: t), "\(place)", sourceLocation: sourceLocation)
    }
  }
  #expect(a.configuration?.text == b.configuration?.text, sourceLocation: sourceLocation)
  #expect(a.training?.text == b.training?.text, sourceLocation: sourceLocation)
  #expect(a.baseModelName == b.baseModelName, sourceLocation: sourceLocation)
  #expect(
    a.tensorMetadata.map { $0.key + "=" + $0.value } == b.tensorMetadata.map { $0.key + "=" + $0.value },
    sourceLocation: sourceLocation)
}

extension JSONObject {
  fileprivate var text: String { JSONValue.object(self).text() }
}

/// The rule that opening and decoding a file breaks, or nil if it is accepted.
func brokenRule(_ path: String, layers: Int? = nil, parents: [String] = []) -> TinaRule? {
  do throws(AdapterError) {
    _ = try TinaFile(path: path, layers: layers, parents: parents).archive()
    return nil
  } catch {
    if case .tina(let rule) = error.violations[0].kind { return rule }
    Issue.record("\(error)")
    return nil
  }
}
