import CKernels
import Foundation

/// How the next token is drawn from the logits. The filters apply in the order of Hugging Face's
/// generation: temperature, top-k, top-p, min-p.
public struct SamplingParameters: Sendable, Equatable {
  /// Divides the logits; 0 takes the likeliest token.
  public var temperature: Float
  /// Keeps this many of the likeliest tokens; 0 keeps all.
  public var topK: Int
  /// Keeps the smallest set of likeliest tokens whose probability reaches this share; 1 keeps all.
  public var topP: Float
  /// Drops tokens less likely than this share of the likeliest; 0 drops none.
  public var minP: Float
  /// Key of the random numbers.
  public var seed: UInt64

  /// Plain sampling from the model's distribution unless told otherwise.
  public init(
    temperature: Float = 1, topK: Int = 0, topP: Float = 1, minP: Float = 0, seed: UInt64 = 0
  ) {
    self.temperature = temperature
    self.topK = topK
    self.topP = topP
    self.minP = minP
    self.seed = seed
  }

  /// The likeliest token, always.
  public static let greedy = SamplingParameters(temperature: 0)

  /// - Throws: `RuntimeError.invalidSetting` for a value out of its range.
  func validate() throws(RuntimeError) {
    guard temperature.isFinite, temperature >= 0 else {
      throw .invalidSetting(name: "temperature", found: "\(temperature)", expected: "0 or more")
    }
    guard topK >= 0 else { throw .invalidSetting(name: "top-k", found: "\(topK)", expected: "0 or more") }
    guard topP > 0, topP <= 1 else {
      throw .invalidSetting(name: "top-p", found: "\(topP)", expected: "more than 0, at most 1")
    }
    guard minP >= 0, minP <= 1 else {
      throw .invalidSetting(name: "min-p", found: "\(minP)", expected: "0 to 1")
    }
  }
}

/// Draws tokens from rows of logits.
struct Sampler {
  /// The token drawn, and the natural logarithm of its probability under the model itself (temperature 1,
  /// no filter). Nil when the logits are not finite.
  ///
  /// - Parameters:
  ///   - logits: `count` values, of which only the first `allowed` may be drawn.
  ///   - uniform: a number in [0, 1); unused at temperature 0.
  static func draw(
    _ logits: UnsafePointer<Float>, count: Int, allowed: Int, _ parameters: SamplingParameters,
    uniform: Double
  ) -> (token: Int, logProbability: Float)? {
    guard let normaliser = unsafe LogNormaliser(logits, count: count) else { return nil }
    var best = 0
    for i in 1..<max(allowed, 1) where unsafe logits[i] > logits[best] { best = i }
    let token: Int
    if parameters.temperature == 0 {
      token = best
    } else {
      token = unsafe pick(logits, allowed: allowed, peak: logits[best], parameters, uniform: uniform)
    }
    return unsafe (token, normaliser.logProbability(logits[token]))
  }

  private struct Candidate {
    let token: Int
    let weight: Float  // exp((logit - peak) / temperature), 1 for the likeliest
  }

  private static func pick(
    _ logits: UnsafePointer<Float>, allowed: Int, peak: Float, _ parameters: SamplingParameters,
    uniform: Double
  ) -> Int {
    let inverse = 1 / parameters.temperature
    var candidates: [Candidate] = []
    candidates.reserveCapacity(1024)
    for token in 0..<allowed {
      let weight = unsafe tk_exp((logits[token] - peak) * inverse)
      if weight > 0 { candidates.append(Candidate(token: token, weight: weight)) }
    }
    if parameters.topK > 0 || parameters.topP < 1 || parameters.minP > 0 {
      candidates = filter(candidates, parameters)
    }
    var total = 0.0
    for candidate in candidates { total += Double(candidate.weight) }
    var rest = uniform * total
    for candidate in candidates {
      rest -= Double(candidate.weight)
      if rest < 0 { return candidate.token }
    }
    return candidates[candidates.count - 1].token  // rounding left a sliver at the end
  }

  /// The survivors of top-k, top-p and min-p, likeliest first; equal weights keep the order of their ids.
  ///
  /// Only as many as can survive are ever sorted: weights are first counted by their binary exponent, and
  /// whole classes of small ones fall away.
  private static func filter(_ all: [Candidate], _ parameters: SamplingParameters) -> [Candidate] {
    var masses = [Double](repeating: 0, count: 256)  // by exponent of the weight
    var counts = [Int](repeating: 0, count: 256)
    for candidate in all {
      let exponent = Int(candidate.weight.bitPattern >> 23)
      masses[exponent] += Double(candidate.weight)
      counts[exponent] += 1
    }
    let total = masses.reduce(0, +)
    var floor = 127  // the likeliest weighs 1
    var mass = masses[127]
    var count = counts[127]
    let enoughMass = Double(parameters.topP) * total * (1 + 1e-9)
    while floor > 0, mass < enoughMass || parameters.topP >= 1,
      parameters.topK == 0 || count < parameters.topK
    {
      floor -= 1
      mass += masses[floor]
      count += counts[floor]
    }
    var kept = all.filter { Int($0.weight.bitPattern >> 23) >= floor }
    kept.sort { ($0.weight, $1.token) > ($1.weight, $0.token) }
    if parameters.topK > 0, kept.count > parameters.topK { kept.removeSubrange(parameters.topK...) }
    if parameters.topP < 1 {
      let base = parameters.topK > 0 ? kept.reduce(0) { $0 + Double($1.weight) } : total
      var mass = 0.0
      var survivors = 0
      while survivors < kept.count, mass < Double(parameters.topP) * base {
        mass += Double(kept[survivors].weight)
        survivors += 1
      }
      kept.removeSubrange(max(survivors, 1)...)
    }
    if parameters.minP > 0 { kept.removeAll { $0.weight < parameters.minP } }
    return kept
  }
}

/// The logarithm of a softmax's denominator, summed in double precision in the order of the ids.
struct LogNormaliser {
  private let value: Double

  /// Nil when a logit is NaN or +infinity, or all are -infinity.
  init?(_ logits: UnsafePointer<Float>, count: Int) {
    var peak = -Float.infinity
    var sane = true
    for i in 0..<count {
      let logit = unsafe logits[i]
      sane = sane && logit < .infinity  // false for NaN too
      peak = max(peak, logit)
    }
    guard sane, peak > -.infinity else { return nil }
    var sum = 0.0
    for i in 0..<count { unsafe sum += Double(tk_exp(logits[i] - peak)) }
    value = Double(peak) + log(sum)
  }

  /// ln p of a token with this logit.
  func logProbability(_ logit: Float) -> Float { Float(Double(logit) - value) }
}
