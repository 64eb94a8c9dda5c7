import Support

extension HubFile {
  /// Begins the digest that names the file's blob: SHA-256 of its contents, or git's SHA-1 of a header and its
  /// contents.
  func blobDigest() -> Digest {
    if isLarge { return Digest(.sha256) }
    var digest = Digest(.sha1)
    digest.update(Array("blob \(size)\0".utf8))
    return digest
  }
}
