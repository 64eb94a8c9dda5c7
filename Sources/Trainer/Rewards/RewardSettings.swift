import ModelFiles

/// Numbers in the formulas of rewards.
public struct RewardSettings: Sendable, Equatable {
  /// `cosine`: the length, in Unicode scalars, that counts as the largest.
  public var cosineMaxLength = 1000
  /// `cosine`: value of a wrong answer of length 0.
  public var cosineMinWrong = 0.0
  /// `cosine`: value of a wrong answer of the largest length.
  public var cosineMaxWrong = -0.5
  /// `cosine`: value of a right answer of the largest length.
  public var cosineMinCorrect = 0.5
  /// `cosine`: value of a right answer of length 0.
  public var cosineMaxCorrect = 1.0
  /// `repetition_penalty`: words of an n-gram.
  public var repetitionNGram = 3
  /// `repetition_penalty`: value of a text of nothing but repetition.
  public var repetitionMaxPenalty = -1.0
  /// `soft_overlong_punishment`: the length limit in tokens.
  public var maxCompletionTokens = 3584
  /// `soft_overlong_punishment`: tokens before the limit over which the punishment grows.
  public var softPunishTokens = 512

  /// Tina's numbers.
  public init() {}

  mutating func read(_ reader: inout RecipeReader) throws(TrainerError) {
    let values = -1e6...1e6
    cosineMaxLength = try reader.integer("cosine_max_len", 1...1 << 30) ?? cosineMaxLength
    cosineMinWrong = try reader.number("cosine_min_value_wrong", values) ?? cosineMinWrong
    cosineMaxWrong = try reader.number("cosine_max_value_wrong", values) ?? cosineMaxWrong
    cosineMinCorrect = try reader.number("cosine_min_value_correct", values) ?? cosineMinCorrect
    cosineMaxCorrect = try reader.number("cosine_max_value_correct", values) ?? cosineMaxCorrect
    repetitionNGram = try reader.integer("repetition_n_grams", 1...1000) ?? repetitionNGram
    repetitionMaxPenalty = try reader.number("repetition_max_penalty", values) ?? repetitionMaxPenalty
    softPunishTokens = try reader.integer("soft_punish_cache", 1...1 << 30) ?? softPunishTokens
  }
}
