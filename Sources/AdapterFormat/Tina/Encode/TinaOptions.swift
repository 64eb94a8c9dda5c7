public import ModelFiles

/// How an adapter is stored in a .tina file.
public struct TinaOptions: Sendable {
  /// How exact the file is.
  public enum Precision: Sendable, Equatable {
    /// Every tensor bit for bit.
    case exact
    /// ‖ΔW − ΔW'‖ / ‖ΔW‖ at most this in every module.
    case maxError(Double)
    /// The file at most this many bytes, as exact as that allows.
    case maxBytes(Int)

    /// As exact as rounding to bfloat16.
    public static let fine = Precision.maxError(2.3e-3)
    /// One per cent.
    public static let standard = Precision.maxError(1e-2)
    /// Five per cent.
    public static let small = Precision.maxError(5e-2)
  }

  /// How exact; exact by default.
  public var precision = Precision.exact
  /// Bits of each refinement layer of a file that is not exact; nil: chosen so that the first layer alone has an
  /// error of about 5 %.
  public var refinementBits: [Int]?
  /// The adapter before its rank or element type was changed: the errors that the file states are relative to it.
  /// Nil: relative to what is written.
  public var original: AdapterArchive?
  /// Whether tensors are stored plainly, to be used in place from the mapped file: larger, ready at once.
  public var isPlain = false
  /// The seed whose initial A the run began with: A is stored as differences from it.
  public var seed: UInt64?
  /// The file whose tensors this one's are differences from; readers will need it.
  public var parent: TinaFile?
  /// Ancillary sections to be kept.
  public var sections: [TinaSection] = []
  /// Members of the metadata that this version does not know, to be kept.
  public var metadata: JSONObject?

  /// Exact and compressed.
  public init(_ precision: Precision = .exact) { self.precision = precision }

  /// What must be kept of a file when it is written anew: its unknown metadata, and its ancillary sections,
  /// of which those that depend on the tensors are kept only if these stay as they are.
  public mutating func keep(from file: TinaFile, tensorsChange: Bool) {
    sections = file.sections.filter { !tensorsChange || $0.isSafeToCopy }
    metadata = file.unknownMetadata
  }
}

/// A section of a .tina file that readers may skip.
public struct TinaSection: Sendable, Equatable {
  /// Four letters; the first is in lower case.
  public let type: String
  /// What it holds, as it is stored. A compressed section stays compressed: a few bytes could say that they are
  /// gigabytes, and nobody has asked for them.
  public let bytes: [UInt8]
  let codec: TinaCodec
  let decodedByteCount: Int

  /// Makes a section that is not compressed.
  public init(type: String, bytes: [UInt8]) {
    self.type = type
    self.bytes = bytes
    codec = .stored
    decodedByteCount = bytes.count
  }

  init(_ section: TinaHeader.Section, stored: [UInt8]) {
    type = section.type
    bytes = stored
    codec = section.codec
    decodedByteCount = section.decodedByteCount
  }

  /// Whether it stays true when tensors change: the fourth letter is in lower case.
  public var isSafeToCopy: Bool { type.utf8.last.map { $0 & 0x20 != 0 } ?? false }
}
