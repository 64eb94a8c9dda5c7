public import Tokenization

/// What to continue, and how. ``Assistant/request(for:promptIndex:sampleIndex:)`` makes one with everything that
/// the model's answers need.
public struct GenerationRequest: Sendable {
  /// The prompt's token ids; at least one.
  public var prompt: [Int]
  /// The adapter, how tokens are drawn, and where the completion ends.
  public var settings: AnswerSettings
  /// Drawing one of these ends the completion; it is reported as the last token. The model's own when nil.
  public var endTokens: Set<Int>?
  /// Only ids below this are drawn: rows of the embedding beyond the tokenizer's vocabulary are padding. The
  /// tokenizer's number of ids when nil; without a tokenizer the model's whole vocabulary.
  public var allowedTokens: Int?
  /// With a tokenizer, events carry the text too. Stop texts need one.
  public var tokenizer: Tokenizer?
  /// Which prompt this is, for the random numbers.
  public var promptIndex: Int
  /// Which sample of the prompt this is, for the random numbers; of a group, which its first is.
  public var sampleIndex: Int
  /// What the caller expects the completion to be, or a part of it. Guesses are taken from it, which saves time where
  /// it is right and changes nothing else. The engine looks at 32768 tokens of it at most.
  public var prediction: [Int] = []
  /// For measuring: these tokens are taken, whatever is drawn.
  package var replayed: [Int] = []

  /// A request for completions of `prompt`.
  public init(
    prompt: [Int], _ settings: AnswerSettings = .init(), endTokens: Set<Int>? = nil,
    allowedTokens: Int? = nil, tokenizer: Tokenizer? = nil, promptIndex: Int = 0, sampleIndex: Int = 0
  ) {
    self.prompt = prompt
    self.settings = settings
    self.endTokens = endTokens
    self.allowedTokens = allowedTokens
    self.tokenizer = tokenizer
    self.promptIndex = promptIndex
    self.sampleIndex = sampleIndex
  }

  /// - Throws: `RuntimeError.invalidSetting` for settings out of range.
  func validate() throws(RuntimeError) {
    try settings.validate()
    if let allowedTokens, allowedTokens < 1 {
      throw .invalidSetting(name: "allowed tokens", found: "\(allowedTokens)", expected: "1 or more")
    }
    guard settings.stopTexts.isEmpty || tokenizer != nil else {
      throw .invalidSetting(name: "stop text", found: "no tokenizer", expected: "a tokenizer beside it")
    }
  }
}
