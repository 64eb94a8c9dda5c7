public import Tokenization

/// What to continue, and how.
public struct GenerationRequest: Sendable {
  /// The prompt's token ids; at least one.
  public var prompt: [Int]
  /// The adapter to answer with; nil for the base alone.
  public var adapter: AttachedAdapter?
  /// How tokens are drawn.
  public var sampling: SamplingParameters
  /// At most this many tokens are drawn; `.max` for as many as there is room for.
  public var maxTokens: Int
  /// Drawing one of these ends the completion; it is reported as the last token.
  public var stopTokens: Set<Int>
  /// Only ids below this are drawn (rows of the embedding beyond the tokenizer's vocabulary are padding);
  /// the model's whole vocabulary when nil.
  public var allowedTokens: Int?
  /// With a tokenizer, events carry the text too.
  public var tokenizer: Tokenizer?
  /// The completion ends before the first of these texts, wherever tokens begin and end in it. Needs
  /// ``tokenizer``.
  public var stopTexts: [String]
  /// How many of the likeliest tokens are told with each token drawn, at most 128.
  public var topCount: Int
  /// Which prompt this is, for the random numbers.
  public var promptIndex: Int
  /// Which sample of the prompt this is, for the random numbers; of a group, which its first is.
  public var sampleIndex: Int

  /// A request for completions of `prompt`.
  public init(
    prompt: [Int], adapter: AttachedAdapter? = nil, sampling: SamplingParameters = .init(), maxTokens: Int,
    stopTokens: Set<Int> = [], allowedTokens: Int? = nil, tokenizer: Tokenizer? = nil,
    stopTexts: [String] = [], topCount: Int = 0, promptIndex: Int = 0, sampleIndex: Int = 0
  ) {
    self.prompt = prompt
    self.adapter = adapter
    self.sampling = sampling
    self.maxTokens = maxTokens
    self.stopTokens = stopTokens
    self.allowedTokens = allowedTokens
    self.tokenizer = tokenizer
    self.stopTexts = stopTexts
    self.topCount = topCount
    self.promptIndex = promptIndex
    self.sampleIndex = sampleIndex
  }

  /// - Throws: `RuntimeError` for settings out of range.
  func validate() throws(RuntimeError) {
    try sampling.validate()
    func check(_ name: String, _ value: Int, _ expected: String, _ isGood: Bool) throws(RuntimeError) {
      if !isGood { throw .invalidSetting(name: name, found: "\(value)", expected: expected) }
    }
    try check("max tokens", maxTokens, "1 or more", maxTokens > 0)
    try check("top count", topCount, "0 to 128", (0...128).contains(topCount))
    if let allowed = allowedTokens { try check("allowed tokens", allowed, "1 or more", allowed > 0) }
    for text in stopTexts {
      guard !text.isEmpty else {
        throw .invalidSetting(name: "stop text", found: "an empty text", expected: "at least one character")
      }
      guard tokenizer != nil else {
        throw .invalidSetting(name: "stop text", found: "no tokenizer", expected: "a tokenizer beside it")
      }
    }
  }
}
