import CCrypto

/// SHA-256 from the system's cryptographic library.
enum SHA256Words {
  /// The digest of bytes.
  static func digest(_ bytes: [UInt8]) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: 32)
    _ = unsafe bytes.withUnsafeBufferPointer { source in
      unsafe result.withUnsafeMutableBufferPointer { target in
        unsafe EVP_Digest(source.baseAddress, source.count, target.baseAddress, nil, EVP_sha256(), nil)
      }
    }
    return result
  }

  /// The first two little-endian words of the digest of a text.
  static func firstTwo(of text: String) -> (UInt32, UInt32) {
    let d = digest(Array(text.utf8)).map { UInt32($0) }
    return (d[0] | d[1] << 8 | d[2] << 16 | d[3] << 24, d[4] | d[5] << 8 | d[6] << 16 | d[7] << 24)
  }

  /// The digest in hexadecimal.
  static func hex(_ bytes: [UInt8]) -> String {
    digest(bytes).map { byte in
      let text = String(byte, radix: 16)
      return text.count == 1 ? "0" + text : text
    }.joined()
  }
}
