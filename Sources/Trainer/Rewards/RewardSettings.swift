/// Numbers that the components' formulas take.
public struct RewardSettings: Sendable, Equatable {
  /// `cosine`: the length at which a wrong answer earns least.
  public var cosineMaxLength = 1000
  /// `cosine`: what a wrong answer of length 0 earns.
  public var cosineMinWrong = 0.0
  /// `cosine`: what a wrong answer of the largest length earns.
  public var cosineMaxWrong = -0.5
  /// `cosine`: what a right answer of the largest length earns.
  public var cosineMinCorrect = 0.5
  /// `cosine`: what a right answer of length 0 earns.
  public var cosineMaxCorrect = 1.0
  /// `repetition_penalty`: words of an n-gram.
  public var repetitionNGram = 3
  /// `repetition_penalty`: what nothing but repetition costs.
  public var repetitionMaxPenalty = -1.0
  /// `soft_overlong_punishment`: the length limit in tokens.
  public var maxCompletionTokens = 3584
  /// `soft_overlong_punishment`: tokens before the limit over which the punishment grows.
  public var softPunishTokens = 512

  /// Tina's numbers.
  public init() {}

  mutating func read(_ reader: inout RecipeReader) throws(TrainerError) {
    let values = -1e6...1e6
    try reader.read("cosine_max_len", into: &cosineMaxLength, 1...1 << 30)
    try reader.read("cosine_min_value_wrong", into: &cosineMinWrong, values)
    try reader.read("cosine_max_value_wrong", into: &cosineMaxWrong, values)
    try reader.read("cosine_min_value_correct", into: &cosineMinCorrect, values)
    try reader.read("cosine_max_value_correct", into: &cosineMaxCorrect, values)
    try reader.read("repetition_n_grams", into: &repetitionNGram, 1...1000)
    try reader.read("repetition_max_penalty", into: &repetitionMaxPenalty, values)
    try reader.read("soft_punish_cache", into: &softPunishTokens, 1...1 << 30)
  }
}
