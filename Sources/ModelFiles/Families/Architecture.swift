/// What a family's models are: their sizes, and every switch that forward and backward pass read.
///
/// A family turns `config.json` or a GGUF file's metadata into this value. Nothing else in the sources asks which
/// family a model belongs to.
public struct Architecture: Sendable, Equatable {
  /// What stands between the gate and the product.
  public enum Activation: String, Sendable {
    /// x · sigmoid(x)
    case silu
    /// x · Φ(x), with the tanh approximation of Φ.
    case geluTanh
  }

  /// How one layer attends.
  public struct Attention: Sendable, Hashable {
    /// Positions that it sees, the current one among them; nil for all.
    public var window: Int?
    /// How queries and keys are rotated; nil for not at all.
    public var rotary: Rotary?
  }

  /// GGUF's name of the family: `qwen2`, `gemma3`.
  public let family: String
  /// `model_type` of its checkpoints: `qwen2`, `gemma3_text`.
  public let modelType: String
  /// Rows of the embedding; may exceed the tokenizer's vocabulary.
  public let vocabSize: Int
  /// Width of the residual stream.
  public let hiddenSize: Int
  /// Width of the MLP.
  public let intermediateSize: Int
  /// Number of layers.
  public let layerCount: Int
  /// Query heads a layer.
  public let headCount: Int
  /// Key and value heads a layer; divides ``headCount``.
  public let keyValueHeadCount: Int
  /// Width of a head; even.
  public let headDim: Int
  /// Positions the model was made for.
  public internal(set) var maxPositions: Int
  /// Added to the mean square under RMSNorm's root.
  public let rmsNormEps: Float
  /// Whether the output projection is the embedding.
  public internal(set) var tieWordEmbeddings: Bool
  /// Token that begins a text.
  public let bosTokenID: Int?
  /// Tokens that end a text.
  public internal(set) var eosTokenIDs: [Int]
  /// Type the weights were saved in, as the file names it.
  public let torchDType: String?

  /// The MLP's activation.
  public internal(set) var activation = Activation.silu
  /// Projections with a bias.
  package internal(set) var biases: Set<Projection> = []
  /// Where norms stand, and their names.
  package let norms: [NormPlace: ModuleName]
  /// What is added to a norm's weights: 1 where a checkpoint holds their distance from 1.
  public let normOffset: Float
  /// Multiplies the embeddings.
  public internal(set) var embeddingScale: Float = 1
  /// Multiplies the scores of queries and keys.
  public internal(set) var queryScale: Float
  /// How each layer attends.
  public internal(set) var attention: [Attention]
  /// Whether a GGUF file holds the rows of q and k with rotary pairs beside each other.
  package let pairsAreAdjacentInGGUF: Bool

  /// Positions that a layer's attention sees, the current one among them; nil for all.
  public func window(layer: Int) -> Int? { attention[layer].window }

  /// The first window of a layer; nil if no layer slides.
  public var slidingWindow: Int? { attention.lazy.compactMap(\.window).first }

  /// Base of the rotary frequencies, in the layers that see all positions if there are such.
  public var ropeTheta: Double { rotary.base }

  /// The rotary embedding, in the layers that see all positions if there are such.
  public var rotary: Rotary {
    let whole = attention.first { $0.window == nil && $0.rotary != nil }
    return whole?.rotary ?? attention.lazy.compactMap(\.rotary).first ?? Rotary(base: 10000)
  }

  /// The rotary embeddings of all layers, each once.
  package var rotaries: [Rotary] {
    attention.compactMap(\.rotary).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }

  /// Width of all query heads together.
  package var queryWidth: Int { headCount * headDim }
  /// Width of all key heads together, and of all value heads.
  package var keyWidth: Int { keyValueHeadCount * headDim }

  /// Reads a `config.json`.
  ///
  /// - Throws: ``ModelFilesError`` naming a key that is missing, out of range, of a family that is not known, or that
  ///   asks for an arithmetic that is not computed.
  public init(path: String) throws(ModelFilesError) {
    self = try Families.architecture(Settings(path: path))
  }

  /// An architecture of these sizes without any switch: no biases, no windows, one rotary embedding.
  init(
    family: any Family.Type, vocabSize: Int, hiddenSize: Int, intermediateSize: Int, layerCount: Int,
    headCount: Int, keyValueHeadCount: Int, headDim: Int, maxPositions: Int, rotary: Rotary,
    rmsNormEps: Float,
    tieWordEmbeddings: Bool, bosTokenID: Int?, eosTokenIDs: [Int], torchDType: String? = nil
  ) {
    self.family = family.name
    modelType = family.modelTypes[0]
    norms = family.norms
    normOffset = family.normOffset
    pairsAreAdjacentInGGUF = family.pairsAreAdjacentInGGUF
    self.vocabSize = vocabSize
    self.hiddenSize = hiddenSize
    self.intermediateSize = intermediateSize
    self.layerCount = layerCount
    self.headCount = headCount
    self.keyValueHeadCount = keyValueHeadCount
    self.headDim = headDim
    self.maxPositions = maxPositions
    self.rmsNormEps = rmsNormEps
    self.tieWordEmbeddings = tieWordEmbeddings
    self.bosTokenID = bosTokenID
    self.eosTokenIDs = eosTokenIDs
    self.torchDType = torchDType
    queryScale = 1 / Float(headDim).squareRoot()
    attention = Array(repeating: Attention(window: nil, rotary: rotary), count: layerCount)
  }
}
