import AdapterFormat

/// SHA-256 in hexadecimal digits.
enum Digest {
  /// Over texts, each with its length before it, so that moving a character from one to the next changes it.
  static func text(of texts: [String]) -> String {
    var hash = SHA256()
    for text in texts {
      let bytes = Array(text.utf8)
      hash.update((0..<8).map { UInt8(truncatingIfNeeded: bytes.count >> (8 * $0)) })
      hash.update(bytes)
    }
    return hash.finish().map { byte in
      String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
    }.joined()
  }
}
