import ModelFiles

/// Makes the bytes of a .tina file from an archive.
struct TinaEncoder: Sendable {
  let archive: AdapterArchive
  let options: TinaOptions
  /// The bound on each module's error; nil: exact.
  private let maxError: Double?
  private let entries: [AdapterEntry]
  /// Each pair before it was changed, and the error of the change, by number of the entry.
  private let originals: [Int: (pair: LowRankPair, error: Double)]
  private let tensors: [[Tensor]]
  /// Bits of the refinement layers.
  private let bits: [Int]

  init(_ archive: AdapterArchive, _ options: TinaOptions, maxError: Double?) throws(TinaFault) {
    var archive = archive
    archive.entries.sort { $0.precedes($1) }
    self.archive = archive
    self.options = options
    self.maxError = maxError
    entries = archive.entries
    originals = try Self.originals(of: entries, in: options.original)
    tensors = entries.map(\.tinaTensors)
    bits = maxError.map { options.refinementBits ?? Self.refinementBits($0) } ?? []
    if let maxError, !(maxError >= 1e-6 && maxError < 1) {
      throw TinaFault(
        .error, "", found: "a bound of \(maxError) on the error", expected: "1e-6 or more and less than 1",
        advice: "Store the adapter exactly.")
    }
    guard bits.count <= 7, bits.allSatisfy({ $0 >= 1 }), bits.reduce(0, +) <= 8 else {
      throw TinaFault(
        .layers, "", found: "refinement layers of \(bits) bits",
        expected: "at most 7, of at most 8 bits in sum",
        advice: "Ask for fewer layers.")
    }
    guard maxError == nil || (options.seed == nil && options.parent == nil) else {
      throw TinaFault(
        .predictor, "", found: "a seed or a parent for a file that is not exact",
        expected: "one or the other",
        advice: "Differences are exact: leave out the bound on the error.")
    }
  }

  /// The changed pairs as they were before, and the errors of the change.
  private static func originals(
    of entries: [AdapterEntry], in original: AdapterArchive?
  ) throws(TinaFault) -> [Int: (pair: LowRankPair, error: Double)] {
    guard let original else { return [:] }
    let before = Dictionary(
      original.entries.compactMap { entry in entry.pair.map { (entry.module, $0) } },
      uniquingKeysWith: { first, _ in first })
    var originals: [Int: (pair: LowRankPair, error: Double)] = [:]
    for (number, entry) in entries.enumerated() where entry.tinaKind == .lowRank {
      guard let pair = entry.pair, let old = before[entry.module], !AdapterDifference.areEqual(old, pair)
      else { continue }
      guard old.inputCount == pair.inputCount, old.outputCount == pair.outputCount else {
        throw TinaFault(
          .shape, "module " + quoted(entry.module),
          found: "\(pair.outputCount) × \(pair.inputCount)",
          expected: "the original's \(old.outputCount) × \(old.inputCount)", advice: "")
      }
      guard old.isFinite, pair.isFinite else { continue }
      let (distance, norm, _) = LowRankAlgebra.distance(old, pair)
      originals[number] = (old, norm > 0 ? distance / norm : 0)
    }
    return originals
  }

  /// As many layers of two bits as give the first alone an error of about 5 %.
  static func refinementBits(_ error: Double) -> [Int] {
    var total = 0
    while total < 8, error * Double(2 << total) <= 0.051 { total += 1 }
    return total % 2 == 0
      ? [Int](repeating: 2, count: total / 2)
      : total == 1 ? [1] : [3] + [Int](repeating: 2, count: (total - 3) / 2)
  }

  private func isQuantized(_ entry: Int) -> Bool {
    guard maxError != nil, entries[entry].tinaKind == .lowRank else { return false }
    return tensors[entry].allSatisfy { $0.elementType.readsAsFloats }
  }

  /// The parent's tensor, if it has one of the same type and shape.
  private func parentTensor(_ parents: [AdapterEntry], _ entry: Int, _ position: Int) -> Tensor? {
    let its = tensors[entry][position]
    guard its.elementType.readsAsFloats else { return nil }
    let match = parents.first {
      $0.module.utf8.elementsEqual(entries[entry].module.utf8) && $0.tinaKind == entries[entry].tinaKind
        && $0.parameter.utf8.elementsEqual(entries[entry].parameter.utf8)
    }
    guard let other = match?.tinaTensors[position], other.elementType == its.elementType,
      other.shape == its.shape
    else { return nil }
    return other
  }

  func encode() throws(TinaFault) -> TinaWriter.Encoded {
    var parents: [AdapterEntry] = []
    if let parent = options.parent {
      do throws(AdapterError) {
        parents = try parent.archive().entries
      } catch {
        throw TinaFault(.parent, "parent", found: "\(error)", expected: "a valid file")
      }
    }
    let flat = tensors.flatMap { $0 }
    var predictions = [Tensor?](repeating: nil, count: flat.count)
    var predictors = [TinaPredictor](repeating: .none, count: flat.count)
    var number = 0
    for entry in entries.indices {
      for (position, tensor) in tensors[entry].enumerated() {
        if !options.isPlain, maxError == nil {
          if let parent = parentTensor(parents, entry, position) {
            (predictors[number], predictions[number]) = (.parent, parent)
          } else if let seed = options.seed, position == 0, entries[entry].tinaKind == .lowRank,
            tensor.elementType.readsAsFloats, tensor.shape.count == 2
          {
            (predictors[number], predictions[number]) = (
              .seeded,
              SeededInitialization.tensor(
                seed: seed, module: entries[entry].module, shape: tensor.shape, type: tensor.elementType)
            )
          }
        }
        number += 1
      }
    }
    let firsts = tensors.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.count) }
    let rounded = try quantize()
    let plan = TinaPlan(
      entries: entries, tensors: tensors, width: { rounded[$0].map { $0.isWide ? 2 : 1 } },
      isPlain: options.isPlain, predictor: { predictors[firsts[$0] + $1] })
    let blocks = try encode(plan, flat, predictions, rounded)
    var catalog = TinaCatalog()
    catalog.seed = predictors.contains(.seeded) ? options.seed ?? 0 : 0
    catalog.parent = predictors.contains(.parent) ? options.parent?.contentDigest ?? .zero : .zero
    try describe(&catalog, plan, flat, rounded)
    return try assemble(&catalog, blocks)
  }

  /// The integers of each entry that is rounded.
  private func quantize() throws(TinaFault) -> [Int: PairQuantizer.Result] {
    guard let maxError else { return [:] }
    let chosen = entries.indices.filter(isQuantized)
    let quantizer = PairQuantizer(maxError: maxError, bits: bits)
    let results = try inParallel(map: chosen.count, context: {}) {
      (index, _) throws(TinaFault) -> PairQuantizer.Result in
      let entry = entries[chosen[index]]
      guard let pair = entry.pair else { preconditionFailure("only pairs are rounded") }
      for tensor in [pair.a, pair.b] {
        if let element = tensor.firstNonFinite {
          throw TinaFault(
            .scale, "tensor " + quoted(tensor.name),
            found: "a number that is not finite, at element \(element)",
            expected: "finite numbers, to be rounded", advice: "Store the adapter exactly.")
        }
      }
      guard let result = quantizer.quantize(pair, original: originals[chosen[index]]?.pair) else {
        throw TinaFault(
          .error, "module " + quoted(entry.module),
          found: "a bound of \(maxError), which needs integers that are too large",
          expected: "a larger bound", advice: "Store the adapter exactly, or allow a larger error.")
      }
      return result
    }
    return Dictionary(uniqueKeysWithValues: zip(chosen, results))
  }

  /// The blocks of all layers in their order.
  private func encode(
    _ plan: TinaPlan, _ flat: [Tensor], _ predictions: [Tensor?], _ rounded: [Int: PairQuantizer.Result]
  ) throws(TinaFault) -> [EncodedBlock] {
    let encoder = PairEncoder(bits: bits, isPlain: options.isPlain)
    let encoded = try inParallel(map: plan.blocks.count, context: { ZstandardBox() }) {
      (index, zstd) throws(TinaFault) -> [EncodedBlock] in
      switch plan.blocks[index].content {
      case .exact(let numbers, let predictor):
        return [
          EncodedBlock.exact(
            numbers.map { flat[$0] }, isPlain: options.isPlain, predictor: predictor,
            predicted: numbers.map { predictions[$0] }, zstd.encoder)
        ]
      case .pairs(let numbers):
        return encoder.encode(numbers.compactMap { rounded[$0]?.pair }, zstd.encoder)
      }
    }
    return encoded.map { $0[0] }
      + bits.indices.flatMap { layer in encoded.filter { $0.count > 1 }.map { $0[layer + 1] } }
  }

  private func describe(
    _ catalog: inout TinaCatalog, _ plan: TinaPlan, _ flat: [Tensor],
    _ rounded: [Int: PairQuantizer.Result]
  ) throws(TinaFault) {
    var (noise, signal) = ([Double](repeating: 0, count: bits.count + 1), 0.0)
    catalog.layers = (0...bits.count).map {
      .init(end: 0, bits: $0 == 0 ? 0 : bits[$0 - 1], worstError: 0, totalError: 0)
    }
    for (number, entry) in entries.enumerated() {
      let first = catalog.tensors.count
      let result = rounded[number]
      let original = originals[number]
      let errors = result?.errors ?? [Double](repeating: original?.error ?? 0, count: bits.count + 1)
      for tensor in tensors[number] {
        catalog.tensors.append(
          .init(
            elementType: result == nil ? tensor.elementType : .f32, shape: tensor.shape,
            block: plan.blockOfTensor[catalog.tensors.count], entry: number))
      }
      catalog.entries.append(
        entry.record(errors: errors.map { Float($0) }, tensors: first..<catalog.tensors.count))
      for (layer, error) in errors.enumerated() {
        catalog.layers[layer].worstError = max(catalog.layers[layer].worstError, Float(error))
      }
      guard let pair = original?.pair ?? entry.pair, maxError != nil || !originals.isEmpty else { continue }
      let norm = (result?.norm ?? LowRankAlgebra.norm(pair.unscaled)) * Double(pair.scale)
      guard norm.isFinite else { continue }
      signal += norm * norm
      for (layer, error) in errors.enumerated() { noise[layer] += error * norm * error * norm }
    }
    for layer in catalog.layers.indices where signal > 0 {
      catalog.layers[layer].totalError = Float((noise[layer] / signal).squareRoot())
    }
    catalog.contentDigest = try contentDigest(catalog, flat, rounded)
  }

  private func contentDigest(
    _ catalog: TinaCatalog, _ flat: [Tensor], _ rounded: [Int: PairQuantizer.Result]
  ) throws(TinaFault) -> ContentDigest {
    let records = catalog.tensors
    let digests = try inParallel(map: records.count, context: {}) { (number, _) -> ContentDigest in
      guard let result = rounded[records[number].entry] else {
        return unsafe flat[number].bytes.withUnsafeBytes { unsafe ContentDigest.of($0) }
      }
      let isA = number == catalog.entries[records[number].entry].tensors.lowerBound
      let floats = isA ? result.pair.floatsA() : result.pair.floatsB()
      return unsafe floats.withUnsafeBytes { unsafe ContentDigest.of($0) }
    }
    var hash = ContentHash()
    for entry in catalog.entries {
      for (position, number) in entry.tensors.enumerated() {
        hash.append(
          entry, position: position, type: records[number].elementType, shape: records[number].shape,
          digest: digests[number])
      }
    }
    return hash.digest
  }
}

/// A compressor in a reference, for closures.
@safe final class ZstandardBox {
  let encoder = Zstandard.Encoder()
}

extension LowRankPair {
  /// The pair with a scale of 1.
  fileprivate var unscaled: LowRankPair {
    LowRankPair(a: a, b: b, scale: 1)
  }
}

extension IntegerPair {
  /// A as decoded, `[rank, in]`.
  public func floatsA() -> [Float] {
    var out = [Float](repeating: 0, count: a.count)
    for c in 0..<rank {
      let h = Self.split(scales[c]).a
      for j in c * inputCount..<(c + 1) * inputCount { out[j] = h * Float(a[j]) }
    }
    return out
  }

  /// B as decoded, `[out, rank]`.
  public func floatsB() -> [Float] {
    var out = [Float](repeating: 0, count: b.count)
    for c in 0..<rank {
      let factor = Self.split(scales[c]).b
      for i in 0..<outputCount { out[i * rank + c] = factor * Float(b[c * outputCount + i]) }
    }
    return out
  }
}
