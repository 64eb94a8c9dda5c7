public import ModelFiles

/// How an adapter is stored in a .tina file.
public struct TinaOptions: Sendable {
  /// The precision of the file.
  public enum Precision: Sendable, Equatable {
    /// Every tensor bit for bit.
    case exact
    /// ‖ΔW − ΔW'‖ / ‖ΔW‖ at most this in every module.
    case maxError(Double)
    /// At most this many bytes in the file, with the least error that allows.
    case maxBytes(Int)

    /// As exact as rounding to bfloat16.
    public static let fine = Precision.maxError(2.3e-3)
    /// One per cent.
    public static let standard = Precision.maxError(1e-2)
    /// Five per cent.
    public static let small = Precision.maxError(5e-2)
  }

  /// The precision; exact by default.
  public var precision = Precision.exact
  /// Bits of each refinement layer of a rounded file; nil chooses them so that the first layer alone has an error of
  /// about 5 %.
  public var refinementBits: [Int]?
  /// The adapter before its rank or element type was changed: the file's stated errors are relative to it.
  /// Nil: relative to what is written.
  public var original: AdapterArchive?
  /// Whether tensors are stored plainly, to be used in place from the mapped file: larger, ready at once.
  public var isPlain = false
  /// The seed of the run's initial A: A is stored as differences from it.
  public var seed: UInt64?
  /// The file from which the tensors are stored as differences; readers need it too.
  public var parent: TinaFile?
  /// Ancillary sections to be kept.
  public var sections: [TinaSection] = []
  /// Members of the metadata that this version does not know, to be kept.
  public var metadata: JSONObject?

  /// Exact and compressed.
  public init(_ precision: Precision = .exact) { self.precision = precision }

  /// Keeps what must stay of a file that is written anew: its unknown metadata, and its ancillary sections.
  /// Sections that depend on the tensors stay only if these do.
  public mutating func keep(from file: TinaFile, tensorsChange: Bool) {
    sections = file.sections.filter { !tensorsChange || $0.isSafeToCopy }
    metadata = file.unknownMetadata
  }
}

/// A section of a .tina file that readers may skip.
public struct TinaSection: Sendable, Equatable {
  /// Four letters; the first is in lower case.
  public let type: String
  /// The stored bytes. A compressed section stays compressed, because a few hostile bytes could expand to gigabytes.
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
