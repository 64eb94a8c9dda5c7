import Support

/// SHA-256 of an adapter's content or of a file; compared as bytes.
public struct ContentDigest: Sendable, Hashable, CustomStringConvertible {
  /// The 32 bytes.
  public let bytes: [UInt8]

  /// Takes 32 bytes.
  public init(_ bytes: [UInt8]) {
    precondition(bytes.count == Digest.byteCount)
    self.bytes = bytes
  }

  /// All zero, which means "none".
  public static let zero = ContentDigest([UInt8](repeating: 0, count: 32))

  /// 64 hexadecimal digits.
  public var description: String { hexadecimal(bytes) }

  static func of(_ bytes: [UInt8]) -> ContentDigest { ContentDigest(Digest.sha256(bytes)) }

  static func of(_ bytes: UnsafeRawBufferPointer) -> ContentDigest {
    var hash = Digest()
    unsafe hash.update(RawSpan(_unsafeBytes: bytes))
    return ContentDigest(hash.finish())
  }
}
