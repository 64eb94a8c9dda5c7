public import ModelFiles

/// Two factors and their scale: ΔW = scale · B · A.
public struct LowRankPair: Sendable {
  /// Where a scale comes from.
  public enum ScaleOrigin: String, Sendable, CaseIterable {
    /// alpha / rank.
    case alphaOverRank = "alpha/rank"
    /// alpha / √rank, of rsLoRA.
    case alphaOverRootRank = "alpha/sqrt(rank)"
    /// The source states the number itself, as MLX does.
    case stated
  }

  /// `[rank, in]`, with more dimensions for convolutions.
  public var a: Tensor
  /// `[out, rank]`, with more dimensions for convolutions.
  public var b: Tensor
  /// The final factor.
  public var scale: Float
  /// Where ``scale`` comes from.
  public var scaleOrigin: ScaleOrigin
  /// The alpha behind ``scale``; nil if the source has none.
  public var alpha: Double?

  /// Makes a pair without checking the shapes.
  public init(
    a: Tensor, b: Tensor, scale: Float, scaleOrigin: ScaleOrigin = .stated, alpha: Double? = nil
  ) {
    self.a = a
    self.b = b
    self.scale = scale
    self.scaleOrigin = scaleOrigin
    self.alpha = alpha
  }

  /// Inner dimension.
  public var rank: Int { a.shape.first ?? 0 }
  /// Number of outputs.
  public var outputCount: Int { b.shape.first ?? 0 }
  /// Number of inputs; a convolution's kernel counts as inputs.
  public var inputCount: Int { a.shape.dropFirst().reduce(1, *) }

  /// Whether the scale and every element of both factors are finite. For F32, F16 and BF16.
  var isFinite: Bool { scale.isFinite && a.firstNonFinite == nil && b.firstNonFinite == nil }

  /// Both factors with their numbers in another element type, each rounded once to nearest even.
  func converted(to type: ElementType) -> LowRankPair {
    var pair = self
    pair.a = a.converted(to: type)
    pair.b = b.converted(to: type)
    return pair
  }
}
