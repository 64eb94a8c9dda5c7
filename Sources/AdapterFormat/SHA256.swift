import CCrypto
package import ModelFiles

/// SHA-256, from OpenSSL's libcrypto.
@safe package struct SHA256: ~Copyable {
  package static let byteCount = 32
  private let context: OpaquePointer

  package init() {
    guard let context = unsafe EVP_MD_CTX_new(), unsafe EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1
    else { preconditionFailure("libcrypto has no SHA-256") }
    unsafe self.context = context
  }

  deinit { unsafe EVP_MD_CTX_free(context) }

  /// Appends bytes to what is hashed.
  package mutating func update(_ bytes: borrowing RawSpan) {
    let context = unsafe context
    unsafe bytes.withUnsafeBytes { unsafe _ = EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
  }

  /// Appends bytes to what is hashed.
  package mutating func update(_ bytes: [UInt8]) { update(unsafe bytes.span.bytes) }

  /// Appends a part of a storage.
  ///
  /// - Precondition: the range lies in the storage.
  package mutating func update(_ storage: ByteStorage, _ range: Range<Int>) {
    switch storage {
    case .file(let file): update(file.bytes.extracting(range))
    case .memory(let memory): update(memory.bytes.extracting(range))
    }
  }

  /// The hash of everything; the last thing that is asked for.
  package consuming func finish() -> [UInt8] {
    let context = unsafe context
    return unsafe [UInt8](unsafeUninitializedCapacity: Self.byteCount) { buffer, count in
      unsafe EVP_DigestFinal_ex(context, buffer.baseAddress, nil)
      count = Self.byteCount
    }
  }

  /// The hash of some bytes.
  package static func hash(_ bytes: [UInt8]) -> [UInt8] {
    var hash = SHA256()
    hash.update(bytes)
    return hash.finish()
  }
}

/// Two lower-case digits a byte.
package func hexadecimal(_ bytes: [UInt8]) -> String {
  bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}
