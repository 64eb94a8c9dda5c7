import CKernels

/// What became of one module's change ΔW when W + ΔW was rounded to W'.
///
/// W is the base's weight in the output's element type: what the output would hold without adapters.
public struct ModuleMeasure: Sendable, Equatable {
  /// The module: `layers.3.self_attn.q_proj`.
  public let name: String
  /// Σ ΔW².
  public internal(set) var deltaSquares = 0.0
  /// ⟨W' − W, ΔW⟩.
  public internal(set) var product = 0.0
  /// Σ (W' − W − ΔW)².
  public internal(set) var errorSquares = 0.0
  /// Number of weights.
  public internal(set) var count = 0
  /// Weights with W' ≠ W.
  public internal(set) var changed = 0

  init(name: String) { self.name = name }

  /// The part of ΔW that survived, ⟨W' − W, ΔW⟩ / ‖ΔW‖²; nil if ΔW is zero.
  public var survived: Double? { deltaSquares > 0 ? product / deltaSquares : nil }
  /// ‖W' − W − ΔW‖ / ‖ΔW‖; nil if ΔW is zero.
  public var error: Double? { deltaSquares > 0 ? (errorSquares / deltaSquares).squareRoot() : nil }
  /// The root of the mean of ΔW².
  public var deltaRMS: Double { count > 0 ? (deltaSquares / Double(count)).squareRoot() : 0 }
  /// The share of weights with W' ≠ W.
  public var changedShare: Double { count > 0 ? Double(changed) / Double(count) : 0 }

  mutating func add(_ sums: tk_merge_sums) {
    deltaSquares += sums.delta2
    product += sums.product
    errorSquares += sums.error2
    count += Int(sums.count)
    changed += Int(sums.changed)
  }

  mutating func add(_ other: ModuleMeasure) {
    deltaSquares += other.deltaSquares
    product += other.product
    errorSquares += other.errorSquares
    count += other.count
    changed += other.changed
  }
}

extension Sequence where Element == ModuleMeasure {
  /// All modules as one.
  var total: ModuleMeasure {
    reduce(into: ModuleMeasure(name: "all modules")) { $0.add($1) }
  }

  /// Where least survived; nil if no module changes.
  var worst: ModuleMeasure? {
    self.filter { $0.survived != nil }.min { ($0.survived ?? 1) < ($1.survived ?? 1) }
  }

  /// Where less than half survived.
  var lost: [ModuleMeasure] { self.filter { ($0.survived ?? 1) < 0.5 } }
}
