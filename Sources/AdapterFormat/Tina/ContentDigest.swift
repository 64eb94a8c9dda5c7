import CCrypto

/// A SHA-256 digest, compared as bytes.
public struct ContentDigest: Sendable, Hashable, CustomStringConvertible {
  /// The 32 bytes.
  public let bytes: [UInt8]

  /// Takes 32 bytes.
  public init(_ bytes: [UInt8]) {
    precondition(bytes.count == 32)
    self.bytes = bytes
  }

  /// All zero: "none".
  public static let zero = ContentDigest([UInt8](repeating: 0, count: 32))

  /// 64 hexadecimal digits.
  public var description: String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}

/// SHA-256 over pieces, by libcrypto.
@safe struct DigestStream: ~Copyable {
  private let context: OpaquePointer?

  init() {
    unsafe context = EVP_MD_CTX_new()
    let isReady = unsafe EVP_DigestInit_ex(context, EVP_sha256(), nil)
    precondition(isReady == 1, "libcrypto has no SHA-256")
  }

  deinit { unsafe EVP_MD_CTX_free(context) }

  func update(_ bytes: UnsafeRawBufferPointer) {
    unsafe _ = EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
  }

  func update(_ bytes: [UInt8]) {
    unsafe bytes.withUnsafeBytes { unsafe update($0) }
  }

  consuming func finish() -> ContentDigest {
    var out = [UInt8](repeating: 0, count: 32)
    unsafe _ = EVP_DigestFinal_ex(context, &out, nil)
    return ContentDigest(out)
  }

  static func hash(_ bytes: UnsafeRawBufferPointer) -> ContentDigest {
    let hash = DigestStream()
    unsafe hash.update(bytes)
    return hash.finish()
  }

  static func hash(_ bytes: [UInt8]) -> ContentDigest {
    unsafe bytes.withUnsafeBytes { unsafe hash($0) }
  }
}
