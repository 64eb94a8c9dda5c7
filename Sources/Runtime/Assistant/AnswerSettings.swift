/// How an answer is made: with which adapter, how its tokens are drawn, and where it ends.
public struct AnswerSettings: Sendable {
  /// The adapter to answer with; nil for the base alone.
  public var adapter: AttachedAdapter?
  /// How tokens are drawn.
  public var sampling: SamplingParameters
  /// At most this many tokens are drawn; as many as there is room for when nil.
  public var maxTokens: Int?
  /// The answer ends before the first of these texts, wherever tokens begin and end in it.
  public var stopTexts: [String]
  /// How many of the likeliest tokens are told with each token drawn, at most 128.
  public var topCount: Int

  /// Plain sampling from the base, up to the end of the context, unless told otherwise.
  public init(
    adapter: AttachedAdapter? = nil, sampling: SamplingParameters = .init(), maxTokens: Int? = nil,
    stopTexts: [String] = [], topCount: Int = 0
  ) {
    self.adapter = adapter
    self.sampling = sampling
    self.maxTokens = maxTokens
    self.stopTexts = stopTexts
    self.topCount = topCount
  }

  /// Checks every setting.
  ///
  /// - Throws: `RuntimeError.invalidSetting` for a value out of its range.
  public func validate() throws(RuntimeError) {
    try sampling.validate()
    if let maxTokens, maxTokens < 1 {
      throw .invalidSetting(name: "max tokens", found: "\(maxTokens)", expected: "1 or more")
    }
    guard (0...128).contains(topCount) else {
      throw .invalidSetting(name: "top count", found: "\(topCount)", expected: "0 to 128")
    }
    if stopTexts.contains("") {
      throw .invalidSetting(name: "stop text", found: "an empty text", expected: "at least one character")
    }
  }
}
