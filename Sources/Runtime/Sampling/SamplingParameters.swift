public import ModelFiles

/// How the next token is drawn from the logits: penalties first, then temperature, then the filters top-k, top-p and
/// min-p, in the order of Hugging Face's generation.
public struct SamplingParameters: Sendable, Equatable {
  /// Divides the logits; 0 takes the likeliest token.
  public var temperature: Float
  /// Keeps this many of the likeliest tokens; 0 keeps all.
  public var topK: Int
  /// Keeps the smallest set of likeliest tokens whose probability reaches this share; 1 keeps all.
  public var topP: Float
  /// Drops tokens less likely than this share of the likeliest; 0 drops none.
  public var minP: Float
  /// Divides positive logits and multiplies negative ones of every token in prompt or completion, as
  /// Hugging Face's `repetition_penalty`; 1 changes nothing.
  public var repetitionPenalty: Float
  /// Subtracted from the logit of every token that was drawn before, as in OpenAI's API; 0 changes nothing.
  public var presencePenalty: Float
  /// Subtracted from a token's logit once for each time that it was drawn before, as in OpenAI's API; 0 changes
  /// nothing.
  public var frequencyPenalty: Float
  /// The key of the random numbers.
  public var seed: UInt64

  /// Plain sampling from the model's distribution unless told otherwise.
  public init(
    temperature: Float = 1, topK: Int = 0, topP: Float = 1, minP: Float = 0, repetitionPenalty: Float = 1,
    presencePenalty: Float = 0, frequencyPenalty: Float = 0, seed: UInt64 = 0
  ) {
    self.temperature = temperature
    self.topK = topK
    self.topP = topP
    self.minP = minP
    self.repetitionPenalty = repetitionPenalty
    self.presencePenalty = presencePenalty
    self.frequencyPenalty = frequencyPenalty
    self.seed = seed
  }

  /// What a model's `generation_config.json` states, where the caller gives nothing else. A model that does not ask for
  /// sampling is greedy unless the caller gives a setting of sampling. A filter that the file leaves out is off.
  public init(
    _ defaults: GenerationConfig, temperature: Float? = nil, topK: Int? = nil, topP: Float? = nil,
    minP: Float? = nil, repetitionPenalty: Float? = nil, seed: UInt64
  ) {
    let penalty = repetitionPenalty ?? defaults.repetitionPenalty.map { Float($0) } ?? 1
    let isAsked = temperature != nil || topK != nil || topP != nil || minP != nil
    if !isAsked, defaults.doSample != true {
      self.init(temperature: 0, repetitionPenalty: penalty, seed: seed)
      return
    }
    self.init(
      temperature: temperature ?? defaults.temperature.map { Float($0) } ?? 1,
      topK: topK ?? defaults.topK ?? 0, topP: topP ?? defaults.topP.map { Float($0) } ?? 1,
      minP: minP ?? defaults.minP.map { Float($0) } ?? 0, repetitionPenalty: penalty, seed: seed)
  }

  /// The likeliest token, always.
  public static let greedy = SamplingParameters(temperature: 0)

  /// The lowest temperature above 0. Below it a logit divided by it could leave the range of float32.
  public static let lowestTemperature = 0.001

  /// Whether tokens that were there before change the logits.
  var hasPenalties: Bool { repetitionPenalty != 1 || presencePenalty != 0 || frequencyPenalty != 0 }

  /// Checks every setting.
  ///
  /// - Throws: `RuntimeError.invalidSetting` for a value out of its range.
  public func validate() throws(RuntimeError) {
    func check(_ name: String, _ value: Float, _ expected: String, _ isGood: Bool) throws(RuntimeError) {
      if !isGood { throw .invalidSetting(name: name, found: "\(value)", expected: expected) }
    }
    if temperature != 0 { try Self.checkTemperature(temperature, orElse: "0, or ") }
    try check("top-p", topP, "more than 0 and at most 1", topP > 0 && topP <= 1)
    try check("min-p", minP, "0 to 1", minP >= 0 && minP <= 1)
    try check(
      "repetition penalty", repetitionPenalty, "a number above 0",
      repetitionPenalty.isFinite && repetitionPenalty > 0)
    try check("presence penalty", presencePenalty, "a finite number", presencePenalty.isFinite)
    try check("frequency penalty", frequencyPenalty, "a finite number", frequencyPenalty.isFinite)
    guard topK >= 0 else { throw .invalidSetting(name: "top-k", found: "\(topK)", expected: "0 or more") }
  }

  /// Checks a temperature that logits are divided by.
  static func checkTemperature(_ temperature: Float, orElse: String = "") throws(RuntimeError) {
    guard temperature.isFinite, Double(temperature) >= lowestTemperature else {
      throw .invalidSetting(
        name: "temperature", found: "\(temperature)",
        expected: "\(orElse)a number from \(lowestTemperature) up")
    }
  }
}
