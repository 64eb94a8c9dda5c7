import ModelFiles
import TinaRuntime

extension RequestLimits {
  /// The lowest temperature above 0 that can be computed.
  static let lowestTemperature = SamplingParameters.lowestTemperature
}

extension SamplingFields {
  /// The answer's settings on a model with these defaults; `top` is nil when probabilities are not wanted.
  func settings(
    _ defaults: GenerationConfig, adapter: AttachedAdapter?, maxTokens: Int?, top: Int?
  ) -> AnswerSettings {
    var parameters = SamplingParameters(
      defaults, temperature: temperature, topK: topK, topP: topP, minP: minP,
      repetitionPenalty: repetitionPenalty, seed: seed)
    parameters.presencePenalty = presencePenalty
    parameters.frequencyPenalty = frequencyPenalty
    return AnswerSettings(
      adapter: adapter, sampling: parameters, maxTokens: maxTokens, stopTexts: stops, topCount: top ?? 0)
  }
}
