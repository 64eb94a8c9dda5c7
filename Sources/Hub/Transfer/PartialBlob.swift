import Foundation
import ModelFiles
import Support

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// The beginning of a blob in its `.incomplete` file, and its digest so far. The file stays when the program ends, so
/// that the next one goes on from there.
final class PartialBlob {
  let path: String
  let file: HubFile
  /// Bytes that are there.
  private(set) var count = 0
  private let descriptor: Int32
  private var digest: Digest?

  /// Opens the file or makes it, and reads what is there for the digest.
  init(path: String, file: HubFile) throws(HubError) {
    self.path = path
    self.file = file
    // A link is refused: it could lead out of the cache.
    descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o666)
    guard descriptor >= 0 else { throw HubCache.failure(path, "open", errno) }
    digest = file.blobDigest()
    try readBeginning()
  }

  deinit { close(descriptor) }

  private func readBeginning() throws(HubError) {
    var info = stat()
    guard unsafe fstat(descriptor, &info) == 0 else { throw HubCache.failure(path, "fstat", errno) }
    if info.st_size == 0 { return }
    guard info.st_mode & S_IFMT == S_IFREG, Int(info.st_size) <= file.size else { return try restart() }
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    while count < Int(info.st_size) {
      let got = unsafe buffer.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
      if got < 0, errno == EINTR { continue }
      guard got > 0 else { throw HubCache.failure(path, "read", got == 0 ? EIO : errno) }
      let part = unsafe buffer.span.bytes.extracting(0..<got)
      digest?.update(part)
      count += got
    }
  }

  /// Writes bytes behind those that are there.
  func append(_ bytes: borrowing RawSpan) throws(HubError) {
    var done = 0
    while done < bytes.byteCount {
      let rest = bytes.extracting(done..<bytes.byteCount)
      let got = unsafe rest.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
      if got < 0 {
        if errno == EINTR { continue }
        let code = errno
        // The file must hold exactly the bytes that were digested.
        _ = ftruncate(descriptor, off_t(count))
        throw HubCache.failure(path, "write", code)
      }
      done += got
    }
    digest?.update(bytes)
    count += bytes.byteCount
  }

  /// Forgets what is there.
  func restart() throws(HubError) {
    guard ftruncate(descriptor, 0) == 0, lseek(descriptor, 0, SEEK_SET) == 0 else {
      throw HubCache.failure(path, "ftruncate", errno)
    }
    count = 0
    digest = file.blobDigest()
  }

  /// Whether the whole file is there and has the right digest. Asked once: afterwards only ``restart()`` goes on.
  func matches() -> Bool {
    guard count == file.size, let digest = digest.take() else { return false }
    return hexadecimal(digest.finish()) == file.digest
  }

  /// Removes the file.
  func discard() throws(HubError) {
    guard unsafe unlink(path) == 0 else { throw HubCache.failure(path, "unlink", errno) }
  }

  /// Gives the file its final name.
  func publish(as blob: String) throws(HubError) {
    guard fsync(descriptor) == 0 else { throw HubCache.failure(path, "fsync", errno) }
    guard unsafe rename(path, blob) == 0 else { throw HubCache.failure(blob, "rename", errno) }
  }
}

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
