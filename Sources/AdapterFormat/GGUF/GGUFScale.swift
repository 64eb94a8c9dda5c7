import ModelFiles

/// The one alpha of a GGUF adapter, which llama.cpp divides by each pair's rank in single precision.
///
/// For scales that no alpha gives, B is multiplied by a power of two if that changes no digit. Other scales are
/// refused.
struct GGUFScale {
  let alpha: Float
  /// Factors of B by (rank, scale), powers of two; 1 where it is not listed.
  private let factors: [Key: Float]

  private struct Key: Hashable {
    let rank: Int
    let scale: UInt32
  }

  /// The factor of a pair's B.
  func factor(_ pair: LowRankPair) -> Float {
    factors[Key(rank: pair.rank, scale: pair.scale.bitPattern)] ?? 1
  }

  /// - Throws: a violation if no alpha serves all pairs.
  init(_ entries: [AdapterEntry], file: String) throws(AdapterError.Violation) {
    let pairs = entries.compactMap(\.pair)
    var groups: [Key] = []
    for pair in pairs {
      let key = Key(rank: pair.rank, scale: pair.scale.bitPattern)
      if !groups.contains(key) { groups.append(key) }
      guard groups.count <= 64 else { break }
    }
    if let entry = entries.first(where: { $0.pair?.scale == 0 }) {
      throw .init(
        .unsupported("scale"), file: file, place: "module " + quoted(entry.module), found: "a scale of 0",
        expected: "another number: in GGUF an alpha of 0 means a scale of 1")
    }
    // The alphas that can give a group its scale: the nearest float and, because division rounds, its neighbours.
    var candidates: [Float] = pairs.compactMap { $0.alpha.map { Float($0) } }.prefix(1) + []
    for group in groups {
      let nearest = Float(Double(Float(bitPattern: group.scale)) * Double(group.rank))
      candidates += [nearest, nearest.nextUp, nearest.nextDown]
    }
    var best: (alpha: Float, factors: [Key: Float])?
    for alpha in candidates where alpha.isNormal && (best == nil || best?.factors.isEmpty == false) {
      var factors: [Key: Float] = [:]
      let fits = groups.allSatisfy { group in
        let scale = Float(bitPattern: group.scale)
        let given = alpha / Float(group.rank)
        if given == scale { return true }
        let factor = scale / given
        guard factor.isNormal, factor.significand == 1, factor > 0, given * factor == scale else {
          return false
        }
        factors[group] = factor
        return true
      }
      if fits, best.map({ factors.count < $0.factors.count }) ?? true { best = (alpha, factors) }
    }
    guard groups.count <= 64, let best else {
      let listed = groups.prefix(4).map { "\(Float(bitPattern: $0.scale)) at rank \($0.rank)" }
      throw .init(
        .unsupported("alpha_pattern"), file: file,
        found: "modules of different scales: " + listed.joined(separator: ", ")
          + (groups.count > 4 ? " and others" : ""),
        expected: "scales that one alpha divided by the rank gives, up to powers of two: GGUF has one alpha",
        advice: "Convert to .tina or PEFT.")
    }
    alpha = best.alpha
    factors = best.factors
  }

  /// B multiplied by a power of two; nil if a digit is lost.
  static func multiplied(_ b: Tensor, by factor: Float) -> Tensor? {
    if factor == 1 { return b }
    let values = b.floats()
    let products = values.map { $0 * factor }
    let product = Tensor(name: b.name, shape: b.shape, floats: products).converted(to: b.elementType)
    let isExact = zip(product.floats(), values).allSatisfy { $0 / factor == $1 && $0.isFinite }
    return isExact ? product : nil
  }
}
