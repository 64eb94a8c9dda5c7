import Foundation

/// A rotary embedding: its base, and how its frequencies are scaled for long contexts.
public struct Rotary: Sendable, Hashable {
  /// How frequencies are scaled.
  public enum Scaling: Sendable, Hashable {
    /// Not at all.
    case none
    /// All divided by a factor.
    case linear(factor: Double)
    /// Llama 3's: slow frequencies divided by a factor, fast ones kept, a ramp between.
    case llama3(factor: Double, low: Double, high: Double, original: Int)
    /// YaRN's ramp between both; `attention` multiplies cosines and sines. `truncates` ends the ramp at whole numbers.
    case yarn(
      factor: Double, original: Int, attention: Double, betaFast: Double, betaSlow: Double, truncates: Bool)
    /// Each divided by a number of its own, from a GGUF file.
    case divided([Float])
  }

  /// Base of the frequencies.
  public var base: Double
  /// How they are scaled.
  public var scaling = Scaling.none

  /// Multiplies cosines and sines.
  package var attentionFactor: Float {
    if case .yarn(_, _, let attention, _, _, _) = scaling { Float(attention) } else { 1 }
  }

  /// YaRN's own attention factor.
  static func yarnAttention(_ factor: Double, _ scale: Double = 1) -> Double {
    factor <= 1 ? 1 : 0.1 * scale * log(factor) + 1
  }

  /// The angle by which each pair of a head of `width` elements turns a position, in transformers' arithmetic.
  package func frequencies(width: Int) -> [Float] {
    let half = width / 2
    let powers = (0..<half).map { powf(Float(base), Float(2 * $0) / Float(width)) }
    let plain = powers.map { 1 / $0 }
    switch scaling {
    case .none: return plain
    case .linear(let factor): return plain.map { $0 / Float(factor) }
    case .divided(let divisors): return zip(plain, divisors).map { $0 / $1 }
    case .llama3(let factor, let low, let high, let original):
      let context = Float(original)
      return plain.map { frequency in
        let length = 2 * Float.pi / frequency
        if length > context / Float(low) { return frequency / Float(factor) }
        if length < context / Float(high) { return frequency }
        let smooth = (context / length - Float(low)) / (Float(high) - Float(low))
        return (1 - smooth) * frequency / Float(factor) + smooth * frequency
      }
    case .yarn(let factor, let original, _, let betaFast, let betaSlow, let truncates):
      func place(_ turns: Double) -> Double {
        Double(width) * log(Double(original) / (turns * 2 * .pi)) / (2 * log(base))
      }
      var (low, high) = (place(betaFast), place(betaSlow))
      if truncates { (low, high) = (low.rounded(.down), high.rounded(.up)) }
      low = max(low, 0)
      high = min(high, Double(width - 1))
      if low == high { high += 0.001 }
      return powers.indices.map { j in
        let ramp = min(max((Float(j) - Float(low)) / Float(high - low), 0), 1)
        let kept = 1 - ramp
        return 1 / (Float(factor) * powers[j]) * (1 - kept) + plain[j] * kept
      }
    }
  }
}

extension Settings {
  /// The rotary embedding that `rope_parameters` (transformers 5) or `rope_theta` and `rope_scaling` (4) describe.
  ///
  /// - Parameters:
  ///   - theta: the base where no key names one.
  ///   - positions: `max_position_embeddings`, for an absent `original_max_position_embeddings`.
  func rotary(theta: Double, positions: Int) throws(ModelFilesError) -> Rotary {
    var rotary = Rotary(base: try number("rope_theta", Rotary.bases) ?? theta)
    for key in ["rope_scaling", "rope_parameters"] {
      guard let value = self[key] else { continue }
      guard let object = value.object else { throw bad(key, expected: "an object or null") }
      let rope = Settings(file: file, object: object, prefix: prefix + key + ".")
      rotary = try rope.rotary(
        base: rotary.base, positions: positions,
        outer: integer("original_max_position_embeddings", 1...(1 << 28)))
    }
    return rotary
  }

  /// The rotary embedding that this object describes.
  ///
  /// - Parameters:
  ///   - base: the base where it has no `rope_theta`.
  ///   - outer: the configuration's own `original_max_position_embeddings`, which goes before the object's.
  func rotary(base: Double, positions: Int, outer: Int?) throws(ModelFilesError) -> Rotary {
    let typeKey = ["rope_type", "type"].first { isSet($0) }
    let type = typeKey.map { self[$0]?.word } ?? "default"
    let factors: ClosedRange<Double> = 1e-3...1e6
    func factor() throws(ModelFilesError) -> Double {
      guard let factor = try number("factor", factors) else {
        throw bad("factor", expected: "a number from \(factors.lowerBound) to \(factors.upperBound)")
      }
      return factor
    }
    func original() throws(ModelFilesError) -> Int {
      let own = try integer("original_max_position_embeddings", 1...(1 << 28))
      return outer ?? own ?? positions
    }
    var known = ["rope_type", "type", "rope_theta"]
    var rotary = Rotary(base: try number("rope_theta", Rotary.bases) ?? base)
    switch type {
    case "default": break
    case "linear":
      known += ["factor"]
      rotary.scaling = .linear(factor: try factor())
    case "llama3":
      known += ["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"]
      guard let low = try number("low_freq_factor", factors),
        let high = try number("high_freq_factor", factors),
        low < high
      else { throw bad("low_freq_factor", expected: "a number below high_freq_factor") }
      rotary.scaling = .llama3(factor: try factor(), low: low, high: high, original: try original())
    case "yarn":
      known += [
        "factor", "original_max_position_embeddings", "attention_factor", "beta_fast", "beta_slow", "mscale",
        "mscale_all_dim", "truncate",
      ]
      rotary.scaling = try yarn(factor: factor(), original: original())
    default:
      throw bad(
        typeKey ?? "rope_type", .unsupported, expected: "\"default\", \"linear\", \"llama3\" or \"yarn\"",
        advice: "Rotary embeddings of this type are not computed; remove the key to run without them.")
    }
    for name in object.keys where !known.contains(name) && isSet(name) {
      let isNeutral = name == "partial_rotary_factor" && real(name) == 1
      guard isNeutral else {
        throw bad(name, .unsupported, expected: "only \(known.joined(separator: ", ")) for this rope_type")
      }
    }
    return rotary
  }

  private func yarn(factor: Double, original: Int) throws(ModelFilesError) -> Rotary.Scaling {
    let numbers: ClosedRange<Double> = 1e-3...1e6
    var attention = try number("attention_factor", numbers)
    let scale = try number("mscale", 0...1e6) ?? 0
    let scaleAll = try number("mscale_all_dim", 0...1e6) ?? 0
    if attention == nil, scale != 0, scaleAll != 0 {
      attention = Rotary.yarnAttention(factor, scale) / Rotary.yarnAttention(factor, scaleAll)
    }
    let betaFast = try number("beta_fast", numbers) ?? 32
    let betaSlow = try number("beta_slow", numbers) ?? 1
    guard betaSlow <= betaFast else { throw bad("beta_slow", expected: "at most beta_fast, \(betaFast)") }
    return .yarn(
      factor: factor, original: original, attention: attention ?? Rotary.yarnAttention(factor),
      betaFast: betaFast, betaSlow: betaSlow, truncates: try bool("truncate") ?? true)
  }
}

extension Rotary {
  /// Bases that are computed with.
  static let bases: ClosedRange<Double> = 1e-3...1e18

  /// Positions that the embedding was stretched to; nil where the configuration says it itself.
  var stretchedPositions: Int? {
    guard case .yarn(let factor, let original, _, _, _, _) = scaling else { return nil }
    return min(Int((factor * Double(original)).rounded(.down)), 1 << 28)
  }
}
