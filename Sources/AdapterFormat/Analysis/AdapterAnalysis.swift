import Foundation
public import ModelFiles

/// What one low-rank pair does to its layer, measured.
public struct PairAnalysis: Sendable {
  /// The module's name.
  public let module: String
  /// The entry's kind: `lowrank`, `convolution` or `embedding`.
  public let kind: String
  /// Inner dimension.
  public let rank: Int
  /// Inputs of the layer.
  public let inputCount: Int
  /// Outputs of the layer.
  public let outputCount: Int
  /// The final factor.
  public let scale: Float
  /// How A and B are stored.
  public let elementTypes: [ElementType]
  /// Size of both factors as plain elements.
  public let byteCount: Int
  /// Singular values of ΔW, the largest first; nil if a number is not finite.
  public let singularValues: [Double]?

  /// Frobenius norm of ΔW; nil if a number is not finite.
  public var norm: Double? {
    singularValues.map { values in
      let matrix = ColumnMatrix(rows: values.count, columns: 1, values: values)
      return matrix.frobeniusNorm
    }
  }

  /// How many directions ΔW really uses: the exponential of the entropy of its singular values, each divided by
  /// their sum (Roy and Vetterli, 2007). 0 if ΔW is zero, nil if a number is not finite.
  public var effectiveRank: Double? {
    singularValues.map { values in
      let sum = values.reduce(0, +)
      guard sum > 0 else { return 0 }
      return exp(
        -values.reduce(0) { total, value in
          let share = value / sum
          return share > 0 ? total + share * log(share) : total
        })
    }
  }
}

extension AdapterArchive {
  /// Analyses every low-rank pair, in the order of ``entries``, on all cores.
  public func analyzePairs() -> [PairAnalysis] {
    let pairs = entries.compactMap { entry in entry.pair.map { (entry, $0) } }
    return mapInParallel(pairs.count) { index in
      let (entry, pair) = pairs[index]
      return PairAnalysis(
        module: entry.module, kind: entry.kind, rank: pair.rank, inputCount: pair.inputCount,
        outputCount: pair.outputCount, scale: pair.scale,
        elementTypes: [pair.a.elementType, pair.b.elementType],
        byteCount: pair.a.byteRange.count + pair.b.byteRange.count,
        singularValues: pair.isFinite ? LowRankAlgebra.singularValues(pair) : nil)
    }
  }
}

/// What a function returns for 0..<count, computed on all cores.
func mapInParallel<Result: Sendable>(_ count: Int, _ body: @Sendable (Int) -> Result) -> [Result] {
  do throws(TinaFault) {
    return try inParallel(map: count, context: { () }) { (index, _) throws(TinaFault) in body(index) }
  } catch {
    preconditionFailure("a fault of a body that throws none")
  }
}

extension AdapterArchive {
  /// Every tensor of F32, F16 or BF16 that holds an infinity or NaN.
  public func nonFinite(path: String) -> [AdapterError.Violation] {
    entries.flatMap { entry in
      zip(entry.tensors, entry.peftNames).compactMap { tensor, name in
        guard tensor.elementType.readsAsFloats, let index = tensor.firstNonFinite else {
          return nil
        }
        return AdapterError.Violation(
          .badTensor, file: path, place: "tensor " + quoted(name),
          found: "a number that is not finite, at element \(index)", expected: "finite numbers",
          advice: "Training diverged: use an earlier checkpoint.")
      }
    }
  }
}
