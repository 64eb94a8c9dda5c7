public import ModelFiles

/// The result of comparing an identity with a base (spec/base-identity.md, section 6).
public enum BaseComparison: Sendable, Equatable {
  /// The sampled weights are equal, in the same element types.
  case same
  /// They are the same weights in another encoding; `deviation` is the relative size of its rounding.
  case sameInOtherEncoding(deviation: Double, types: [ElementType])
  /// They are other weights in the same shape.
  case otherWeights(BaseDifference)
  /// The base has another shape; every difference, one sentence fragment each.
  case otherShape([String])
  /// Too much of the base is of types whose rounding is not known.
  case undecided(types: [ElementType])
}

/// The distance of two bases of one shape, by the sampled weights.
public struct BaseDifference: Sendable, Equatable, CustomStringConvertible {
  /// Size of the difference relative to the weights, over the sampled matrices.
  public let distance: Double
  /// The kind of tensor where it is largest: `layers.*.mlp.up_proj.weight`.
  public let worstKind: String
  /// The same as ``distance`` over that kind.
  public let worstDistance: Double
  /// Sampled weights that were compared.
  public let compared: Int
  /// How many of them differ by more than their encodings explain.
  public let differing: Int

  /// One fragment for messages.
  public var description: String {
    "\(differing) of \(compared) sampled weights differ by more than their encodings explain; in all they are "
      + percent(distance) + " apart, most in " + worstKind + " (" + percent(worstDistance) + ")"
  }

  private func percent(_ share: Double) -> String {
    guard share.isFinite else { return "infinitely far" }
    let value = share * 100
    let digits = value >= 10 ? 0 : value >= 0.1 ? 2 : 5
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    return "\((value * scale).rounded() / scale) %"
  }
}

extension BaseIdentity {
  /// Tells whether `candidate` is this base; reads only the sampled weights.
  public func compare(to candidate: some BaseCandidate) -> BaseComparison {
    let differences = shapeDifferences(candidate)
    guard differences.isEmpty else { return .otherShape(differences) }

    var tally = Tally()
    var types: Set<ElementType> = []
    for run in sketch.runs {
      let sampled = sketch.tensors[run.tensor]
      guard let tensor = candidate.tensor(sampled.name) else { continue }  // shapeDifferences() found it
      types.insert(tensor.elementType)
      let columns = run.column..<(run.column + run.values.count)
      tally.total(run.values.count, isMatrix: sampled.isMatrix)
      guard tensor.elementType.isJudged else { continue }
      let found = candidate.values(of: tensor, row: run.row, columns: columns)
      tally.add(run.values, sampled, found, as: tensor.elementType)
    }
    let sorted = types.sorted { $0.rawValue < $1.rawValue }
    if let difference = tally.difference { return .otherWeights(difference) }
    if !tally.isDecided { return .undecided(types: sorted) }
    let isSame = sketch.tensors.allSatisfy { candidate.tensor($0.name)?.elementType == $0.element.type }
    return isSame ? .same : .sameInOtherEncoding(deviation: tally.distance, types: sorted)
  }

  private func shapeDifferences(_ candidate: some BaseCandidate) -> [String] {
    guard architecture.utf8.elementsEqual(candidate.architecture.utf8) else {
      return ["architecture \(candidate.architecture), the adapter's base is \(architecture)"]
    }
    var differences: [String] = []
    for dimension in dimensions {
      guard let found = candidate.dimensions[dimension.name], found != dimension.value else { continue }
      differences.append("\(dimension.name) \(found), the adapter's base has \(dimension.value)")
    }
    for sampled in sketch.tensors {
      guard let tensor = candidate.tensor(sampled.name) else {
        differences.append("no \(sampled.name), the adapter's base has it with shape \(sampled.shape)")
        continue
      }
      guard tensor.shape != sampled.shape else { continue }
      differences.append("\(sampled.name) \(tensor.shape), the adapter's base has \(sampled.shape)")
    }
    return differences
  }
}

/// Sums of a comparison.
private struct Tally {
  /// Over one set of values.
  struct Sums {
    var count = 0
    var squares = 0.0
    var reference = 0.0
    /// Of the values in quantised matrices.
    var quantisedCount = 0
    var spread = 0.0

    var distance: Double { squares == 0 ? 0 : (squares / reference).squareRoot() }

    /// Whether quantisation explains the deviations: uniform ones have a mean square of 1/12.
    var isExplained: Bool {
      guard quantisedCount > 0 else { return true }
      let n = Double(quantisedCount)
      return spread / n <= 0.095 + 0.5 / n.squareRoot()
    }

    mutating func add(_ other: Sums) {
      count += other.count
      squares += other.squares
      reference += other.reference
      quantisedCount += other.quantisedCount
      spread += other.spread
    }
  }

  private var kinds: [String: (isMatrix: Bool, sums: Sums)] = [:]
  private var differing = 0
  private var isBroken = false
  private var wanted = (matrices: 0, vectors: 0)

  mutating func total(_ count: Int, isMatrix: Bool) {
    if isMatrix { wanted.matrices += count } else { wanted.vectors += count }
  }

  mutating func add(
    _ sampled: [Float], _ tensor: BaseSketch.SampledTensor, _ found: BaseValues, as type: ElementType
  ) {
    let source = tensor.element
    let target = SampledElement(type)
    var sums = Sums()
    for i in sampled.indices {
      let w = Double(sampled[i])
      let c = Double(found.values[i])
      let deviation = abs(w - c)
      sums.count += 1
      sums.squares += c.isFinite ? deviation * deviation : .infinity
      sums.reference += w * w
      let half = source.halfSpacing(w)
      if let target {
        var tolerance = 0x1p-25
        let offset = Double(found.storedOffset)
        if target != source || offset != 0 { tolerance += half + target.halfSpacing(c + offset) }
        if !(deviation <= tolerance) {
          differing += 1
          isBroken = true
        }
      } else {
        let u = deviation / (found.widths[i] + 2 * half)
        let square = u < 1 ? u * u : 1
        sums.quantisedCount += 1
        sums.spread += square
        if !(u <= 0.5) { differing += 1 }
      }
    }
    let kind = BaseSketch.kind(of: tensor.name)
    kinds[kind, default: (tensor.isMatrix, Sums())].sums.add(sums)
  }

  private func sum(matrices: Bool) -> Sums {
    var all = Sums()
    for kind in kinds.values where kind.isMatrix == matrices { all.add(kind.sums) }
    return all
  }

  var distance: Double {
    let matrices = sum(matrices: true)
    return matrices.count > 0 ? matrices.distance : sum(matrices: false).distance
  }

  var isDecided: Bool {
    let matrices = sum(matrices: true).count
    let vectors = sum(matrices: false).count
    return wanted.matrices > 0
      ? 2 * matrices >= wanted.matrices : 2 * (matrices + vectors) >= wanted.matrices + wanted.vectors
  }

  /// Nil if everything is explained.
  var difference: BaseDifference? {
    var all = sum(matrices: true)
    let isExplained = all.isExplained && kinds.values.allSatisfy { $0.sums.isExplained }
    guard isBroken || !isExplained else { return nil }
    all.add(sum(matrices: false))
    let worst = kinds.max { ($0.value.sums.distance, $1.key) < ($1.value.sums.distance, $0.key) }
    return BaseDifference(
      distance: distance, worstKind: worst?.key ?? "", worstDistance: worst?.value.sums.distance ?? 0,
      compared: all.count, differing: differing)
  }
}

extension ElementType {
  /// Whether the rounding of the type is known, so that a comparison can judge its values.
  fileprivate var isJudged: Bool {
    readsAsFloats || [.q8_0, .q4_0, .q4_1, .q5_0, .q5_1, .q4_K, .q5_K, .q6_K].contains(self)
  }
}
