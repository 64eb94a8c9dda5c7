import Foundation
import ModelFiles

/// How the loss makes up for a sampler whose log-probabilities are not the trainer's: truncated importance sampling
/// with TRL's names. Where sampler and trainer agree to the bit, every ratio is 1 and none of it has an effect.
public struct SamplingCorrection: Sendable, Equatable {
  /// `vllm_importance_sampling_correction`: whether the policy loss is weighted by the ratios.
  public var isOn = true
  /// `vllm_importance_sampling_mode`.
  public var mode = Mode.sequenceMask
  /// `vllm_importance_sampling_clip_max`, or its older name `vllm_importance_sampling_cap`: the largest ratio; nil for
  /// none.
  public var highest: Double? = 3
  /// `vllm_importance_sampling_clip_min`: the least ratio; nil for none.
  public var lowest: Double?

  /// What has a ratio, and what becomes of one out of bounds.
  public enum Mode: String, Sendable, CaseIterable {
    /// Each token has one, which is cut off at the bounds.
    case tokenTruncate = "token_truncate"
    /// Each token has one, which is 0 out of bounds.
    case tokenMask = "token_mask"
    /// A completion has one, the product of its tokens', which is cut off at the bounds.
    case sequenceTruncate = "sequence_truncate"
    /// A completion has one, which is 0 out of bounds.
    case sequenceMask = "sequence_mask"

    var isWhole: Bool { self == .sequenceTruncate || self == .sequenceMask }
    var masks: Bool { self == .tokenMask || self == .sequenceMask }
  }

  static let keys = ["correction", "mode", "clip_max", "clip_min", "cap"].map { prefix + $0 }
  private static let prefix = "vllm_importance_sampling_"

  /// TRL's settings by default.
  public init() {}

  /// In words, for people.
  var text: String {
    guard isOn else { return Self.prefix + "correction: false leaves the loss as it is" }
    let bounds = [lowest.map { "at least \($0)" }, highest.map { "at most \($0)" }].compactMap(\.self)
    return "the loss weighs by importance (\(Self.prefix)mode: \(mode.rawValue)"
      + bounds.map { ", " + $0 }.joined() + ")"
  }

  mutating func read(_ reader: inout RecipeReader) throws(TrainerError) {
    isOn = try reader.flag(Self.prefix + "correction") ?? isOn
    mode = try reader.choice(Self.prefix + "mode") ?? mode
    let range = 0...Double.greatestFiniteMagnitude
    if let bound = try reader.nullableNumber(Self.prefix + "clip_max", range) { highest = bound }
    if let bound = try reader.nullableNumber(Self.prefix + "clip_min", range) { lowest = bound }
    if let cap = try reader.number(Self.prefix + "cap", range) {
      guard !reader.stated.contains(Self.prefix + "clip_max") else {
        throw reader.error(
          Self.prefix + "cap", found: "it and \(Self.prefix)clip_max", expected: "one of the two",
          advice: "The second is its newer name.")
      }
      highest = cap
    }
    if let lowest, let highest, lowest >= highest {
      throw reader.error(
        Self.prefix + "clip_min", found: "\(lowest)",
        expected: "less than \(Self.prefix)clip_max = \(highest)")
    }
    if isOn, !mode.masks, lowest == nil, highest == nil {
      throw reader.error(
        Self.prefix + "clip_max", found: "no bound, with \(Self.prefix)mode: \(mode.rawValue)",
        expected: "a bound to cut off at", advice: "Give it, or \(Self.prefix)clip_min.")
    }
  }

  /// The ratios of the trainer's probabilities to the sampler's, within the bounds: one for each token, or a single one
  /// for the completion.
  ///
  /// - Parameter sampled: a token whose probability the sampler did not tell is NaN, and has ratio 1.
  func ratios(trainer: [Float], sampled: [Float]) -> [Double] {
    let differences = zip(trainer, sampled).map { mine, theirs in
      theirs.isNaN ? 0 : Double(mine) - Double(theirs)
    }
    return (mode.isWhole ? [differences.reduce(0, +)] : differences).map { bounded(exp($0)) }
  }

  private func bounded(_ ratio: Double) -> Double {
    guard mode.masks else { return min(max(ratio, lowest ?? 0), highest ?? .infinity) }
    return ratio < lowest ?? 0 || ratio > highest ?? .infinity ? 0 : ratio
  }

  /// How far a completion's sampler and trainer are apart. One that weighs nothing counts as TRL counts it: its tokens
  /// not at all, and as a whole with ratio 1.
  func mismatch(trainer: [Float], sampled: [Float], ratios: [Double], isMasked: Bool) -> SamplingMismatch {
    var result = SamplingMismatch()
    if isMasked {
      if mode.isWhole { result.add(ratio: bounded(1)) }
      return result
    }
    for (mine, theirs) in zip(trainer, sampled) where !theirs.isNaN {
      result.add(difference: abs(Double(mine) - Double(theirs)))
    }
    for ratio in ratios { result.add(ratio: ratio) }
    return result
  }
}

/// How far a sampler's log-probabilities are from the trainer's.
struct SamplingMismatch: Sendable, Equatable {
  /// Tokens whose log-probability the sampler told, the sum of the differences' sizes, and the largest.
  private(set) var tokens = 0
  private var sum = 0.0
  private(set) var largest = 0.0
  /// Ratios, their sum and their bounds.
  private var ratios = 0
  private var ratioSum = 0.0
  private var leastRatio = Double.infinity
  private var mostRatio = -Double.infinity

  init() {}

  /// The mean difference; 0 without tokens.
  var mean: Double { sum / Double(max(tokens, 1)) }
  /// The least, the mean and the largest ratio; 0 without any.
  var ratio: (least: Double, mean: Double, most: Double) {
    ratios == 0 ? (0, 0, 0) : (leastRatio, ratioSum / Double(ratios), mostRatio)
  }

  mutating func add(difference: Double) {
    tokens += 1
    sum += difference
    largest = max(largest, difference)
  }

  mutating func add(ratio: Double) {
    ratios += 1
    ratioSum += ratio
    leastRatio = min(leastRatio, ratio)
    mostRatio = max(mostRatio, ratio)
  }

  static func + (a: SamplingMismatch, b: SamplingMismatch) -> SamplingMismatch {
    var result = a
    result.tokens += b.tokens
    result.sum += b.sum
    result.largest = max(a.largest, b.largest)
    result.ratios += b.ratios
    result.ratioSum += b.ratioSum
    result.leastRatio = min(a.leastRatio, b.leastRatio)
    result.mostRatio = max(a.mostRatio, b.mostRatio)
    return result
  }

  /// As numbers, for other processes.
  var numbers: [Double] {
    [Double(tokens), sum, largest, Double(ratios), ratioSum, leastRatio, mostRatio]
  }

  static let numberCount = 7

  /// From ``numbers``; nil if they are not such.
  init?(_ numbers: some Collection<Double>) {
    let all = Array(numbers)
    guard all.count == Self.numberCount, let tokens = Int(exactly: all[0]), let ratios = Int(exactly: all[3])
    else { return nil }
    (self.tokens, sum, largest, self.ratios) = (tokens, all[1], all[2], ratios)
    (ratioSum, leastRatio, mostRatio) = (all[4], all[5], all[6])
  }
}
