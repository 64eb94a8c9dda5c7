import CCrypto

/// The digest that names a blob: SHA-256 of its contents, or git's SHA-1 of a header and its contents.
@safe struct BlobDigest: ~Copyable {
  private let context: OpaquePointer

  /// Begins the digest of a file of the hub.
  init(_ file: HubFile) {
    let algorithm = unsafe file.isLarge ? EVP_sha256() : EVP_sha1()
    guard let context = unsafe EVP_MD_CTX_new(), unsafe EVP_DigestInit_ex(context, algorithm, nil) == 1 else {
      preconditionFailure("libcrypto has neither SHA-256 nor SHA-1")
    }
    unsafe self.context = context
    if !file.isLarge {
      let header = Array("blob \(file.size)\0".utf8)
      unsafe update(header.span.bytes)
    }
  }

  deinit { unsafe EVP_MD_CTX_free(context) }

  func update(_ bytes: borrowing RawSpan) {
    let context = unsafe context
    unsafe bytes.withUnsafeBytes { unsafe _ = EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
  }

  /// In hexadecimal digits; the last thing that is asked for.
  consuming func finish() -> String {
    let context = unsafe context
    var count: UInt32 = 0
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 64) { buffer, used in
      unsafe EVP_DigestFinal_ex(context, buffer.baseAddress, &count)
      used = Int(count)
    }
    return bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
