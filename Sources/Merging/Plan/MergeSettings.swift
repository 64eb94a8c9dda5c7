public import ModelFiles

/// How float32 sums become the numbers of the output.
public enum Rounding: Sendable, Equatable {
  /// To the nearest, ties to even.
  case nearest
  /// Up or down at random, right on average; the seed, the tensor's name and the element's place fix the choice.
  case stochastic(seed: UInt64)

  /// The name that the command line and reports use.
  public var name: String { self == .nearest ? "nearest" : "stochastic" }
}

/// What is asked of a merge.
public struct MergeSettings: Sendable {
  /// F32, F16 or BF16 for every tensor of a directory; nil keeps each tensor's own.
  public var elementType: ElementType?
  /// Writes one GGUF file of this type instead of a directory.
  public var fileType: GGUFFileType?
  /// The most bytes of tensors in one file; nil keeps the base's division into files.
  public var shardByteCount: Int?
  /// How sums are rounded; converted tensors that no adapter touches are always rounded to the nearest.
  public var rounding = Rounding.nearest
  /// Whether a merge is wanted in which less than half of an adapter's change survives somewhere.
  public var acceptsLoss = false
  /// Whether what has the output's name may be replaced.
  public var replacesOutput = false
  /// Texts on which merged and attached form are compared; some short ones if empty.
  public var probes: [String] = []
  /// The most bytes of the output that are made at once.
  package var pieceByteCount = 8 << 20

  /// The defaults: the base's types and files, rounding to nearest.
  public init() {}

  /// - Throws: ``MergeError`` for settings that contradict each other.
  package func validate() throws(MergeError) {
    if let elementType, !elementType.readsAsFloats {
      throw .invalidSetting(name: "dtype", found: elementType.rawValue, expected: "f32, f16 or bf16")
    }
    if case .stochastic = rounding, elementType == .f32 {
      throw .invalidSetting(
        name: "rounding", found: "stochastic with f32", expected: "nearest: sums are float32 already")
    }
    if let fileType {
      if case .stochastic = rounding, fileType.isQuantised || fileType == .f32 {
        throw .invalidSetting(
          name: "rounding", found: "stochastic with \(fileType.rawValue)",
          expected: "F16 or BF16: others are rounded to the nearest")
      }
      if elementType != nil || shardByteCount != nil {
        throw .invalidSetting(
          name: "file type", found: "a GGUF file with an element type or a shard size of its own",
          expected: "the file type alone")
      }
    }
    if let shardByteCount, shardByteCount < 1 {
      throw .invalidSetting(name: "shard size", found: "\(shardByteCount)", expected: "1 byte or more")
    }
  }
}
