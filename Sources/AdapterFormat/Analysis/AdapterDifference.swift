import ModelFiles

/// A comparison of two adapters by the changes that they make, independent of their formats.
public struct AdapterDifference: Sendable {
  /// How near two things are.
  public enum Verdict: String, Sendable, Comparable {
    /// Exactly equal: the same products of the same numbers.
    case same
    /// As near as the rounding of the coarser element type explains.
    case rounding
    /// Further apart.
    case different

    /// `same` is less than `rounding`, and that less than `different`.
    public static func < (a: Verdict, b: Verdict) -> Bool { a.order < b.order }

    private var order: Int {
      switch self {
      case .same: 0
      case .rounding: 1
      case .different: 2
      }
    }
  }

  /// One entry in both adapters, or in one.
  public struct Item: Sendable {
    /// The module.
    public let module: String
    /// The kind of entry.
    public let kind: String
    /// How near the two are.
    public let verdict: Verdict
    /// ‖ΔW₁ − ΔW₂‖, Frobenius; of the tensors, for entries other than pairs. Nil if not comparable.
    public let distance: Double?
    /// ‖ΔW‖ of the first and the second; nil where it is not there or not comparable.
    public let norms: [Double?]
    /// The relative distance below which rounding explains it.
    public let tolerance: Double
    /// What the distance cannot tell: an entry of one adapter alone, or other shapes.
    public let remark: String?

    /// The distance relative to the larger norm; nil if it is not comparable.
    public var relative: Double? {
      guard let distance else { return nil }
      let largest = norms.compactMap(\.self).max() ?? 0
      return largest > 0 ? distance / largest : distance == 0 ? 0 : nil
    }
  }

  /// The entries in canonical order.
  public let items: [Item]

  /// The worst of the items' verdicts.
  public var verdict: Verdict { items.map(\.verdict).max() ?? .same }

  /// The distance over all comparable items, relative to the larger norm; nil if an item is not comparable.
  public var relative: Double? {
    var (distance, first, second) = (0.0, 0.0, 0.0)
    for item in items {
      guard let its = item.distance else { return nil }
      distance += its * its
      first += (item.norms[0] ?? 0) * (item.norms[0] ?? 0)
      second += (item.norms[1] ?? 0) * (item.norms[1] ?? 0)
    }
    let largest = max(first, second)
    return largest > 0 ? (distance / largest).squareRoot() : 0
  }

  /// Compares two adapters entry by entry, on all cores.
  public init(_ first: AdapterArchive, _ second: AdapterArchive) {
    var partners: [String: AdapterEntry] = [:]
    for entry in second.entries { partners[Self.key(entry)] = entry }
    var tasks: [(AdapterEntry?, AdapterEntry?)] = first.entries.map { entry in
      (entry, partners.removeValue(forKey: Self.key(entry)))
    }
    tasks += second.entries.filter { partners[Self.key($0)] != nil }.map { (nil, $0) }
    items = mapInParallel(tasks.count) { [tasks] in Self.compare(tasks[$0].0, tasks[$0].1) }
  }

  private static func key(_ entry: AdapterEntry) -> String {
    var parameter = ""
    if case .full(_, let name) = entry.content { parameter = name }
    return entry.kind + "\u{0}" + entry.module + "\u{0}" + parameter
  }

  private static func compare(_ first: AdapterEntry?, _ second: AdapterEntry?) -> Item {
    guard let entry = first ?? second else { preconditionFailure("nothing to compare") }
    let tolerance = tolerance([first, second].compactMap(\.self))
    func item(
      _ verdict: Verdict, distance: Double?, norms: [Double?], remark: String? = nil
    ) -> Item {
      Item(
        module: entry.module, kind: entry.kind, verdict: verdict, distance: distance, norms: norms,
        tolerance: tolerance, remark: remark)
    }
    guard let first, let second else {
      let place = first == nil ? "second" : "first"
      guard let pair = entry.pair, pair.isFinite else {
        return item(.different, distance: nil, norms: [nil, nil], remark: "only in the \(place)")
      }
      let norm = LowRankAlgebra.norm(pair)
      return item(
        norm == 0 ? .same : .different, distance: norm, norms: first == nil ? [0, norm] : [norm, 0],
        remark: "only in the \(place)" + (norm == 0 ? ", and zero" : ""))
    }
    if let a = first.pair, let b = second.pair {
      guard a.inputCount == b.inputCount, a.outputCount == b.outputCount else {
        return item(
          .different, distance: nil, norms: [nil, nil],
          remark: "shapes [\(a.outputCount), \(a.inputCount)] and [\(b.outputCount), \(b.inputCount)]")
      }
      guard a.isFinite, b.isFinite else {
        return item(.different, distance: nil, norms: [nil, nil], remark: "numbers that are not finite")
      }
      if areEqual(a, b) {
        let norm = LowRankAlgebra.norm(a)
        return item(.same, distance: 0, norms: [norm, norm])
      }
      let (distance, norm1, norm2) = LowRankAlgebra.distance(a, b)
      let limit = tolerance * max(norm1, norm2)
      return item(distance <= limit ? .rounding : .different, distance: distance, norms: [norm1, norm2])
    }
    return compare(first.tensors[0], second.tensors[0], first, second, item)
  }

  private static func compare(
    _ a: Tensor, _ b: Tensor, _ first: AdapterEntry, _ second: AdapterEntry,
    _ item: (Verdict, Double?, [Double?], String?) -> Item
  ) -> Item {
    guard a.shape == b.shape else {
      return item(.different, nil, [nil, nil], "shapes \(a.shape) and \(b.shape)")
    }
    if case .rows(_, let ids) = first.content, case .rows(_, let others) = second.content, ids != others {
      return item(.different, nil, [nil, nil], "rows of other tokens")
    }
    if case .pairBias(_, let scale) = first.content, case .pairBias(_, let other) = second.content,
      scale != other
    {
      return item(.different, nil, [nil, nil], "scales \(scale) and \(other)")
    }
    guard a.elementType.readsAsFloats, b.elementType.readsAsFloats else {
      let isSame = a.elementType == b.elementType && haveEqualBytes(a, b)
      return item(
        isSame ? .same : .different, isSame ? 0 : nil, [nil, nil],
        isSame ? nil : "types \(a.elementType.rawValue) and \(b.elementType.rawValue)")
    }
    let (x, y) = (a.floats(), b.floats())
    guard x.allSatisfy(\.isFinite), y.allSatisfy(\.isFinite) else {
      let isSame = zip(x, y).allSatisfy { $0.bitPattern == $1.bitPattern }
      return item(
        isSame ? .same : .different, isSame ? 0 : nil, [nil, nil],
        isSame ? nil : "numbers that are not finite")
    }
    func norm(_ values: [Double]) -> Double {
      ColumnMatrix(rows: values.count, columns: 1, values: values).frobeniusNorm
    }
    let norms = [norm(x.map { Double($0) }), norm(y.map { Double($0) })]
    let distance = norm(zip(x, y).map { Double($0) - Double($1) })
    let limit = tolerance([first, second]) * max(norms[0], norms[1])
    return item(distance == 0 ? .same : distance <= limit ? .rounding : .different, distance, norms, nil)
  }

  /// Whether A is the same, and scale · B is, number by number: then ΔW is the same exactly.
  static func areEqual(_ a: LowRankPair, _ b: LowRankPair) -> Bool {
    guard a.a.shape == b.a.shape, a.b.shape == b.b.shape else { return false }
    guard haveEqualBytes(a.a, b.a) || a.a.floats() == b.a.floats() else { return false }
    if a.scale == b.scale, haveEqualBytes(a.b, b.b) { return true }
    // The product of two floats is exact in double precision.
    return zip(a.b.floats(), b.b.floats()).allSatisfy {
      Double($0) * Double(a.scale) == Double($1) * Double(b.scale)
    }
  }

  private static func haveEqualBytes(_ a: Tensor, _ b: Tensor) -> Bool {
    guard a.elementType == b.elementType, a.byteRange.count == b.byteRange.count else { return false }
    return unsafe a.bytes.withUnsafeBytes { x in
      unsafe b.bytes.withUnsafeBytes { y in unsafe x.elementsEqual(y) }
    }
  }

  /// One unit in the last place of the coarsest type on either side: rounding both factors stays below it. For
  /// F32 eight units, because programs multiply, rotate and round again in that precision.
  private static func tolerance(_ entries: [AdapterEntry]) -> Double {
    let types = entries.flatMap { $0.tensors.map(\.elementType) }
    if types.contains(.bf16) { return 0x1p-8 }
    return types.contains(.f16) ? 0x1p-11 : 0x1p-20
  }
}
