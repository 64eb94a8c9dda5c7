/// A model's `generation_config.json`: the sampling that its makers recommend. Values that the file lacks are nil.
public struct GenerationConfig: Sendable, Equatable {
  /// Token that begins a text.
  public var bosTokenID: Int?
  /// Tokens that end a text.
  public var eosTokenIDs: [Int] = []
  /// Whether to sample at all; greedy otherwise.
  public var doSample: Bool?
  /// Divides the logits.
  public var temperature: Double?
  /// Smallest set of tokens whose probability reaches this.
  public var topP: Double?
  /// Number of most probable tokens kept; 0 for all.
  public var topK: Int?
  /// Least probability relative to the most probable token.
  public var minP: Double?
  /// Divides (or multiplies) the logits of tokens that occurred; 1 changes nothing.
  public var repetitionPenalty: Double?

  /// An empty configuration.
  public init() {}

  /// Reads a file.
  ///
  /// - Throws: ``ModelFilesError`` naming the key with an impossible value.
  public init(path: String) throws(ModelFilesError) {
    let settings = try Settings(path: path)
    bosTokenID = try settings.tokenID("bos_token_id")
    eosTokenIDs = try settings.tokenIDs("eos_token_id")
    doSample = try settings.bool("do_sample")
    temperature = try settings.number("temperature", 0...1e6)
    topP = try settings.number("top_p", 0...1)
    topK = try settings.integer("top_k", 0...Int(Int32.max))
    minP = try settings.number("min_p", 0...1)
    repetitionPenalty = try settings.number("repetition_penalty", 1e-6...1e6)
  }
}
