import ArgumentParser
import ModelFiles
import TinaRuntime

/// How tokens are drawn. What is not given comes from the model's generation_config.json.
struct SamplingOptions: ParsableArguments {
  @Option(help: "Divides the logits; 0 takes the likeliest token.")
  var temperature: Float?

  @Option(help: "Keeps this many of the likeliest tokens; 0 keeps all.")
  var topK: Int?

  @Option(help: "Keeps the likeliest tokens that together reach this probability.")
  var topP: Float?

  @Option(help: "Drops tokens less likely than this share of the likeliest.")
  var minP: Float?

  @Option(help: "Makes tokens less likely that were there before; 1 changes nothing.")
  var repetitionPenalty: Float?

  @Flag(help: "Always the likeliest token: the same as --temperature 0.")
  var greedy = false

  @Option(help: "Number that fixes the random choices; a random one unless given, shown at the end.")
  var seed: UInt64?

  @Option(help: "Tokens of an answer at most; until the model stops or the context is full unless given.")
  var maxTokens: Int?

  func validate() throws {
    try namingOption { () throws(RuntimeError) in
      try AnswerSettings(
        sampling: SamplingParameters(
          temperature: temperature ?? 1, topK: topK ?? 0, topP: topP ?? 1, minP: minP ?? 0,
          repetitionPenalty: repetitionPenalty ?? 1), maxTokens: maxTokens
      ).validate()
    }
    if greedy, (temperature ?? 0) != 0 || topK != nil || topP != nil || minP != nil {
      throw ValidationError("--greedy leaves nothing to sample: give it without sampling options.")
    }
  }

  /// Puts the settings in force. A model whose generation_config.json does not ask for sampling is greedy unless an
  /// option says otherwise.
  func apply(to assistant: inout Assistant) {
    assistant.settings.sampling = SamplingParameters(
      assistant.model.directory.generation, temperature: greedy ? 0 : temperature, topK: topK, topP: topP,
      minP: minP, repetitionPenalty: repetitionPenalty, seed: seed ?? Self.randomSeed())
    assistant.settings.maxTokens = maxTokens
  }

  /// A seed that is short enough to be typed again.
  private static func randomSeed() -> UInt64 { UInt64(UInt32.random(in: 1...UInt32.max)) }
}
