import CCrypto

/// A cryptographic digest of bytes, from OpenSSL's libcrypto.
@safe package struct Digest: ~Copyable {
  package enum Algorithm {
    /// 32 bytes; Tina's own digests.
    case sha256
    /// 20 bytes; the hub names small files by it, as git does.
    case sha1
  }

  /// Bytes of a SHA-256 digest.
  package static let byteCount = 32

  private let context: OpaquePointer

  package init(_ algorithm: Algorithm = .sha256) {
    let function = unsafe algorithm == .sha256 ? EVP_sha256() : EVP_sha1()
    guard let context = unsafe EVP_MD_CTX_new(), unsafe EVP_DigestInit_ex(context, function, nil) == 1
    else { preconditionFailure("libcrypto has no \(algorithm)") }
    unsafe self.context = context
  }

  deinit { unsafe EVP_MD_CTX_free(context) }

  /// Hashes more bytes.
  package mutating func update(_ bytes: borrowing RawSpan) {
    let context = unsafe context
    unsafe bytes.withUnsafeBytes { unsafe _ = EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
  }

  /// Hashes more bytes.
  package mutating func update(_ bytes: [UInt8]) { update(unsafe bytes.span.bytes) }

  /// The digest of everything; ends the computation.
  package consuming func finish() -> [UInt8] {
    let context = unsafe context
    var count: UInt32 = 0
    return unsafe [UInt8](unsafeUninitializedCapacity: Int(EVP_MAX_MD_SIZE)) { buffer, used in
      unsafe EVP_DigestFinal_ex(context, buffer.baseAddress, &count)
      used = Int(count)
    }
  }

  /// The SHA-256 digest of some bytes.
  package static func sha256(_ bytes: [UInt8]) -> [UInt8] {
    var digest = Digest()
    digest.update(bytes)
    return digest.finish()
  }

  /// The SHA-256 digest of texts, in hexadecimal. Each text's length is hashed too, so that moving a character from one
  /// text to the next changes the digest.
  package static func text(of texts: [String]) -> String {
    var digest = Digest()
    for text in texts {
      let bytes = Array(text.utf8)
      digest.update((0..<8).map { UInt8(truncatingIfNeeded: bytes.count >> (8 * $0)) })
      digest.update(bytes)
    }
    return hexadecimal(digest.finish())
  }

  /// The first two little-endian words of the SHA-256 digest of a text.
  package static func twoWords(of text: String) -> (UInt32, UInt32) {
    let d = sha256(Array(text.utf8)).map { UInt32($0) }
    return (d[0] | d[1] << 8 | d[2] << 16 | d[3] << 24, d[4] | d[5] << 8 | d[6] << 16 | d[7] << 24)
  }
}
